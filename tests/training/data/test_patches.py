from collections import Counter

import numpy as np
import pytest

from mapsr_cli.errors import UsageError
from mapsr_cli.training.data.config import DataConfig
from mapsr_cli.training.data.counts import DataCounts, Ledger
from mapsr_cli.training.data.decoding import ByteLevels, UnreadableError, size_of
from mapsr_cli.training.data.patches import first_usable, needs_padding, random_patch, too_small


def numbered(height: int, width: int) -> ByteLevels:
    return np.arange(height * width, dtype=np.uint8).reshape(1, height, width)


def drawn(pixels: ByteLevels, patch: tuple[int, int], augment: bool, times: int) -> Counter[bytes]:
    rng = np.random.default_rng(0)
    config = DataConfig(patch=patch, augment=augment)
    patches = [random_patch(pixels, config, rng) for _ in range(times)]
    assert all(p.shape == (1, *patch) for p in patches)
    return Counter(p.tobytes() for p in patches)


def test_all_eight_orientations_alike() -> None:
    image = numbered(4, 4)
    seen = drawn(image, (4, 4), True, 4000)
    turns = [np.rot90(side, k, axes=(1, 2)) for side in (image, image[:, ::-1]) for k in range(4)]
    assert seen.keys() == {turn.tobytes() for turn in turns}
    assert min(seen.values()) > 400


def test_oblong_patches_keep_their_shape() -> None:
    image = numbered(2, 5)
    seen = drawn(image, (2, 5), True, 200)
    assert seen.keys() == {image[:, ::v, ::h].tobytes() for v in (1, -1) for h in (1, -1)}


def test_upright_images_are_only_mirrored() -> None:
    image, rng = numbered(4, 4), np.random.default_rng(0)
    patches = [random_patch(image, DataConfig(patch=(4, 4), upright=True), rng) for _ in range(400)]
    seen = Counter(patch.tobytes() for patch in patches)
    assert seen.keys() == {image.tobytes(), image[:, :, ::-1].tobytes()}
    assert min(seen.values()) > 150


def test_every_crop_alike() -> None:
    image = numbered(5, 6)
    seen = drawn(image, (3, 4), False, 3000)
    assert seen.keys() == {image[:, t : t + 3, s : s + 4].tobytes() for t in range(3) for s in range(3)}
    assert min(seen.values()) > 250


def test_short_sides_are_mirrored() -> None:
    (only,) = drawn(numbered(3, 4), (5, 4), False, 10)
    rows = np.frombuffer(only, dtype=np.uint8).reshape(5, 4)[:, 0]
    assert rows.tolist() == [0, 4, 8, 8, 4]
    assert drawn(numbered(3, 9), (5, 4), False, 300).total() == 300


@pytest.mark.parametrize(("size", "most"), [((64, 96), 3), ((20, 200), 1.25)])
def test_reductions_are_drawn_by_equal_ratios_as_far_as_the_image_goes(size: tuple[int, int], most: float) -> None:
    columns = np.linspace(40, 200, size[1])
    image = np.broadcast_to(columns.round().astype(np.uint8), (3, *size))
    rng, config = np.random.default_rng(0), DataConfig(patch=(16, 16), augment=False, shrink=3)
    seen = np.stack([random_patch(image, config, rng) for _ in range(1000)]).astype(float)
    assert seen.shape == (1000, 3, 16, 16)
    slopes = (seen[..., 12] - seen[..., 3]).mean(axis=(1, 2)) / 9
    factors = slopes / (columns[1] - columns[0])
    assert abs(factors.max() - most) < 0.15
    assert abs(factors.min() - 1) < 0.15
    assert abs(np.log(factors).mean() - np.log(most) / 2) < 0.03


def test_reduced_texture_is_averaged() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    rng, config = np.random.default_rng(0), DataConfig(patch=(16, 16), augment=False, shrink=4)
    spreads = [random_patch(board[None], config, rng).std() for _ in range(200)]
    assert min(spreads) < 3
    assert max(spreads) > 100


def test_images_no_larger_than_a_patch_are_not_reduced() -> None:
    image, config = numbered(16, 12), DataConfig(patch=(16, 16), augment=False, shrink=2)
    (only,) = {random_patch(image, config, np.random.default_rng(k)).tobytes() for k in range(20)}
    assert only == np.pad(image, [(0, 0), (0, 0), (0, 4)], mode="symmetric").tobytes()


@pytest.mark.parametrize("shrink", [0.9, float("inf"), float("nan")])
def test_nothing_is_enlarged(shrink: float) -> None:
    with pytest.raises(UsageError, match="shrink"):
        DataConfig(shrink=shrink)


def test_tints_keep_the_order_of_levels_and_clip_none() -> None:
    ramp = np.stack(3 * [np.arange(256, dtype=np.uint8).reshape(16, 16)])
    rng, config = np.random.default_rng(0), DataConfig(patch=(16, 16), augment=False, tint=0.3)
    seen = np.stack([random_patch(ramp, config, rng) for _ in range(500)]).reshape(500, 3, 256).astype(int)
    low, high = seen[..., 0], seen[..., -1]
    assert (np.diff(seen) >= 0).all()
    assert (low.min(), high.max()) == (0, 255)
    assert (low.max(), high.min()) == (76, 179)  # 0.3 of 255, as far as 500 draws come
    assert (np.abs(seen[..., 128] - (low + (high - low) * 128 / 255)) <= 1).all()
    assert len({tuple(colour) for colour in low.tolist()}) > 400
    assert np.abs(np.corrcoef(low.T)[0, 1:]).max() < 0.1


@pytest.mark.parametrize("tint", [-0.1, 0.5, float("nan")])
def test_a_tint_leaves_contrast(tint: float) -> None:
    with pytest.raises(UsageError, match="tint"):
        DataConfig(tint=tint)


def test_colour_is_lost_by_random_shares_and_luma_is_kept() -> None:
    image = np.random.default_rng(1).integers(0, 256, (3, 16, 16), np.uint8)
    rng, config = np.random.default_rng(0), DataConfig(patch=(16, 16), augment=False, desaturate=0.8)
    seen = np.stack([random_patch(image, config, rng) for _ in range(4000)]).astype(float)
    red, green, blue = seen.swapaxes(0, 1)
    truth = image.astype(float)
    assert np.abs(0.299 * (red - truth[0]) + 0.587 * (green - truth[1]) + 0.114 * (blue - truth[2])).max() <= 0.5
    kept = (red - blue).std(axis=(1, 2)) / (truth[0] - truth[2]).std()
    assert (round(kept.min(), 2), round(kept.max(), 2)) == (0.2, 1.0)
    assert abs(kept.mean() - 0.6) < 0.02


def test_grey_has_no_colour_to_lose() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (1, 16, 16), np.uint8)
    config = DataConfig(patch=(16, 16), augment=False, desaturate=1, colours=1)
    assert (random_patch(grey, config, np.random.default_rng(0)) == grey).all()


@pytest.mark.parametrize("desaturate", [-0.1, 1.1, float("nan")])
def test_no_more_than_all_colour_is_lost(desaturate: float) -> None:
    with pytest.raises(UsageError, match="desaturate"):
        DataConfig(desaturate=desaturate)


def test_gammas_are_drawn_by_equal_ratios_and_keep_the_ends() -> None:
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8).reshape(16, 16), (3, 16, 16))
    rng, config = np.random.default_rng(0), DataConfig(patch=(16, 16), augment=False, gamma=2)
    seen = np.stack([random_patch(ramp, config, rng) for _ in range(1000)]).reshape(1000, 3, 256).astype(float)
    assert (seen[..., 0] == 0).all()
    assert (seen[..., -1] == 255).all()
    assert (np.diff(seen) >= 0).all()
    assert (seen == seen[:, :1]).all()  # all colours alike
    gammas = np.log(seen[:, 0, 128] / 255) / np.log(128 / 255)
    assert (round(gammas.min(), 1), round(gammas.max(), 1)) == (0.5, 2.0)
    assert abs(np.log2(gammas).mean()) < 0.05
    assert (np.abs(seen[:, 0, 64] - 255 * (64 / 255) ** gammas) <= 1.5).all()


@pytest.mark.parametrize("gamma", [0.9, float("inf"), float("nan")])
def test_a_gamma_is_at_least_one(gamma: float) -> None:
    with pytest.raises(UsageError, match="gamma"):
        DataConfig(gamma=gamma)


def test_grain_is_the_same_in_all_colours_and_as_strong_as_drawn() -> None:
    flat = np.full((3, 64, 64), 128, np.uint8)
    rng, config = np.random.default_rng(0), DataConfig(patch=(64, 64), augment=False, grain=6)
    seen = np.stack([random_patch(flat, config, rng) for _ in range(300)]).astype(float) - 128
    assert (seen == seen[:, :1]).all()
    sigmas = seen[:, 0].std(axis=(1, 2))
    assert 0 <= sigmas.min() < 0.4
    assert 5.6 < sigmas.max() < 6.4
    assert abs(np.median(sigmas) - 3) < 0.5
    strong = seen[sigmas > 3, 0]
    beside = (strong[:, :, 1:] * strong[:, :, :-1]).mean(axis=(1, 2)) / strong.var(axis=(1, 2))
    assert -0.1 < beside.min() < 0.1  # from white
    assert 0.5 < beside.max() < 0.8  # to [½, 1, ½], whose correlation is ⅔


def test_grain_is_clipped() -> None:
    rng, config = np.random.default_rng(0), DataConfig(patch=(8, 8), augment=False, grain=40)
    ends = np.broadcast_to(np.array([0, 255], np.uint8).repeat(4), (3, 8, 8))
    seen = np.stack([random_patch(ends, config, rng) for _ in range(50)])
    assert seen[..., :4].max() < 200  # 0 − 1 is not 255
    assert seen[..., 4:].min() > 55


@pytest.mark.parametrize("grain", [-1, float("inf"), float("nan")])
def test_grain_is_a_number_of_levels(grain: float) -> None:
    with pytest.raises(UsageError, match="grain"):
        DataConfig(grain=grain)


def test_contrast_is_raised_by_equal_ratios_about_each_colours_mean() -> None:
    image = np.random.default_rng(1).integers(100, 140, (3, 16, 16), np.uint8)
    rng, config = np.random.default_rng(0), DataConfig(patch=(16, 16), augment=False, contrast=2)
    seen = np.stack([random_patch(image, config, rng) for _ in range(1000)]).astype(float)
    assert np.abs(seen.mean(axis=(2, 3)) - image.mean(axis=(1, 2))).max() < 0.5
    factors = seen.std(axis=(2, 3)) / image.std(axis=(1, 2))
    assert np.ptp(factors, axis=1).max() < 0.05  # all colours alike
    assert (round(factors.min(), 1), round(factors.max(), 1)) == (1.0, 2.0)
    assert abs(np.log2(factors).mean() - 0.5) < 0.03


def test_contrast_beyond_the_range_is_clipped() -> None:
    ends = np.broadcast_to(np.array([0, 255], np.uint8), (1, 16, 2)).repeat(8, axis=2)
    config = DataConfig(patch=(16, 16), augment=False, contrast=2)
    assert (random_patch(ends, config, np.random.default_rng(0)) == ends).all()


@pytest.mark.parametrize("contrast", [0.9, float("inf"), float("nan")])
def test_a_contrast_is_at_least_one(contrast: float) -> None:
    with pytest.raises(UsageError, match="contrast"):
        DataConfig(contrast=contrast)


def test_how_small_is_too_small() -> None:
    assert not too_small((8, 100), (16, 16))
    assert too_small((7, 100), (16, 16))
    assert needs_padding((8, 100), (16, 16))
    assert not needs_padding((16, 16), (16, 16))


def test_the_first_usable_image() -> None:
    asked: list[str] = []

    def image(name: str, side: int) -> tuple[str, object]:
        def load() -> ByteLevels:
            asked.append(name)
            if not side:
                raise UnreadableError("damaged")
            return numbered(side, side)

        return name, load

    images = [image("broken", 0), image("small", 3), image("short", 4), image("large", 8)]
    ledger = Ledger()
    for _ in range(2):
        found = first_usable(images, (8, 8), ledger)  # type: ignore[arg-type]
        assert found is not None
        assert found[0] == "short"
        assert size_of(found[1]) == (4, 4)
    assert asked == ["broken", "small", "short", "short"]
    assert ledger.counts() == DataCounts(corrupt=1, small=1, padded=1)
    assert first_usable(images[:2], (8, 8), ledger) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["a", "b"])
def test_found_is_what_was_seen_so_far(place: str) -> None:
    ledger = Ledger()
    ledger.saw("a", 5)
    ledger.saw(place, 3)
    assert ledger.counts().found == (5 if place == "a" else 8)
