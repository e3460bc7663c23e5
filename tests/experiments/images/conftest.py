"""One folder of image sets for all."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mapsr_cli.experiments.order import Order
from tests.experiments.images.sets import image_sets


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture
def order(data: Path, tmp_path: Path) -> Callable[..., Order]:
    """Makes an order at budget smoke."""

    def make(**changes: object) -> Order:
        asked = {"out": tmp_path, "data": data, "budget": "smoke", "trials": 1, "seed": 0}
        return Order(**{**asked, "watch": lambda name, status: None, **changes})  # type: ignore[arg-type]

    return make
