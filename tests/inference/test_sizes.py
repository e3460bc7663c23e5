"""Sizes that users ask for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsr_cli.errors import UsageError
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.sizes import SizeRequest, check_room, parse_box


@pytest.mark.parametrize(
    ("request_", "size", "suffix"),
    [
        (SizeRequest(scale=2), (200, 300), "_x2"),
        (SizeRequest(scale=1.5), (150, 225), "_x1.5"),
        (SizeRequest(scale=2.35), (235, 353), "_x2.35"),
        (SizeRequest(width=1000), (667, 1000), "_1000w"),
        (SizeRequest(height=333), (333, 500), "_333h"),
        (SizeRequest(fit=(3840, 2160)), (2160, 3240), "_3840x2160"),
        (SizeRequest(fit=(300, 2160)), (200, 300), "_300x2160"),
        (SizeRequest(megapixels=0.24), (400, 600), "_0.24mp"),
    ],
)
def test_a_picture_of_150_by_100(request_: SizeRequest, size: tuple[int, int], suffix: str) -> None:
    assert request_.of(100, 150) == size
    assert request_.suffix == suffix


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 9000), st.integers(1, 9000))
def test_a_box_is_touched_and_never_left(height: int, width: int, across: int, down: int) -> None:
    try:
        large = SizeRequest(fit=(across, down)).of(height, width)
    except UsageError:
        return
    assert large[1] <= across
    assert large[0] <= down
    assert large[1] == across or large[0] == down


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (SizeRequest(width=80), "80×53 is no larger than the original, 150×100"),
        (SizeRequest(scale=1), "no larger"),
        (SizeRequest(fit=(100, 4000)), "no larger"),
        (SizeRequest(width=150 * 65), "more than 64 times"),
    ],
)
def test_sizes_that_are_refused(request_: SizeRequest, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        request_.of(100, 150)


def test_one_size_and_a_positive_one() -> None:
    with pytest.raises(UsageError, match="--scale and --width ask for two sizes"):
        SizeRequest(scale=2, width=100)
    with pytest.raises(UsageError, match="give one size"):
        SizeRequest()
    for bad in (0, -1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="must be positive"):
            SizeRequest(scale=bad)


def test_boxes() -> None:
    assert parse_box("3840x2160") == (3840, 2160)
    for bad in ("4K", "3840", "0x5", "3840x2160x3", "-1x4"):
        with pytest.raises(UsageError, match="is no size"):
            parse_box(bad)


@pytest.mark.parametrize("size", [(3,), (3.5, 4), "2", 0, (200, -1), float("nan")])
def test_what_is_no_size_is_refused_at_once(size: Any) -> None:
    with pytest.raises(UsageError, match=r"is no size|must be positive"):
        Upscaler(size=size)


@given(st.integers(1, 5000), st.integers(1, 5000), st.floats(1.1, 64))
def test_what_is_a_tenth_larger_to_the_nearest_pixel_has_room(height: int, width: int, scale: float) -> None:
    try:
        large = SizeRequest(scale=scale).of(height, width)
    except UsageError:  # of a few pixels, no larger
        return
    check_room((height, width), large, "")


@pytest.mark.parametrize("large", [(101, 150), (100, 151), (110, 164), (101, 300)])
def test_what_is_hardly_larger_has_no_room(large: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="too near to the original's 150×100") as refused:
        check_room((100, 150), large, "do this")
    assert refused.value.hint == "do this"
