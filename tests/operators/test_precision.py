"""What is switched on around a projection is off inside, and on again afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.operators.banded import Banded
from mapsr_cli.operators.precision import exact_products, is_exact
from tests.fake_cuda import on_fake_cuda

CUDA, CPU = torch.device("cuda"), torch.device("cpu")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """The process's own settings survive these tests."""
    matmul, convolutions = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    yield
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = convolutions


def convolutions_setting() -> object:
    """By whichever switch this torch has."""
    newer = getattr(torch.backends.cudnn, "conv", None)
    return torch.backends.cudnn.allow_tf32 if newer is None else newer.fp32_precision


@pytest.mark.parametrize("matmul", ["highest", "high", "medium"])
@pytest.mark.parametrize("convolutions", [False, True])
def test_tf32_is_off_inside_and_as_it_was_afterwards(matmul: str, convolutions: bool) -> None:
    torch.set_float32_matmul_precision(matmul)
    torch.backends.cudnn.allow_tf32 = convolutions
    before = convolutions_setting()
    if matmul != "highest" or convolutions:
        assert not is_exact(CUDA)
    with exact_products(CUDA):
        assert torch.get_float32_matmul_precision() == "highest"
        assert convolutions_setting() in ("ieee", False)
        assert is_exact(CUDA)
    assert torch.get_float32_matmul_precision() == matmul
    assert convolutions_setting() == before
    assert torch.backends.cudnn.allow_tf32 == convolutions


def test_an_exception_leaves_nothing_switched_off() -> None:
    torch.set_float32_matmul_precision("high")
    with pytest.raises(ValueError, match="inside"), exact_products(CUDA):
        raise ValueError("inside")
    assert torch.get_float32_matmul_precision() == "high"


def test_the_processor_has_no_tf32() -> None:
    torch.set_float32_matmul_precision("high")
    assert is_exact(CPU)
    with exact_products(CPU):
        assert torch.get_float32_matmul_precision() == "high"


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="switches of torch 2.9")
def test_the_newer_switches_are_understood() -> None:
    """Whoever used them may not read the older ones any more: torch raises."""
    cudnn: Any = torch.backends.cudnn
    backends: list[Any] = [torch.backends.cuda.matmul, cudnn.conv]
    before = [backend.fp32_precision for backend in backends]
    try:
        for backend in backends:
            backend.fp32_precision = "tf32"
        assert not is_exact(CUDA)
        with exact_products(CUDA):
            assert [backend.fp32_precision for backend in backends] == ["ieee", "ieee"]
            assert is_exact(CUDA)
        assert [backend.fp32_precision for backend in backends] == ["tf32", "tf32"]
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value


def test_autocast_is_off_inside() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_exact(CPU)
        with exact_products(CPU):
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
        assert not is_exact(CPU)


def test_a_projection_on_a_gpu_is_without_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_float32_matmul_precision("high")
    seen: list[str] = []
    product: Callable[..., Tensor] = Banded.matmul

    def watched(self: Banded, x: Tensor, base: Tensor | None = None) -> Tensor:
        seen.append(torch.get_float32_matmul_precision())
        return product(self, x, base)

    real = downsampling(make_kernel("bicubic", 4), (288, 40))
    real.pinv(torch.zeros(72, 10))
    monkeypatch.setattr(Banded, "matmul", watched)
    with FakeTensorMode():
        op = on_fake_cuda(real)
        op.project(torch.empty(3, 288, 40, device="cuda"), torch.empty(3, 72, 10, device="cuda"))
    assert set(seen) == {"highest"}
    assert torch.get_float32_matmul_precision() == "high"
