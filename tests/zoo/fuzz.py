"""Mutated checkpoints by the hundred thousand: none may crash, hang, fill memory, or load as something it is not.

    python -m tests.zoo.fuzz --files 100000 --seed 0

Half of the files have bytes changed, put in, taken out, repeated or cut off; these must be refused, or load as the very
model that was mutated. Half are taken apart, changed in their JSON or their numbers, and most of them sealed anew, as
someone would who wants to deceive; these must be refused, or load as exactly what they hold.
"""

import argparse
import random
import resource
import tempfile
import time
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, Model, describe_kernel, load_model, save_model
from tests.zoo.forging import put_together, take_apart

ODDITIES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 4, 7, 8, 9, 10**6, 10**9, 10**18, 10**30, 0.5, 8.0, -0.0, 1e300,
    [], [[]], {}, {"a": 1}, [1, 2], [0, 0], [0, 10**15], "", "x", "\0", "\x1b[31m", "\ud800", "é" * 5000,
    "F32", "F16", "I64", "BOOL", "F8_E5M2", "bicubic", "gaussian9", "gaussian999", "box",
    "compact", "paper", "mlp", "density", "../../etc/passwd", "C:\\x",
]  # fmt: skip


@dataclass
class Tally:
    """What came of the files."""

    refused: int = 0
    loaded: int = 0
    longest: float = 0.0
    """Seconds."""
    grown: int = 0
    """Bytes of peak memory that the whole series added."""
    reasons: Counter[str] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    """Whatever must not happen."""


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 5))):
        end = len(data) if rng.random() < 0.3 else min(len(data), 8 + int.from_bytes(data[:8], "little") % 4096)
        at, length = rng.randrange(end + 1), rng.choice((1, 1, 2, 8, 100))
        piece = data[at : at + length]
        kind = rng.randrange(6)
        if kind == 0 and piece:
            data = data[:at] + bytes(b ^ (1 << rng.randrange(8)) for b in piece) + data[at + length :]
        elif kind == 1:
            data = data[:at] + rng.randbytes(length) + data[at + length :]
        elif kind == 2:
            data = data[:at] + data[at + length :]
        elif kind == 3:
            data = data[:at] + rng.choice((b"0", b"9", b" ", b'"', b"[", b"{", b",", b"\\", b"\xff", piece)) + data[at:]
        elif kind == 4:
            data = data[:at] if rng.random() < 0.2 else data
        else:
            data = rng.choice((rng.randrange(2**63), rng.randrange(4096))).to_bytes(8, "little") + data[8:]
    return data


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in a tree of JSON."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, entry in pairs:
        found.append((value, key))
        if isinstance(entry, dict | list) and entry:
            found += _places(entry)
    return found


def mutate_json(tree: Any, rng: random.Random) -> None:
    where, key = rng.choice(_places(tree))
    kind, old = rng.randrange(4), where[key]
    if kind == 0:
        where[key] = deepcopy(rng.choice(ODDITIES))
    elif kind == 1 and isinstance(old, int | float):
        where[key] = rng.choice((old + 1, old - 1, -old, old * 2, float(old), str(old)))
    elif kind == 2 and isinstance(where, dict):
        where.pop(key)
        if rng.random() < 0.5:
            where[rng.choice((f"{key}x", "", "surprise"))] = old
    elif isinstance(where, list):
        where.insert(key, deepcopy(rng.choice((old, rng.choice(ODDITIES)))))
    else:
        other, elsewhere = rng.choice(_places(tree))
        where[key] = deepcopy(other[elsewhere])


def forge(model: Path, target: Path, rng: random.Random) -> None:
    tensors, header, data = take_apart(model)
    for _ in range(rng.choice((1, 1, 2, 3))):
        mutate_json(rng.choice((tensors, header, header)) or header, rng)
    if rng.random() < 0.2:
        at = 4 * rng.randrange(len(data) // 4)
        data = data[:at] + rng.choice((b"\0\0\xc0\x7f", b"\0\0\x80\xff", rng.randbytes(4))) + data[at + 4 :]
    put_together(target, tensors, header, data, reseal=rng.random() < 0.8)


def holds(path: Path, model: Model) -> bool:
    """Whether a loaded model is what its file holds, by the safetensors library's reading of it."""
    stored, state = load_file(path), model.network.state_dict()
    taps = make_kernel(model.kernel.name, model.kernel.scale, model.kernel.sigma).taps
    return (
        stored.keys() == state.keys()
        and all(torch.equal(stored[name].float(), value) for name, value in state.items())
        and model.card.kernel["taps"] == list(taps)
        and model.card.scale == model.kernel.scale == model.network.config.scale  # type: ignore[union-attr]
    )


def fuzz(original: Path, folder: Path, files: int, seed: int) -> Tally:
    """Load that many mutants of a checkpoint."""
    rng, tally, data, target = random.Random(seed), Tally(), original.read_bytes(), folder / "mutant.safetensors"
    before = load_model(original)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(files):
        honest = number % 2 == 0
        if honest:
            target.write_bytes(mutate_bytes(data, rng))
        else:
            forge(original, target, rng)
        began = time.perf_counter()
        try:
            model = load_model(target)
        except CheckpointError as error:
            tally.refused += 1
            tally.reasons[str(error).split(": ", 1)[-1].split("'")[0].split("(")[0][:60]] += 1
            if not str(error).isprintable() or len(str(error)) > 1000:
                tally.odd.append(f"{number}: a message that is not one short line")
        except Exception as error:  # what this is here to find
            tally.odd.append(f"{number}: {type(error).__name__}: {error}")
        else:
            tally.loaded += 1
            same = holds(target, model) and (not honest or (model.card == before.card and holds(original, model)))
            if not same:
                tally.odd.append(f"{number}: loaded as something that it is not")
        tally.longest = max(tally.longest, time.perf_counter() - began)
    tally.grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) * 1024
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.safetensors"
        config = {"scale": 4, "channels": 8, "blocks": 2, "colours": 3}
        card = Card("tiny", "compact", config, describe_kernel(make_kernel("bicubic", 4)), "affine", "affmse")
        save_model(path, Compact(CompactConfig(**config)), card)
        tally = fuzz(path, Path(folder), args.files, args.seed)
        size = path.stat().st_size
    print(
        f"{args.files} files from one of {size} bytes: {tally.refused} refused, {tally.loaded} loaded as what they are"
    )
    print(f"longest {tally.longest:.3f} s; memory grew by {tally.grown / 1e6:.1f} MB over all of them")
    for reason, count in tally.reasons.most_common(25):
        print(f"{count:7d}  {reason}")
    print(*(tally.odd or ["nothing that must not happen"]), sep="\n")
    raise SystemExit(bool(tally.odd))


if __name__ == "__main__":
    main()
