"""ŷ = Π f is coded once and computed in three ways, which agree."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.inference.onnx_graph import trace
from mapsr_cli.inference.onnx_modules import dense
from mapsr_cli.inference.projection import chunks_for, project
from mapsr_cli.networks import Affine, AffineConvolution, Constraint
from mapsr_cli.operators import (
    Evidence,
    LevelCube,
    Point,
    downsampling,
    make_kernel,
    make_strips,
    solve_pinv,
    to_levels,
)

KERNEL = make_kernel("gaussian9", 4)
SIZE = (4 * 9, 4 * 14)
CONSTRAINTS = [Affine(KERNEL), AffineConvolution(KERNEL, solve_pinv(KERNEL, 5).kernels)]


class Graph(nn.Module):
    """A constraint with x as its evidence, and as f what a network's last layer gives, before the pixel shuffle."""

    def __init__(self, constraint: Constraint) -> None:
        super().__init__()
        self.constraint = constraint

    def forward(self, f: Tensor, x: Tensor) -> Tensor:
        estimate: Tensor = self.constraint(functional.pixel_shuffle(f, 4), Point(x))
        return estimate


def by_onnx(constraint: Constraint, f: Tensor, x: Tensor, folder: Path) -> Tensor:
    onnxruntime = pytest.importorskip("onnxruntime")
    graph = Graph(dense(constraint)).eval()
    program = trace(graph, {"f": torch.rand(1, 48, 6, 5), "x": torch.rand(1, 3, 6, 5)})
    program.save(folder / "graph.onnx")
    session = onnxruntime.InferenceSession(folder / "graph.onnx", providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"f": functional.pixel_unshuffle(f, 4).numpy(), "x": x.numpy()})[0])


def by_strips(
    constraint: Constraint, f: Tensor, evidence: Evidence, x: Tensor, monkeypatch: pytest.MonkeyPatch
) -> Tensor:
    """Of one image [C, H, W], read before it is rounded: y lies where f did."""
    monkeypatch.setattr(Chunks, "drop_before", lambda self, row: None)
    strips = make_strips(downsampling(KERNEL, SIZE), 1)
    chunks = chunks_for(strips, 3)
    chunks.write(slice(0, SIZE[0]), slice(0, SIZE[1]), SIZE[1], f)
    project(strips, chunks, constraint, evidence, x, 255)
    return chunks.read(slice(0, SIZE[0]))


@pytest.mark.slow
@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda constraint: type(constraint).__name__)
def test_tensors_strips_and_onnx_agree(constraint: Constraint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    f, x = torch.rand(2, 3, *SIZE), torch.rand(2, 3, SIZE[0] // 4, SIZE[1] // 4)
    whole = constraint(f, Point(x)).detach()
    assert (by_onnx(constraint, f, x, tmp_path) - whole).abs().max() < 1e-6 * whole.abs().max()
    if not isinstance(constraint, AffineConvolution):  # strips have the exact A⁺ alone
        for one, of, by in zip(whole, f, x, strict=True):
            assert (by_strips(constraint, of, Point(by), by, monkeypatch) - one).abs().max() < 1e-6 * whole.abs().max()


def test_they_agree_on_other_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a file's levels, A ŷ is the nearest to A f that rounds to x, in strips as in whole tensors."""
    constraint, f = Affine(KERNEL), 255 * torch.rand(3, *SIZE)
    x = to_levels(constraint.down(f) + 2 * torch.randn(3, SIZE[0] // 4, SIZE[1] // 4), 255)
    evidence = LevelCube(x, 255)
    whole = constraint(f, evidence)
    seen = constraint.down(whole)
    assert evidence.violation(seen).max() < 1e-4
    assert (seen - evidence.nearest(constraint.down(f))).abs().max() < 1e-3
    assert (by_strips(constraint, f, evidence, x, monkeypatch) - whole).abs().max() < 1e-6 * whole.abs().max()
