import csv
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.evaluation.candidates import Estimate, SamplingCandidate, make_candidates
from mapsr_cli.evaluation.diversity import SAMPLES
from mapsr_cli.evaluation.evaluate import Scorer, evaluate
from mapsr_cli.evaluation.perceptual import Perceptual
from mapsr_cli.evaluation.protocol import PROTOCOLS, Pair, find_sets
from mapsr_cli.evaluation.report import report
from mapsr_cli.evaluation.scores import Evaluation, Score, summarise
from mapsr_cli.operators import AnyKernel, make_kernel
from tests.pictures import save, scene

BICUBIC = make_kernel("bicubic", 4)
Y = Scorer(PROTOCOLS["y"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two test sets, of two images and one."""
    for index, name in enumerate(("one/a.png", "one/b.png", "two/c.png")):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        save(scene(32, 40, seed=index), tmp_path / "data" / name)
    return tmp_path / "data"


@dataclass
class Fake:
    """The pseudoinverse, and whatever else a test wants of it."""

    before: Callable[[str], None] = lambda name: None
    names: list[str] = field(default_factory=list)

    def __call__(self, lr: Tensor, name: str, kernel: AnyKernel | None = None) -> Estimate:
        self.names.append(name)
        self.before(name)
        return make_candidates(["pinv"])[1]["pinv"](lr, name)


class FakeSampler(Fake):
    def samples(self, lr: Tensor, n: int, kernel: AnyKernel | None = None) -> Tensor:
        noise = torch.randn(n, *lr.shape, generator=torch.Generator().manual_seed(0))
        return (lr + 20 * noise).clamp(0, 255).repeat_interleave(4, -1).repeat_interleave(4, -2)


def test_every_image_of_every_set(data: Path) -> None:
    seen: list[tuple[str, str, list[str]]] = []

    def observe(group: str, pair: Pair, estimates: dict[str, tuple[Estimate, Score]]) -> None:
        seen.append((group, pair.name, list(estimates)))

    kernel, candidates = make_candidates(["bicubic", "pinv"])
    steps: list[tuple[str, str, int, int]] = []
    found = evaluate(candidates, find_sets(data), kernel, Y, [observe], lambda *step: steps.append(step))
    assert seen == [(g, n, ["bicubic", "pinv"]) for g, n in (("one", "a"), ("one", "b"), ("two", "c"))]
    assert steps[-1] == ("two/c", "pinv", 2, 3)
    assert found.sets == ["one", "two"]
    assert found.failed == []
    means = dict(found.by_set())
    assert means["one"]["pinv"][0] == 2
    a, b = (found.scores["pinv"]["one"][name].psnr for name in "ab")
    assert means["one"]["pinv"][1]["psnr"] == pytest.approx((a + b) / 2)


def test_json(data: Path) -> None:
    kernel, candidates = make_candidates(["bicubic", "pinv"])
    document = json.loads(json.dumps(evaluate(candidates, find_sets(data), kernel, Y).to_json(), allow_nan=False))
    assert document["protocol"] == "y"
    assert document["kernel"] == {"name": "bicubic", "scale": 4, "sigma": None}
    assert list(document["models"]) == ["bicubic", "pinv"]
    of = document["models"]["pinv"]
    keys = {"psnr", "ssim", "lr_psnr_float", "lr_psnr_file", "consistency_mse", "bit_exact", "seconds_per_mp"}
    assert set(of) == {*keys, "sets", "images"}
    assert set(of["images"]) == {"one/a", "one/b", "two/c"}
    assert all(set(image) == keys for image in of["images"].values())
    assert of["sets"]["two"] == of["images"]["two/c"]
    assert of["consistency_mse"] < 1e-13 < document["models"]["bicubic"]["consistency_mse"]


def test_csv(data: Path) -> None:
    kernel, candidates = make_candidates(["pinv", f"dir:{data}/one"])
    found = evaluate(candidates, {"one": find_sets(data)["one"]}, kernel, Y)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [(row["model"], row["image"]) for row in rows] == [
        ("pinv", "a"), ("pinv", "b"), (f"dir:{data}/one", "a"), (f"dir:{data}/one", "b")
    ]  # fmt: skip
    assert float(rows[0]["psnr"]) == found.scores["pinv"]["one"]["a"].psnr
    assert rows[2]["psnr"] == ""  # HR itself: infinite
    assert rows[2]["seconds_per_mp"] == ""


def test_failures_end_nothing(data: Path) -> None:
    def fail(name: str) -> None:
        if name == "b":
            raise ImageError("no b today")

    (data / "one" / "bad.png").write_bytes(b"nothing")
    save(scene(15, 40), data / "two" / "low.png")
    found = evaluate({"good": Fake(), "picky": Fake(fail)}, find_sets(data), BICUBIC, Y)
    assert [(f.image, f.model) for f in found.failed] == [
        ("one/b", "picky"), ("one/bad", None), ("two/low", "good"), ("two/low", "picky")
    ]  # fmt: skip
    assert found.failed[0].error == "no b today"
    assert "SSIM needs 11×11" in found.failed[2].error
    assert {model: list(groups["one"]) for model, groups in found.scores.items()} == {
        "good": ["a", "b"], "picky": ["a"]
    }  # fmt: skip
    assert list(found.scores["good"]["two"]) == ["c"]


def test_samples_are_asked_of_who_can_give_them(data: Path) -> None:
    assert isinstance(FakeSampler(), SamplingCandidate)
    assert not isinstance(Fake(), SamplingCandidate)
    found = evaluate({"pinv": Fake(), "z": FakeSampler()}, find_sets(data), BICUBIC, Y)
    assert found.scores["pinv"]["one"]["a"].more == {}
    assert 0 < found.scores["z"]["one"]["a"].more["diversity_mse"] < 100
    assert found.to_json()["models"]["z"]["diversity_mse"] > 0


def test_the_perceptual_distances(data: Path) -> None:
    shapes = []

    def dense(samples: Tensor, truth: Tensor) -> Tensor:
        shapes.append(samples.shape)
        return (samples - truth).abs().mean(1)

    judge = Y.with_perceptual(Perceptual(lambda a, b: 0.25, lambda a, b: 0.5, dense))
    found = evaluate({"z": FakeSampler()}, {"two": find_sets(data)["two"]}, BICUBIC, judge)
    more = found.scores["z"]["two"]["c"].more
    assert (more["lpips"], more["dists"]) == (0.25, 0.5)
    assert set(more) == {"lpips", "dists", "diversity_mse", "diversity_lpips"}
    assert shapes == [(SAMPLES, 3, 32, 40)]


def score(psnr: float = 30, consistency: float = 1e-4, seconds: float | None = 1) -> Score:
    return Score(psnr, 0.9, consistency, consistency, 0.5, 0.5, seconds)


def test_means() -> None:
    means = summarise([score(psnr=20, consistency=1e-3), score(psnr=40, consistency=3e-3)])
    assert means["psnr"] == pytest.approx(30)
    assert means["consistency_mse"] == pytest.approx(2e-3)
    assert means["lr_psnr_float"] == means["lr_psnr_file"] == pytest.approx(-10 * math.log10(2e-3))
    assert means["seconds_per_mp"] == pytest.approx(2)


def test_what_is_infinite_or_not_known_is_none() -> None:
    means = summarise([score(psnr=math.inf, consistency=0), score(psnr=math.inf, seconds=None, consistency=0)])
    assert means["psnr"] is means["lr_psnr_float"] is means["lr_psnr_file"] is means["seconds_per_mp"] is None


def test_an_image_without_error_is_left_out_of_the_mean_and_named(data: Path) -> None:
    """Black is given back exactly: its PSNR is infinite."""
    save(torch.zeros(3, 32, 32), data / "one" / "black.png")
    kernel, candidates = make_candidates(["bicubic", f"dir:{data}/one"])
    sets = {"one": find_sets(data)["one"]}
    found = evaluate(candidates, sets, kernel, Y)
    scores = found.scores["bicubic"]["one"]
    assert scores["black"].psnr == math.inf
    document = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert document["models"]["bicubic"]["psnr"] == pytest.approx((scores["a"].psnr + scores["b"].psnr) / 2)
    assert document["models"]["bicubic"]["images"]["one/black"]["psnr"] is None
    assert document["models"][f"dir:{data}/one"]["psnr"] is None  # HR itself: infinite for all, so for the mean
    (remark,) = document["remarks"]
    assert remark.startswith("one, bicubic: equal to HR on black (PSNR ∞)")
    assert remark in report(found, data, [])


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "a=1"])
def test_names_in_csv_are_no_formulas(name: str) -> None:
    found = Evaluation(PROTOCOLS["y"], BICUBIC)
    found.add(f"dir:{name}", name, name, Score(-3.0, 0.9, 0.1, 0.1, 0.5, 1.0, 2.0))
    (row,) = csv.DictReader(io.StringIO(found.to_csv()))
    expected = name if name == "a=1" else f"'{name}"
    assert (row["set"], row["image"], row["model"]) == (expected, expected, f"dir:{name}")
    assert float(row["psnr"]) == -3.0  # numbers stay numbers
