import gzip
import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from functools import partial
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.training.data import DataCounts, open_data, shards
from mapsr_cli.training.data.decoding import decode
from tests.training.data.conftest import TINY, encoded, flat, take, write_tar

ONE = replace(TINY, patch=(4, 4), batch=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four shards of ten images; image i of shard s is all of level 10 s + i."""
    for shard in range(4):
        write_tar(tmp_path / f"x-{shard:03}.tar", {f"{i}.png": encoded(flat(10 * shard + i, 6, 6)) for i in range(10)})
    return tmp_path


def levels(batches: Tensor) -> list[int]:
    """Which images were served: each is of one level."""
    return batches.flatten(2)[..., 0].flatten().tolist()


@pytest.mark.parametrize("pattern", ["x-{000..003}.tar", "x-*.tar", "{x-000,x-001,x-00[23]}.tar"])
def test_each_image_once_in_a_pass(folder: Path, pattern: str) -> None:
    data = open_data(f"{folder}/{pattern}", ONE)
    served = levels(take(data, 80))  # two passes, five blocks
    assert Counter(served) == Counter(list(range(40)) * 2)
    assert data.report == DataCounts(found=40, served=80)


def test_order_differs_between_passes(folder: Path) -> None:
    served = levels(take(open_data(f"{folder}/x-*.tar", replace(ONE, shuffle=40)), 80))
    assert sorted(served[:40]) == sorted(served[40:]) == list(range(40))
    assert served[:40] != served[40:]
    assert served[:40] != list(range(40))


def test_samples_of_several_shards_are_mixed(folder: Path) -> None:
    served = levels(take(open_data(f"{folder}/x-*.tar", replace(ONE, shuffle=40)), 20))
    assert len({level // 10 for level in served}) == 4


@pytest.mark.parametrize("world", [2, 4])
def test_shards_are_dealt_to_processes(folder: Path, world: int) -> None:
    config = replace(ONE, batch=world, shuffle=80 // world)
    served = [levels(take(open_data(f"{folder}/x-*.tar", config, rank, world), 80 // world)) for rank in range(world)]
    assert Counter(level for part in served for level in part) == Counter(list(range(40)) * 2)
    assert all(len({level // 10 for level in part}) <= 8 // world for part in served)


def test_more_processes_than_shards(folder: Path) -> None:
    config = replace(ONE, batch=3, shuffle=30)
    served = [levels(take(open_data(folder / "x-001.tar", config, rank, 3), 30)) for rank in range(3)]
    assert all(Counter(part) == Counter(list(range(10, 20)) * 3) for part in served)
    assert served[0] != served[1]


def test_skipping_decodes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []

    def counted(data: bytes, colours: int) -> object:
        decoded.append(1)
        return decode(data, colours)

    monkeypatch.setattr(shards, "decode", counted)
    take(open_data(f"{folder}/x-*.tar", ONE), 2, start=1000)
    assert len(decoded) == 2


def test_skipping_reads_headers_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def counted(url: str) -> object:
        opened.append(url)
        return members(url)

    members = shards._open
    monkeypatch.setattr(shards, "_open", counted)
    take(open_data(f"{folder}/x-*.tar", ONE), 1, start=1000)
    assert len(opened) < 8


def test_damaged_members_are_replaced_and_counted_once(tmp_path: Path) -> None:
    good = {f"{i}.png": encoded(flat(i, 6, 6)) for i in range(20)}
    broken = {"3.png": b"", "7.png": good["7.png"][:44], "12.png": b"no image"}
    write_tar(tmp_path / "x.tar", {"a.json": b"{}", **good, **broken, "._1.png": b"resource fork"})
    data = open_data(tmp_path / "x.tar", replace(ONE, shuffle=20))
    served = levels(take(data, 60))
    assert set(served) == set(range(20)) - {3, 7, 12}
    assert data.report == DataCounts(found=20, corrupt=3, served=60)


def test_small_members(tmp_path: Path) -> None:
    sizes = {"a.png": 16, "b.png": 8, "c.png": 7}
    write_tar(tmp_path / "x.tar", {name: encoded(flat(side, side, side)) for name, side in sizes.items()})
    data = open_data(tmp_path / "x.tar", TINY)
    assert set(levels(take(data, 8))) == {16, 8}
    assert data.report == DataCounts(found=3, small=1, padded=1, served=32)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("length", "kept", "noticed"),
    [
        pytest.param(5 * 1024 + 300, 5, 0, id="in a header, which tarfile takes for the end"),
        pytest.param(5 * 1024 + 512 + 50, 5, 1, id="in an image"),
        pytest.param(5 * 1024 + 512 + 400, 6, 1, id="behind an image"),
    ],
)
def test_a_truncated_shard_serves_what_it_has(folder: Path, length: int, kept: int, noticed: int, workers: int) -> None:
    """Its members take 512 bytes each for a header and for the image."""
    path = folder / "x-000.tar"
    path.write_bytes(path.read_bytes()[:length])
    config = replace(ONE, workers=workers)
    data = open_data(f"{folder}/x-*.tar", config)
    served = take(data, 100)
    assert set(levels(served)) == {*range(kept), *range(10, 40)}
    assert data.report == DataCounts(found=30 + kept, corrupt=noticed, served=100)
    for start in (30, 47, 90):
        assert torch.equal(take(open_data(f"{folder}/x-*.tar", config), 10, start), served[start : start + 10])


def test_a_shard_that_is_none(folder: Path) -> None:
    (folder / "x-000.tar").write_bytes(b"")
    (folder / "x-001.tar").write_bytes(b"no tar" * 1000)
    data = open_data(f"{folder}/x-*.tar", ONE)
    assert set(levels(take(data, 60))) == set(range(20, 40))
    assert data.report == DataCounts(found=20, corrupt=2, served=60)


@pytest.mark.parametrize("start", [0, 100])
@pytest.mark.parametrize("members", [{}, {"readme.txt": b"nothing"}])
def test_no_images_at_all(tmp_path: Path, members: dict[str, bytes], start: int) -> None:
    for shard in range(3):
        write_tar(tmp_path / f"x-{shard}.tar", members)
    for workers in (0, 2):
        with pytest.raises(ImageError, match="no image in 3 shards"):
            take(open_data(f"{tmp_path}/x-*.tar", replace(ONE, workers=workers)), 1, start)


@pytest.mark.parametrize("content", [b"damaged", encoded(flat(1, 1, 1))])
def test_no_usable_image(tmp_path: Path, content: bytes) -> None:
    write_tar(tmp_path / "x.tar", {f"{i}.png": content for i in range(5)})
    with pytest.raises(ImageError, match="none of 16 images in a row is readable and large enough"):
        take(open_data(tmp_path / "x.tar", ONE), 1)


def test_compressed_shards(folder: Path) -> None:
    plain = folder / "x-000.tar"
    packed = folder / "y.tar.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    expected = take(open_data(plain, ONE), 30)
    assert torch.equal(take(open_data(packed, ONE), 30), expected)
    assert torch.equal(take(open_data(packed, ONE), 10, start=20), expected[20:])


def test_what_webdataset_writes(tmp_path: Path) -> None:
    """Files of one sample share a stem; what is no image is passed over."""
    samples = {f"sample{i}": {"json": b"{}", "png": encoded(flat(i, 6, 6))} for i in range(5)}
    write_tar(tmp_path / "x.tar", {f"{key}.{kind}": data for key, s in samples.items() for kind, data in s.items()})
    data = open_data(tmp_path / "x.tar", ONE)
    assert set(levels(take(data, 16))) == set(range(5))
    assert data.report.found == 5


@pytest.fixture
def address(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_shards_on_the_web(folder: Path, address: str) -> None:
    near, far = f"{folder}/x-{{000..003}}.tar", f"{address}/x-{{000..003}}.tar"
    assert torch.equal(take(open_data(far, ONE), 10, start=20), take(open_data(near, ONE), 10, start=20))


def test_missing_shards(folder: Path) -> None:
    for wrong in ("x-{000..004}.tar", "y-*.tar", "y.tar"):
        with pytest.raises(ImageError, match="no such tar shard"):
            open_data(f"{folder}/{wrong}", ONE)
    with pytest.raises(UsageError, match="unbalanced braces"):
        open_data(f"{folder}/x-{{000..004.tar", ONE)


def test_a_busy_server_is_asked_again(folder: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def busy(url: str, timeout: float) -> object:
        if refused.count(url) < 2:
            refused.append(url)
            raise HTTPError(url, 503, "busy", Message(), None)
        return urlopen(url, timeout=timeout)

    monkeypatch.setattr(shards, "urlopen", busy)
    monkeypatch.setattr(shards, "RETRIES", (0.0, 0.0))
    data = open_data(f"{address}/x-000.tar", ONE)
    assert set(levels(take(data, 16))) == set(range(10))
    assert data.report.corrupt == 0


def test_a_shard_that_the_server_lacks_is_left_out(folder: Path, address: str) -> None:
    data = open_data(f"{address}/x-{{000,999}}.tar", ONE)
    assert set(levels(take(data, 30))) == set(range(10))
    assert data.report.corrupt == 1
