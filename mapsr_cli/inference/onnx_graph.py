"""Network and projection as one ONNX graph for images of any size.

The projection of `operators` is prepared for one size at a time. A graph has to find A and (AAᵀ)⁻¹ for whatever size
comes, with operations that ONNX has: along each axis A is scattered into a dense matrix from its taps' places, and
(AAᵀ)⁻¹ follows by Newton–Schulz iteration, X ← X(2I − GX), which squares the error at each step by products alone.
"""

import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.errors import ConsistencyError, MissingExtraError, UsageError
from mapsr_cli.files import write_bytes
from mapsr_cli.networks import Affine, AffineConvolution, Constraint, Estimator, MlpGenerator
from mapsr_cli.operators import SeparableKernel, downsampling
from mapsr_cli.zoo import Model

TOLERANCE = 1e-4
"""Largest difference from torch, and of A ŷ from x, as a fraction of the largest value (at least 1)."""
OPSET = 20
_TRACED = (1, 3, 9, 14)
_TRIED = ((1, 3, 24, 40), (2, 3, 33, 17), (1, 3, 1, 5))
"""[N, C, h, w]; none of them the one that was traced."""
_NEWTON_ERROR = 1e-14


def _reflected(at: Tensor, n: int) -> Tensor:
    """Compute `operators.border.reflected` by operations that ONNX has for an n that it does not know."""
    at = torch.remainder(at, torch.full_like(at, 2 * n))
    return torch.minimum(at, 2 * n - 1 - at)


class DenseAxes(nn.Module):
    """A and A⁺ at any size, each axis as a dense matrix."""

    taps: Tensor
    offsets: Tensor

    def __init__(self, kernel: SeparableKernel) -> None:
        super().__init__()
        self.scale = kernel.scale
        self.register_buffer("taps", torch.tensor(kernel.taps, dtype=torch.float64))
        self.register_buffer("offsets", kernel.first + torch.arange(len(kernel.taps)))
        # I/‖G‖∞ is off by at most 1 − 1/κ, with κ ≤ 4 × the condition number; squared k times, by its 2ᵏ-th power.
        condition = 4 * downsampling(kernel, (64 * kernel.scale, 64 * kernel.scale)).condition
        self.steps = math.ceil(math.log2(-math.log(_NEWTON_ERROR) * condition))

    def down(self, y: Tensor) -> Tensor:
        """Apply A: [N, C, s·h, s·w] → [N, C, h, w]."""
        rows, cols = (self.axis(length // self.scale).to(y.dtype) for length in y.shape[-2:])
        return rows @ y @ cols.T

    def pinv(self, r: Tensor) -> Tensor:
        """Apply A⁺: [N, C, h, w] → [N, C, s·h, s·w]."""
        rows, cols = (self.inverse(self.axis(n)).to(r.dtype) for n in r.shape[-2:])
        return rows @ r @ cols.T

    def axis(self, n: int) -> Tensor:
        """Make A along an axis of n LR pixels: [n, s·n] float64, as `operators.axis.dense_a` has it."""
        length = self.scale * n
        at = self.scale * torch.arange(n, device=self.taps.device)[:, None] + self.offsets
        at = _reflected(at, length)
        return self.taps.new_zeros(n, length).scatter_add(1, at, self.taps.expand(n, -1))

    def inverse(self, a: Tensor) -> Tensor:
        """Compute A⁺ = Aᵀ(AAᵀ)⁻¹ of A [n, s·n]: [s·n, n] float64."""
        gram = a @ a.T
        identity = torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
        inverse = identity / gram.abs().sum(1).max()
        for _ in range(self.steps):
            inverse = inverse @ (2 * identity - gram @ inverse)
        return a.T @ inverse


class DenseAffine(Affine):
    """Π f at any size, eqn (7)."""

    def __init__(self, kernel: SeparableKernel) -> None:
        super().__init__(kernel)
        self.axes = DenseAxes(kernel)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: [N, C, s·h, s·w] → [N, C, h, w]."""
        return self.axes.down(y)

    def pinv(self, r: Tensor, f: Tensor) -> Tensor:
        """Apply A⁺: [N, C, h, w] → [N, C, s·h, s·w]."""
        return self.axes.pinv(r)


class DenseAffineConvolution(AffineConvolution):
    """f + B(x − A f) at any size."""

    def __init__(self, kernel: SeparableKernel, kernels: Tensor) -> None:
        super().__init__(kernel, kernels)
        self.axes = DenseAxes(kernel)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: [N, C, s·h, s·w] → [N, C, h, w]."""
        return self.axes.down(y)

    def pinv(self, r: Tensor, f: Tensor) -> Tensor:
        """Apply B: [N, C, h, w] → [N, C, s·h, s·w]."""
        before, after = (self.kernels.shape[-1] - 1) // 2, self.kernels.shape[-1] // 2
        for dim in (-2, -1):
            n = r.shape[dim]
            r = r.index_select(dim, _reflected(torch.arange(-before, n + after, device=r.device), n))
        phases = functional.conv2d(r.flatten(0, 1)[:, None], self.kernels[:, None])
        return functional.pixel_shuffle(phases, int(self.kernel.scale)).view_as(f)


def dense(constraint: Constraint) -> Constraint:
    """Make the same constraint of operations that ONNX has.

    Raises UsageError for a projection by a kernel that is not separable.
    """
    if not constraint.projects:
        return constraint
    kernel = constraint.kernel
    if not isinstance(kernel, SeparableKernel):
        raise UsageError(f"{kernel.describe()} is not separable", "the graph works one axis at a time")
    if isinstance(constraint, AffineConvolution):
        return DenseAffineConvolution(kernel, constraint.kernels)
    return DenseAffine(kernel)


@dataclass(frozen=True)
class GraphCheck:
    """How an exported graph does on white noise of several sizes, as fractions of the largest value (at least 1)."""

    difference: float
    """Largest |onnxruntime − torch|."""
    inconsistency: float | None
    """Largest |A ŷ − x| of its estimates; None for a model that does not promise it."""


def export_onnx(model: Model, path: Path) -> GraphCheck:
    """Write a model as an ONNX graph, checked against torch in onnxruntime before it gets its name.

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
    reference = model.estimator().eval()
    inputs = _inputs(_TRACED, reference.noise_dim)
    try:
        program = trace(Estimator(model.network, dense(model.constraint)).eval(), inputs)
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{model.card.name} holds a network that has no ONNX form ({reason})") from error
    kernel = model.kernel
    properties = {"name": model.card.name, "scale": str(kernel.scale), "kernel": kernel.name, "range": "0 … 1"}
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


def check_onnx(graph: bytes, reference: Estimator) -> GraphCheck:
    """Run a graph in onnxruntime on several sizes. Raises ConsistencyError where it is off by more than `TOLERANCE`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    difference, inconsistency = 0.0, 0.0
    for size in _TRIED:
        inputs = _inputs(size, reference.noise_dim)
        y = torch.from_numpy(session.run(None, {name: value.numpy() for name, value in inputs.items()})[0])
        with torch.inference_mode():
            off = (y - reference(**inputs)).abs().max().item()
        down = downsampling(reference.kernel, (y.shape[-2], y.shape[-1])).down(y)
        inconsistent, largest = (down - inputs["x"]).abs().max().item(), max(1.0, y.abs().max().item())
        difference, inconsistency = max(difference, off / largest), max(inconsistency, inconsistent / largest)
    affine = reference.constraint.consistent
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
