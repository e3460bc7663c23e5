from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import ImageError
from mapsr_cli.training.data import DataCounts, open_data
from tests.pictures import save, scene
from tests.training.data.conftest import TINY, encoded, flat, take


def test_a_tree_of_images(pictures: Path) -> None:
    (pictures / "notes.md").write_text("no image")
    (pictures / ".trash").mkdir()
    save(scene(30, 30), pictures / ".trash" / "a.png")
    save(scene(30, 30), pictures / "._0.png")
    data = open_data(pictures, TINY)
    batches = take(data, 3)
    assert batches.shape == (3, 4, 3, 16, 16)
    assert batches.dtype == torch.uint8
    assert data.report == DataCounts(found=6, served=12)


def test_patches_are_cut_from_the_images(tmp_path: Path) -> None:
    image = scene(17, 18)
    save(image, tmp_path / "a.png")
    crops = {image[:, t : t + 16, s : s + 16].byte().numpy().tobytes() for t in range(2) for s in range(3)}
    served = {
        patch.numpy().tobytes() for patch in take(open_data(tmp_path, replace(TINY, augment=False)), 20).flatten(0, 1)
    }
    assert served == crops


def test_grey(pictures: Path) -> None:
    grey, colour = take(open_data(pictures, replace(TINY, colours=1)), 1), take(open_data(pictures, TINY), 1)
    luma = (colour.float() * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(2, keepdim=True)
    assert grey.shape == (1, 4, 1, 16, 16)
    assert (grey - luma).abs().max() < 1


def test_larger_images_are_drawn_more_often(tmp_path: Path) -> None:
    save(flat(0, 16, 16), tmp_path / "small.png")
    save(flat(255, 64, 64), tmp_path / "large.png")
    share = take(open_data(tmp_path, replace(TINY, batch=1000, patch=(4, 4))), 1).double().mean().item() / 255
    assert abs(share - 16**0.75 / (1 + 16**0.75)) < 0.03


def test_damaged_files_are_skipped_and_counted_once(pictures: Path) -> None:
    whole = take(open_data(pictures, TINY), 20)
    (pictures / "00_empty.png").touch()
    (pictures / "01_text.jpg").write_text("no image")
    data = open_data(pictures, TINY)
    assert torch.equal(take(data, 20), whole)
    assert data.report == DataCounts(found=8, corrupt=2, served=80)


@pytest.mark.parametrize("workers", [0, 2])
def test_truncated_files_are_found_out_when_they_are_drawn(tmp_path: Path, workers: int) -> None:
    for name in ("a", "b", "d"):
        (tmp_path / f"{name}.jpg").write_bytes(encoded(scene(40, 40), "JPEG")[:700])
    save(flat(50), tmp_path / "c.png")
    data = open_data(tmp_path, replace(TINY, workers=workers))
    assert data.report.corrupt == 0
    assert bool((take(data, 10) == 50).all())
    assert data.report == DataCounts(found=4, corrupt=3, served=40)


def test_nothing_but_damage(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(scene(40, 40), "JPEG")[:700])
    with pytest.raises(ImageError, match=r"no readable image of at least 8×8 pixels \(1 found, 1 corrupt, 0 smaller\)"):
        take(open_data(tmp_path, TINY), 1)
    (tmp_path / "a.jpg").write_bytes(b"")
    with pytest.raises(ImageError, match="1 corrupt"):
        open_data(tmp_path, TINY)


def test_small_images(tmp_path: Path) -> None:
    save(scene(7, 50), tmp_path / "too_small.png")
    save(scene(8, 50), tmp_path / "half.png")
    save(scene(16, 16), tmp_path / "fits.png")
    data = open_data(tmp_path, TINY)
    assert take(data, 3).shape == (3, 4, 3, 16, 16)
    assert data.report == DataCounts(found=3, small=1, padded=1, served=12)
    with pytest.raises(ImageError, match=r"20×20 pixels \(3 found, 0 corrupt, 3 smaller\)"):
        open_data(tmp_path, replace(TINY, patch=(40, 40)))


def test_images_of_just_the_patch(tmp_path: Path) -> None:
    image = scene(16, 16)
    save(image, tmp_path / "face.png")
    batch = take(open_data(tmp_path, replace(TINY, augment=False)), 1)[0]
    assert torch.equal(batch, image.byte().expand(4, 3, 16, 16))


def test_lists(pictures: Path) -> None:
    listing = pictures.parent / "train.txt"
    elsewhere = save(flat(9), pictures.parent / "elsewhere.png")
    listing.write_text(f"# my set\n\npictures/0.png\n  pictures/deep/1.png\n{elsewhere}\npictures/missing.png\n")
    data = open_data(listing, TINY)
    take(data, 1)
    assert data.report == DataCounts(found=4, corrupt=1, served=4)


def test_naming_an_image_twice_doubles_its_weight(tmp_path: Path) -> None:
    save(flat(0), tmp_path / "a.png")
    save(flat(255), tmp_path / "b.png")
    (tmp_path / "train.lst").write_text("a.png\nb.png\nb.png\nb.png\n")
    data = open_data(tmp_path / "train.lst", replace(TINY, batch=1000))
    assert abs(take(data, 1).double().mean().item() / 255 - 0.75) < 0.04
    assert data.report.found == 2


def test_a_list_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ImageError, match="not a readable list"):
        open_data(tmp_path / "a.txt", TINY)
    (tmp_path / "a.txt").write_text("# nothing\n")
    with pytest.raises(ImageError, match="0 found"):
        open_data(tmp_path / "a.txt", TINY)


def test_the_cache_keeps_what_fits(tmp_path: Path) -> None:
    paths = [save(scene(600, 600, seed), tmp_path / f"{seed}.png") for seed in range(2)]  # 1.03 MiB each
    config = replace(TINY, cache_mb=2)
    data = open_data(tmp_path, config)
    batches = data.batches()
    for _ in range(3):
        next(batches)
    for path in paths:
        path.write_bytes(b"")
    for _ in range(10):  # one is in memory and serves for both
        next(batches)
    assert data.report == DataCounts(found=2, corrupt=1, served=52)
    data.close()


def test_without_a_cache_files_are_read_again(pictures: Path) -> None:
    data = open_data(pictures, replace(TINY, cache_mb=0))
    batches = data.batches()
    next(batches)
    for path in pictures.rglob("*.png"):
        path.unlink()
    with pytest.raises(ImageError, match="6 corrupt"):
        next(batches)
    data.close()


def test_the_cache_changes_nothing(pictures: Path) -> None:
    assert torch.equal(take(open_data(pictures, replace(TINY, cache_mb=0)), 9), take(open_data(pictures, TINY), 9))


def test_where_the_folder_lies_does_not_matter(pictures: Path, tmp_path: Path) -> None:
    before = take(open_data(pictures, TINY), 3)
    assert torch.equal(take(open_data(pictures.rename(tmp_path / "moved"), TINY), 3), before)


def test_oblong_patches(pictures: Path) -> None:
    assert take(open_data(pictures, replace(TINY, patch=(12, 20))), 2).shape == (2, 4, 3, 12, 20)
