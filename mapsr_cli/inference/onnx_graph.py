"""Network and projection as one ONNX graph for images of any size.

`onnx_modules` has the projection in operations that ONNX has, `onnx_scaled` a model at another scale than its own.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from mapsr_cli.errors import ConsistencyError, MissingExtraError, UsageError
from mapsr_cli.files import write_bytes
from mapsr_cli.inference.onnx_modules import dense
from mapsr_cli.inference.onnx_scaled import ScaledEstimator
from mapsr_cli.networks import Estimator, MlpGenerator, Named
from mapsr_cli.networks.spandrel_library import folded
from mapsr_cli.operators import downsampling, kernel_between
from mapsr_cli.zoo import Model

TOLERANCE = 1e-4
"""Largest difference from torch, and of A ŷ from x, as a fraction of the largest value (at least 1)."""
OPSET = 20
_TRACED = (1, 3, 9, 14)
_TRIED = ((1, 3, 24, 40), (2, 3, 33, 17), (1, 3, 1, 5))
"""[N, C, h, w]; none of them the one that was traced."""


@dataclass(frozen=True)
class GraphCheck:
    """How an exported graph does on white noise of several sizes, as fractions of the largest value (at least 1)."""

    difference: float
    """Largest |onnxruntime − torch|."""
    inconsistency: float | None
    """Largest |A ŷ − x| of its estimates; None for a model that does not promise it."""


def export_onnx(model: Model, path: Path, scale: float | None = None) -> GraphCheck:
    """Write a model as an ONNX graph, checked against torch in onnxruntime before it gets its name.

    `scale`: another scale than the model's own, below it.

    Raises MissingExtraError without the extra `export`, UsageError for a network of one size, ConsistencyError if
    the graph does not compute what torch does.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("mapsr export --onnx", "export") from error
    if isinstance(model.network, MlpGenerator):
        raise UsageError(f"{model.card.name} takes images of one size only", "export a convolutional network")
    if isinstance(model.network, Named):
        model = replace(model, network=folded(model.network))
    kernel = model.kernel
    reference: Estimator | ScaledEstimator = model.estimator().eval()
    graph_of: nn.Module = Estimator(model.network, dense(model.constraint)).eval()
    if scale is not None and scale != kernel.scale:
        reference, graph_of = (ScaledEstimator(model, scale, graph).eval() for graph in (False, True))
    inputs = _inputs(_TRACED, reference.noise_dim)
    try:
        program = trace(graph_of, inputs)
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{model.card.name} holds a network that has no ONNX form ({reason})") from error
    properties = {
        "name": model.card.name,
        "scale": f"{scale or kernel.scale:g}",
        "kernel": kernel.name,
        "range": "0 … 1",
    }
    program.model.metadata_props.update({f"mapsr-{key}": text for key, text in properties.items()})
    graph = program.model_proto.SerializeToString()
    checked = check_onnx(graph, reference)
    write_bytes(path, graph)
    return checked


def trace(module: nn.Module, inputs: dict[str, Tensor]) -> torch.onnx.ONNXProgram:
    """Write a module as a graph from inputs [N, C, h, w] by name, with N, h and w free, to y.

    Raises torch's OnnxExporterError for a module that has no ONNX form.
    """
    with _quiet():
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=["y"],
            dynamic_shapes={name: {0: "batch", 2: "height", 3: "width"} for name in inputs},
            verbose=False,
        )
    assert program is not None
    return program


def check_onnx(graph: bytes, reference: Estimator | ScaledEstimator) -> GraphCheck:
    """Run a graph in onnxruntime on several sizes. Raises ConsistencyError where it is off by more than `TOLERANCE`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    difference, inconsistency = 0.0, 0.0
    for size in _TRIED:
        inputs = _inputs(size, reference.noise_dim)
        y = torch.from_numpy(session.run(None, {name: value.numpy() for name, value in inputs.items()})[0])
        with torch.inference_mode():
            off = (y - reference(**inputs)).abs().max().item()
        hr_size = y.shape[-2], y.shape[-1]
        kernel = kernel_between(reference.kernel, (size[2], size[3]), hr_size)
        down = downsampling(kernel, hr_size).down(y)
        inconsistent, largest = (down - inputs["x"]).abs().max().item(), max(1.0, y.abs().max().item())
        difference, inconsistency = max(difference, off / largest), max(inconsistency, inconsistent / largest)
    affine = isinstance(reference, ScaledEstimator) or reference.constraint.consistent
    if difference > TOLERANCE or (affine and inconsistency > TOLERANCE):
        raise ConsistencyError(f"the ONNX graph is off by {difference:.2g}, and A ŷ from x by {inconsistency:.2g}")
    return GraphCheck(difference, inconsistency if affine else None)


def _inputs(size: tuple[int, ...], noise_dim: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(size, generator=generator)
    z = torch.randn(size[0], noise_dim, *size[2:], generator=generator)
    return {"x": x, "z": z} if noise_dim else {"x": x}


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's warnings of its own deprecations and of packages that nobody asked for."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
