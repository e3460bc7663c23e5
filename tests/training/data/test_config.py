from dataclasses import replace

import pytest

from mapsr_cli.errors import UsageError
from mapsr_cli.training.data import DataConfig, RankShare
from mapsr_cli.training.data.config import Draw


@pytest.mark.parametrize(
    "wrong",
    [
        {"patch": (0, 16)},
        {"batch": 0},
        {"colours": 4},
        {"workers": -1},
        {"cache_mb": -1},
        {"seed": -1},
        {"shuffle": 1},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        replace(DataConfig(), **wrong)  # type: ignore[arg-type]


def test_generators_are_their_own() -> None:
    config = DataConfig(seed=3)
    places = [(Draw.PATCH, (0,)), (Draw.PATCH, (1,)), (Draw.BLOCK, (0,)), (Draw.BLOCK, (0, 0))]
    first = [config.rng(draw, *place).random() for draw, place in places]
    assert len(set(first)) == len(places)
    assert first == [config.rng(draw, *place).random() for draw, place in places]
    assert config.rng(Draw.PATCH, 0).random() != replace(config, seed=4).rng(Draw.PATCH, 0).random()


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_shares_make_the_batch(world: int) -> None:
    shares = [RankShare(6, rank, world) for rank in range(world)]
    assert [number for share in shares for number in share.samples(7)] == list(range(42, 48))


def test_shares_that_do_not_exist() -> None:
    with pytest.raises(UsageError, match="16 cannot be shared by 3"):
        RankShare(16, 0, 3)
    with pytest.raises(UsageError, match="rank 2 of 2"):
        RankShare(16, 2, 2)
