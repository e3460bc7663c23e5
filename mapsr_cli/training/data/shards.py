"""Tar shards, as webdataset has them: read from front to back, never sought in.

All processes agree on one endless sequence of shards, each pass over them in a random order of its own; visit v is rank
v mod world's. A rank's samples are cut into blocks, each shuffled on its own, so that serving can begin at any block.
One thread reads ahead, a block at a time; the workers share the decoding. So the batches depend on `world`, but not on
`workers`.
"""

import lzma
import re
import tarfile
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from glob import glob
from http.client import HTTPException
from itertools import chain, count, islice
from pathlib import Path
from typing import IO, cast
from urllib.error import HTTPError
from urllib.request import urlopen

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.training.data.braces import expand_braces
from mapsr_cli.training.data.config import DataConfig, Draw, RankShare
from mapsr_cli.training.data.counts import Ledger
from mapsr_cli.training.data.decoding import ByteLevels, decode, looks_like_image
from mapsr_cli.training.data.patches import Candidate, first_usable, random_patch, stacked
from mapsr_cli.training.data.stream import BatchJob, submit

ShardSample = tuple[str, bytes]
"""An image's name (shard and member) and its encoded bytes."""
ShardBlock = list[ShardSample]
"""Samples that are shuffled together."""
DAMAGE = (OSError, EOFError, HTTPException, lzma.LZMAError, tarfile.TarError, zlib.error)
"""Errors of reading a missing, truncated or overwritten shard."""
TIMEOUT = 60.0
"""Seconds for which a server may send nothing."""
RETRIES = (1.0, 4.0, 16.0)
"""Seconds before each further attempt at a download."""
BUSY = (408, 429, 500, 502, 503, 504)
"""HTTP statuses that may pass."""


def shards(location: str, config: DataConfig, share: RankShare) -> "Shards":
    """Open the shards of a path, brace pattern, glob or http address.

    Raises ImageError where one is missing, UsageError for unbalanced braces.
    """
    try:
        patterns = expand_braces(location)
    except ValueError as error:
        raise UsageError(f"{location}: unbalanced braces", "a pattern looks like shard-{000..009}.tar") from error
    return Shards(location, [url for pattern in patterns for url in _files(pattern)], config, share)


def _files(url: str) -> list[str]:
    if _is_remote(url) or Path(url).is_file():
        return [url]
    matches = sorted(glob(url, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute patterns)
    if not matches:
        raise ImageError(f"{url}: no such tar shard", "see --data")
    return matches


def _is_remote(url: str) -> bool:
    return re.match("https?://", url) is not None


class Shards:
    """Patches of the images in tar shards, one per image and pass. A source (see `stream.PatchSource`)."""

    def __init__(self, location: str, urls: list[str], config: DataConfig, share: RankShare) -> None:
        self.ledger = Ledger()
        self._location, self._urls, self._config, self._share = location, urls, config, share
        self._lengths: dict[str, int] = {}

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes batch `start`, `start` + 1, …; what comes before is skipped without decoding it."""
        number, slot = divmod(start * self._share.rows, self._config.shuffle)
        with closing(_Reader(partial(self._blocks, number), threaded=self._config.workers > 0)) as reader:
            block, following = reader.read(), reader.read()
            for batch in count(start):
                rows = []
                for sample in self._share.samples(batch):
                    if slot == self._config.shuffle:
                        block, following, slot = following, reader.read(), 0
                    rows.append(partial(self._sample, sample, block, slot))
                    slot += 1
                yield partial(_stack, rows)

    def _sample(self, number: int, block: Future[ShardBlock], slot: int) -> ByteLevels:
        samples = block.result()
        usable = first_usable(self._from(samples, slot), self._config.patch, self.ledger)
        if usable is None:
            raise ImageError(
                f"{self._location}: none of {len(samples)} images in a row is readable and large enough",
                "see --data and --patch",
            )
        rng = self._config.rng(Draw.PATCH, number)
        return random_patch(usable[1], self._config, rng)

    def _from(self, samples: ShardBlock, slot: int) -> Iterator[Candidate]:
        """Yield the sample of that slot, and after it all others of its block, in case it cannot be read."""
        for name, data in chain(samples[slot:], samples[:slot]):
            yield name, partial(decode, data, self._config.colours)

    def _blocks(self, number: int, stopped: threading.Event) -> Generator[ShardBlock]:
        """Yield block `number`, `number` + 1, … of this rank, shuffled."""
        with closing(self._samples(number * self._config.shuffle, stopped)) as samples:
            for place in count(number):
                block = list(islice(samples, self._config.shuffle))
                order = self._config.rng(Draw.BLOCK, self._share.rank, place).permutation(len(block))
                yield [block[i] for i in order]

    def _samples(self, skip: int, stopped: threading.Event) -> Generator[ShardSample]:
        """Yield this rank's endless sequence of samples from number `skip` on, until `stopped`."""
        for url in islice(self._visits(), self._share.rank, None, self._share.world):
            if skip and skip >= self._length(url):
                skip -= self._length(url)
            else:
                with closing(self._members(url)) as members:
                    for sample in members:
                        if stopped.is_set():
                            return
                        if skip:
                            skip -= 1
                        else:
                            yield sample
            if all(self._lengths.get(shard) == 0 for shard in self._urls):
                raise ImageError(f"{self._location}: no image in {len(self._urls)} shards", "see --data")

    def _visits(self) -> Iterator[str]:
        """Yield all ranks' endless sequence of shards."""
        for sweep in count():
            for i in self._config.rng(Draw.SHARDS, sweep).permutation(len(self._urls)):
                yield self._urls[i]

    def _length(self, url: str) -> int:
        """Return how many images a shard has: from the headers of a whole local tar, else by reading it."""
        if url not in self._lengths:
            try:
                self._lengths[url] = _count_images(url)
                self.ledger.saw(url, self._lengths[url])
            except DAMAGE:
                deque(self._members(url), maxlen=0)
        return self._lengths[url]

    def _members(self, url: str) -> Generator[ShardSample]:
        """Yield a shard's images; a damaged one ends where the damage begins, and counts as corrupt."""
        images = 0
        try:
            with closing(_open(url)) as members:
                for name, data in members:
                    images += 1
                    self.ledger.saw(url, images)
                    yield f"{url}/{name}", data
        except DAMAGE:
            self.ledger.corrupt.add(url)
        self._lengths[url] = images


def _open(url: str) -> Generator[ShardSample]:
    """Read a shard's images from front to back: (name, encoded bytes)."""
    with _stream(url) as stream, tarfile.open(fileobj=stream, mode="r|*") as tar:
        for member in tar:
            if member.isreg() and looks_like_image(member.name):
                content = tar.extractfile(member)
                assert content is not None  # it is a regular file
                yield member.name, content.read()
            tar.members.clear()  # type: ignore[attr-defined]  # or all headers stay in memory


def _stream(url: str) -> IO[bytes]:
    """Open a file or download; what a busy server refuses is asked for again. Raises OSError."""
    if not _is_remote(url):
        return Path(url).open("rb")
    for wait in RETRIES:
        try:
            return cast(IO[bytes], urlopen(url, timeout=TIMEOUT))
        except HTTPError as error:
            if error.code not in BUSY:
                raise
        except OSError:
            pass
        time.sleep(wait)
    return cast(IO[bytes], urlopen(url, timeout=TIMEOUT))


def _count_images(path: str) -> int:
    """Count a shard's images from its headers alone. Raises one of DAMAGE for anything but a whole, plain tar."""
    with tarfile.open(path, "r:") as tar:
        return sum(1 for member in tar if member.isreg() and looks_like_image(member.name))


def _stack(rows: Sequence[Callable[[], ByteLevels]]) -> Patches:
    return stacked([row() for row in rows])


class _Reader:
    """Blocks in their order: read ahead by a thread of their own, or, unthreaded, when they are asked for."""

    def __init__(self, blocks: Callable[[threading.Event], Generator[ShardBlock]], threaded: bool) -> None:
        self._stopped = threading.Event()
        self._blocks = blocks(self._stopped)
        self._pool = ThreadPoolExecutor(1, "mapsr-read") if threaded else None

    def read(self) -> Future[ShardBlock]:
        """Return the next block."""
        return submit(self._pool, next, self._blocks)

    def close(self) -> None:
        """Stop reading."""
        self._stopped.set()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._blocks.close()
