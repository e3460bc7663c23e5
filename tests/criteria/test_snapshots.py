from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mapsr_cli.criteria.snapshots import Snapshot, Snapshots, read_snapshots
from mapsr_cli.errors import CheckpointError, UsageError
from mapsr_cli.networks import MlpDenoiser, MlpDenoiserConfig
from mapsr_cli.zoo import PriorCard, save_prior


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.lists(st.floats(0, 1), min_size=2))
def test_never_back_to_a_poorer_one_and_the_best_before_the_end(levels: list[float], moments: list[float]) -> None:
    snapshots = Snapshots(Snapshot(level, nn.Identity()) for level in levels)
    followed = [snapshots.at(progress).level for progress in sorted(moments)]
    assert followed == sorted(followed, reverse=True)
    assert snapshots.at(0.0).level == max(levels)
    share = 1 / len(levels)
    assert snapshots.at(1 - 0.99 * share).network is snapshots.at(1.0).network is snapshots.best.network
    assert snapshots.best.level == min(levels)


def test_of_equal_level_the_order_is_kept() -> None:
    networks = [nn.Identity() for _ in range(4)]
    snapshots = Snapshots(Snapshot(0.0, network) for network in networks)
    assert [snapshots.at(step / 4).network for step in range(4)] == networks


def test_they_stand_still() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    snapshots = Snapshots([Snapshot(0.5, network)])
    assert not any(module.training for module in snapshots.modules())
    assert not any(p.requires_grad for p in snapshots.parameters())


def test_there_must_be_one() -> None:
    with pytest.raises(UsageError):
        Snapshots([])


def test_from_a_runs_folder(tmp_path: Path) -> None:
    config = MlpDenoiserConfig(hidden=(4,))
    for number, level in enumerate((0.5, 0.35, 0.25)):
        card = PriorCard("mlp-denoiser", {"hidden": [4]}, level)
        save_prior(tmp_path / f"{number:03}.safetensors", MlpDenoiser(config), card)
    snapshots = read_snapshots(tmp_path)
    assert snapshots.levels == (0.5, 0.35, 0.25)
    with pytest.raises(CheckpointError, match="no snapshots"):
        read_snapshots(tmp_path / "nowhere")
