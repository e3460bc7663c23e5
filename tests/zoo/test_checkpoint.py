import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import (
    PRESETS,
    AnyGeneratorConfig,
    Compact,
    CompactConfig,
    DensityConfig,
    architecture_of,
    build,
)
from mapsr_cli.operators import ConvPinv, downsampling, make_kernel, make_psf
from mapsr_cli.zoo import Card, Dataset, describe_kernel, load_model, save_model
from mapsr_cli.zoo.card import kernel_hash
from tests.psfs import comet_kernel
from tests.tiny import tiny
from tests.zoo.forging import Header, put_together, take_apart
from tests.zoo.fuzz import fuzz

Change = Callable[[Header, Header], None]


def refused(path: Path) -> CheckpointError:
    """Loading it fails, in one printable line."""
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    text = str(caught.value)
    assert text.isprintable()
    assert len(text) < 1000
    return caught.value


def test_what_is_saved_is_loaded(tiny_model: Path, tiny_card: Card) -> None:
    model = load_model(tiny_model)
    assert model.card == tiny_card
    assert model.kernel.name == "bicubic"
    assert model.receptive_field == 6
    assert not model.network.training
    assert not any(p.requires_grad for p in model.network.parameters())
    for name, tensor in load_file(tiny_model).items():
        assert torch.equal(model.network.state_dict()[name], tensor)


def test_everything_that_a_card_says_comes_back(tiny_card: Card, tmp_path: Path) -> None:
    card = replace(
        tiny_card,
        kernel=describe_kernel(make_kernel("gaussian9", 4, 1.3)),
        training={"steps": 7, "settings": {"widths": [[1, 2]], "name": "×"}},
        metrics={"protocol": "y", "psnr_y": {"Set5": 31.5, "Odd": None}},
        description="one line",
        license="mit",
        data=(Dataset("a", "CC0", 3), Dataset("b", "none stated")),
    )
    save_model(tmp_path / "m.safetensors", Compact(CompactConfig(**card.config)), card)
    loaded = load_model(tmp_path / "m.safetensors")
    assert loaded.card == card
    assert loaded.kernel == make_kernel("gaussian9", 4, 1.3)


@pytest.fixture
def learnt(tiny_model: Path, tmp_path: Path) -> Path:
    """A model with an A⁺ of its own."""
    model, kernels = load_model(tiny_model), torch.rand(16, 3, 3, generator=torch.Generator().manual_seed(0))
    save_model(path := tmp_path / "learnt.safetensors", model.network, model.card, pinv=kernels)
    return path


def test_a_learnt_pseudo_inverse_lies_in_the_models_file(learnt: Path, tiny_model: Path) -> None:
    model, without = load_model(learnt), load_model(tiny_model)
    kernels = torch.rand(16, 3, 3, generator=torch.Generator().manual_seed(0))
    assert model.pinv is not None
    assert torch.equal(model.pinv, kernels)
    assert without.pinv is None
    assert (model.card.pinv_taps, without.card.pinv_taps) == (3, 0)
    x = torch.rand(1, 3, 5, 7)
    f = without.estimator().generator(x.contiguous(memory_format=torch.channels_last))
    op = downsampling(model.kernel, (20, 28))
    assert torch.allclose(model.estimator()(x), f + ConvPinv(kernels).pinv(x - op.down(f)), atol=1e-6)
    assert torch.allclose(without.estimator()(x), op.project(f, x), atol=1e-6)


@pytest.mark.parametrize("taps", [0, -1, 1.0, True, "3", 2, 4, 10**6, None])
def test_a_learnt_pseudo_inverse_is_what_the_header_says(learnt: Path, tmp_path: Path, taps: Any) -> None:
    tensors, header, data = take_apart(learnt)
    header["pinv_taps"] = taps
    refused(put_together(tmp_path / "bad.safetensors", tensors, header, data))
    del header["pinv_taps"]
    refused(put_together(tmp_path / "bad.safetensors", tensors, header, data))


@pytest.mark.parametrize("constraint", ["none", "soft", "banana", ""])
def test_a_learnt_pseudo_inverse_is_an_affine_constraints(learnt: Path, tmp_path: Path, constraint: str) -> None:
    tensors, header, data = take_apart(learnt)
    header["constraint"] = constraint
    refused(put_together(tmp_path / "bad.safetensors", tensors, header, data))


def test_unknown_constraints_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    tensors, header, data = take_apart(tiny_model)
    header["constraint"] = "convex"
    assert "unknown constraint 'convex'" in str(
        refused(put_together(tmp_path / "new.safetensors", tensors, header, data))
    )


def test_a_point_spread_function_comes_back_with_the_same_bits(tiny_card: Card, tmp_path: Path) -> None:
    """It has no name to be built from: the taps in the header are all there is, and they are enough."""
    psf = make_psf("file:psf.npy", torch.rand(5, 7, generator=torch.Generator().manual_seed(0)).numpy(), 4)
    path = tmp_path / "m.safetensors"
    save_model(path, Compact(CompactConfig(**tiny_card.config)), replace(tiny_card, kernel=describe_kernel(psf)))
    assert load_model(path).kernel == psf
    for change in (_set("kernel", "first", to=[0, 0]), _set("kernel", "taps", to=[[0.25] * 2] * 2)):
        tensors, header, data = take_apart(path)
        change(tensors, header)
        header["kernel"]["sha256"] = kernel_hash(header["kernel"])
        refused(put_together(tmp_path / "bad.safetensors", tensors, header, data))


@pytest.mark.parametrize("taps", [[[]], [[1.0], [0.5, 0.5]], [["a"]], [[0.0]], [[0.5]], [[0.0, 1.0], [0.0, 0.0]]])
def test_taps_that_are_no_kernel_are_refused(tiny_card: Card, tmp_path: Path, taps: list[list[object]]) -> None:
    described = {**describe_kernel(comet_kernel(4)), "taps": taps}
    card = replace(tiny_card, kernel={**described, "sha256": kernel_hash(described)})
    save_model(tmp_path / "m.safetensors", Compact(CompactConfig(**card.config)), card)
    refused(tmp_path / "m.safetensors")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_loads_as_float32(tmp_path: Path, tiny_card: Card, dtype: torch.dtype) -> None:
    network = Compact(CompactConfig(**tiny_card.config))
    save_model(tmp_path / "half.safetensors", network, tiny_card, dtype)
    loaded = load_model(tmp_path / "half.safetensors").network
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, network.state_dict()[name].to(dtype).float())


@pytest.mark.parametrize("name", ["swissroll", "grass", "compact"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_kind_of_generator_comes_back(name: str, dtype: torch.dtype, tmp_path: Path, tiny_card: Card) -> None:
    """Tuples in the config, and batch statistics with their count of batches, survive the file."""
    preset = tiny(PRESETS[name])
    config: AnyGeneratorConfig = replace(preset.generator, noise_dim=2)
    network, size = build(config), (1, 1) if name == "swissroll" else (5, 6)
    x, z = torch.rand(4, preset.colours, *size), torch.randn(4, 2, *size)
    network(x, z)  # moves the batch statistics
    kernel = make_kernel(preset.kernel, preset.scale, preset.sigma)
    card = replace(
        tiny_card, architecture=architecture_of(config), config=asdict(config), kernel=describe_kernel(kernel)
    )
    save_model(tmp_path / "model.safetensors", network, card, dtype)
    loaded = load_model(tmp_path / "model.safetensors").network
    assert loaded.config == config
    for key, tensor in network.state_dict().items():
        stored = tensor.to(dtype).to(tensor.dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(loaded.state_dict()[key], stored)
    if dtype == torch.float32:
        assert torch.equal(loaded(x, z), network.eval()(x, z))


def test_a_checkpoint_from_before_noise_loads(tmp_path: Path, tiny_card: Card) -> None:
    assert "noise_dim" not in tiny_card.config
    config = CompactConfig(**tiny_card.config)
    save_model(tmp_path / "old.safetensors", Compact(config), tiny_card)
    assert load_model(tmp_path / "old.safetensors").network.config == config


def test_what_does_not_upscale_is_refused(tmp_path: Path, tiny_card: Card) -> None:
    config = DensityConfig(kernels=((3, 3),), channels=4, components=2, scales=1, features=2)
    card = replace(tiny_card, architecture="density", config=asdict(config))
    save_model(tmp_path / "density.safetensors", build(config), card)
    with pytest.raises(CheckpointError, match="'density' does not upscale"):
        load_model(tmp_path / "density.safetensors")


def test_loading_leaves_the_seed_alone(tiny_model: Path) -> None:
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    load_model(tiny_model)
    assert torch.equal(torch.rand(4), wanted)


def test_figures_that_are_not_finite_are_stored_as_none(tmp_path: Path, tiny_card: Card) -> None:
    card = replace(tiny_card, metrics={"psnr": [float("inf"), float("nan"), 1.0]})
    save_model(tmp_path / "m.safetensors", Compact(CompactConfig(**card.config)), card)
    assert load_model(tmp_path / "m.safetensors").card.metrics == {"psnr": [None, None, 1.0]}


def test_a_card_that_could_not_be_read_back_is_not_written(tmp_path: Path, tiny_card: Card) -> None:
    network = Compact(CompactConfig(**tiny_card.config))
    for change in ({"description": "two\nlines"}, {"kernel": {"name": "bicubic"}}, {"training": {"at": tmp_path}}):
        with pytest.raises(CheckpointError):
            save_model(tmp_path / "bad.safetensors", network, replace(tiny_card, **change))
    assert list(tmp_path.iterdir()) == []


def _set(*keys: str, to: Any) -> Change:
    """Change something of the mapsr header."""

    def change(tensors: Header, header: Header) -> None:
        for key in keys[:-1]:
            header = header[key]
        header[keys[-1]] = to

    return change


def _drop(key: str) -> Change:
    return lambda tensors, header: header.pop(key)


def _entry(name: str, **fields: Any) -> Change:
    """Change something of a tensor's entry."""
    return lambda tensors, header: tensors[name].update(fields)


LIES: dict[str, Change] = {
    "unknown format": _set("format", to=99),
    "format of another kind": _set("format", to=[2]),
    "format that is true": _set("format", to=True),
    "older format": _set("format", to=1),
    "unknown field": _set("surprise", to=1),
    "missing field": _drop("constraint"),
    "no seal": _drop("sha256"),
    "unknown architecture": _set("architecture", to="other"),
    "architecture that does not upscale": _set("architecture", to="denoiser"),
    "unknown config field": _set("config", "depth", to=3),
    "negative width": _set("config", "channels", to=-1),
    "width of another kind": _set("config", "channels", to=8.0),
    "another width": _set("config", "channels", to=9),
    "fewer blocks": _set("config", "blocks", to=1),
    "a billion blocks": _set("config", "blocks", to=10**9),
    "an enormous width": _set("config", "channels", to=10**9),
    "a width beyond 64 bits": _set("config", "channels", to=10**30),
    "another scale": _set("scale", to=2),
    "scale that is true": _set("scale", to=True),
    "another value range": _set("value_range", to=[-1, 1]),
    "another kernel's name": _set("kernel", "name", to="lanczos3"),
    "unknown kernel": _set("kernel", "name", to="sinc"),
    "kernel name that is no text": _set("kernel", "name", to=["bicubic"]),
    "kernel scale that is no number": _set("kernel", "scale", to=[4]),
    "another border": _set("kernel", "border", to="zero"),
    "another phase": _set("kernel", "phase", to=0.5),
    "another first tap": _set("kernel", "first", to=0),
    "other taps": _set("kernel", "taps", to=[0.25] * 4),
    "taps of the plane that are none": _set("kernel", "taps", to=[[0.5, 0.5], [1.0]]),
    "taps of the plane that are text": _set("kernel", "taps", to=[["a"]]),
    "taps that are none": _set("kernel", "taps", to="taps"),
    "another kernel hash": _set("kernel", "sha256", to="0" * 64),
    "kernel without taps": lambda tensors, header: header["kernel"].pop("taps"),
    "a sigma without meaning": _set("kernel", "sigma", to=1.6),
    "text of two lines": _set("name", to="a\nb"),
    "text with an escape": _set("description", to="\x1b[31mred"),
    "text beyond Unicode": _set("description", to="\ud800"),
    "name that is no text": _set("name", to=None),
    "data that are none": _set("data", to=[{"name": "a"}]),
    "too deep": _set("training", to={"a": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}),
    "missing tensor": lambda tensors, header: tensors.pop("tail.bias"),
    "extra tensor": lambda tensors, header: tensors.update(more={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
    "another shape of the same size": _entry("body.0.first.weight", shape=[8, 8, 9, 1]),
    "another dtype of the same size": _entry("body.0.first.weight", dtype="I32"),
    "unknown dtype": _entry("body.0.first.weight", dtype="F33"),
    "counts where weights should be": _entry("body.0.first.weight", dtype="I64", shape=[8, 36]),
    "negative shape": _entry("body.0.first.weight", shape=[-8, -8, 3, 3]),
    "shape that is none": _entry("body.0.first.weight", shape="8833"),
    "overlong shape": _entry("body.0.first.weight", shape=[8, 8, 3, 3, *[1] * 60]),
    "offsets out of the file": _entry("tail.weight", data_offsets=[0, 10**12]),
    "offsets the wrong way round": _entry("tail.weight", data_offsets=[8, 0]),
    "unknown field of a tensor": _entry("tail.weight", more=1),
    "entry that is none": lambda tensors, header: tensors.update({"tail.weight": []}),
    "tensor name that cannot be printed": lambda tensors, header: tensors.update({"\x1b": tensors.pop("tail.bias")}),
}


@pytest.mark.parametrize("lie", LIES)
def test_headers_that_lie_are_refused_even_if_sealed(tiny_model: Path, tmp_path: Path, lie: str) -> None:
    tensors, header, data = take_apart(tiny_model)
    LIES[lie](tensors, header)
    refused(put_together(tmp_path / "bad.safetensors", tensors, header, data, reseal="sha256" in header))


def test_the_forger_is_good(tiny_model: Path, tmp_path: Path) -> None:
    """Put together again unchanged, a file loads: what the tests above refuse, they refuse for what was changed."""
    put_together(tmp_path / "same.safetensors", *take_apart(tiny_model))
    assert load_model(tmp_path / "same.safetensors").card == load_model(tiny_model).card


def test_metadata_of_others(tiny_model: Path, tmp_path: Path) -> None:
    tensors, header, data = take_apart(tiny_model)
    refused(put_together(tmp_path / "bad.safetensors", tensors, header, data, extra={"format": "pt"}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite(tiny_model: Path, tmp_path: Path, value: float) -> None:
    tensors, header, data = take_apart(tiny_model)
    start = tensors["tail.weight"]["data_offsets"][0]
    bad = torch.tensor([value]).numpy().tobytes()
    put_together(tmp_path / "bad.safetensors", tensors, header, data[:start] + bad + data[start + 4 :])
    assert "finite" in str(refused(tmp_path / "bad.safetensors"))


def test_numbers_that_are_not_finite_in_float32(tiny_model: Path, tmp_path: Path) -> None:
    """float64 holds 1e300, and the network does not."""
    model = load_model(tiny_model)
    model.network.double().tail.bias.data[0] = 1e300  # type: ignore[union-attr, operator]
    save_model(tmp_path / "bad.safetensors", model.network, model.card, torch.float64)
    assert "finite" in str(refused(tmp_path / "bad.safetensors"))


def test_any_changed_bit_of_the_tensors_is_noticed(tiny_model: Path, tmp_path: Path) -> None:
    data = tiny_model.read_bytes()
    for at in (len(data) - 1, len(data) - 2000):
        (tmp_path / "bad.safetensors").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert "SHA-256" in str(refused(tmp_path / "bad.safetensors"))


BOMBS = {
    "empty": b"",
    "eight bytes": b"\0" * 8,
    "a header longer than the file": (1000).to_bytes(8, "little") + b"{}",
    "a header longer than memory": (2**63).to_bytes(8, "little") + b"{}" * 40,
    "a header longer than any": (2 << 20).to_bytes(8, "little") + b"{}" + b" " * (2 << 20),
    "no JSON": (8).to_bytes(8, "little") + b"\xff" * 8,
    "no object": (2).to_bytes(8, "little") + b"[]",
    "nothing in it": (2).to_bytes(8, "little") + b"{}",
    "too deep": (8000).to_bytes(8, "little") + b"[" * 8000,
    "too many": (300_000).to_bytes(8, "little") + b"[" + b"[]," * 99_999 + b"[]",
    "a key twice": (14).to_bytes(8, "little") + b'{"a":1,"a":2} ',
    "not a number": (9).to_bytes(8, "little") + b'{"a":NaN}',
    "a number without end": (len(b'{"a":1e999}')).to_bytes(8, "little") + b'{"a":1e999}',
    "a number of many digits": (5007).to_bytes(8, "little") + b'{"a":' + b"1" * 5001 + b"}",
}


@pytest.mark.parametrize("name", BOMBS)
def test_files_that_are_no_checkpoint(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.safetensors").write_bytes(BOMBS[name])
    refused(tmp_path / "bad.safetensors")


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(tmp_path)
    refused(tmp_path / "nothing.safetensors")
    refused(Path("/dev/zero"))
    with pytest.raises(CheckpointError):
        load_model(Path("a\0b.safetensors"))


def test_cut_short(tiny_model: Path, tmp_path: Path) -> None:
    data = tiny_model.read_bytes()
    for length in (0, 4, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.safetensors").write_bytes(data[:length])
        refused(tmp_path / "cut.safetensors")
    (tmp_path / "long.safetensors").write_bytes(data + b"\0")
    refused(tmp_path / "long.safetensors")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, 10**9), st.binary(max_size=4), st.integers(0, 4)), min_size=1, max_size=4)
)
def test_mutated_files_are_refused_or_the_same(
    tiny_model: Path, tmp_path: Path, changes: list[tuple[int, bytes, int]]
) -> None:
    """Bytes put in, taken out and replaced: never a crash, never another model. `tests/zoo/fuzz.py` has more."""
    data = original = tiny_model.read_bytes()
    for where, new, cut in changes:
        at = where % len(data)
        data = data[:at] + new + data[at + cut :]
    (tmp_path / "mutant.safetensors").write_bytes(data)
    try:
        model = load_model(tmp_path / "mutant.safetensors")
    except CheckpointError:
        return
    same = load_model(tiny_model)
    assert model.card == same.card, "only spaces between the header's values can have changed"
    assert len(data) == len(original)
    for name, value in same.network.state_dict().items():
        assert torch.equal(model.network.state_dict()[name], value)


@pytest.mark.slow
def test_fuzzed(tmp_path: Path, tiny_model: Path) -> None:
    tally = fuzz(tiny_model, tmp_path, files=2000, seed=1)
    assert tally.odd == []
    assert tally.refused > 1500
    assert tally.longest < 1.0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the peak of one process's memory")
def test_memory_stays_within_twice_the_file(tmp_path: Path, tiny_card: Card) -> None:
    """In float16, of which the float32 network takes twice the size, and what is read at a time comes on top."""
    card = replace(tiny_card, config={"scale": 4, "channels": 512, "blocks": 10, "colours": 3})
    path = tmp_path / "large.safetensors"
    save_model(path, Compact(CompactConfig(**card.config)), card, torch.float16)
    script = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from mapsr_cli.zoo import load_model\n"
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s*(\\d+)', status.read_text())[1]) * 1024\n"
        "load_model(Path(sys.argv[1]))\n"
        "before = peak()\n"
        "load_model(Path(sys.argv[2]))\n"
        "print(peak() - before)\n"
    )
    tiny = tmp_path / "tiny.safetensors"
    save_model(tiny, Compact(CompactConfig(**tiny_card.config)), tiny_card)
    done = subprocess.run([sys.executable, "-c", script, tiny, path], check=True, capture_output=True, text=True)
    assert 1.8 * path.stat().st_size < int(done.stdout) < 2 * path.stat().st_size + 8e6
