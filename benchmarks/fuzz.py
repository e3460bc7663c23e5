"""Damaged files of every kind and odd names: no traceback, no hang, nothing overwritten that was not asked for.

`python benchmarks/fuzz.py --files 20000` runs the command line over a folder of odd names, links, pipes and devices,
then damages files and takes them through decoding, upscaling and encoding in worker processes (so that a crash of a
decoder's C code is found, too).
"""

import argparse
import io
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageCms

from mapsr_cli.errors import MapsrError
from mapsr_cli.imaging import FORMATS, Frames, Picture, encode, encode_frames
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.files import Output, upscale_file
from mapsr_cli.zoo import load_model

LIMIT = 20
"""Seconds that one file may take."""
MAX_PIXELS = 20_000
BATCH = 250


def valid_files() -> dict[str, bytes]:
    """Make one small valid file of every kind."""
    rng = np.random.default_rng(0)
    colour = Image.fromarray(rng.integers(0, 256, (17, 23, 3), dtype=np.uint8)).resize((23, 17))
    grey, inks, clear = colour.convert("L"), colour.convert("CMYK"), colour.convert("RGBA")
    clear.putalpha(grey)
    frames = [colour, colour.rotate(90, expand=False), colour.rotate(180)]
    exif = Image.Exif()
    exif[0x010E], exif[0x0112], exif[0x8769] = "caption", 6, {0xA002: 23, 0xA003: 17, 0x9286: b"ASCII\0\0\0remark"}
    tags: dict[str, Any] = {
        "exif": exif,
        "icc_profile": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }
    stack: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 40}
    files: dict[str, bytes] = {}

    def add(name: str, image: Image.Image, file_format: str, **options: Any) -> None:
        buffer = io.BytesIO()
        image.save(buffer, file_format, **options)
        files[name] = buffer.getvalue()

    for mode in ("1", "L", "P", "RGB", "RGBA", "LA"):
        image = {"RGBA": clear, "P": colour.quantize(16), "LA": clear.convert("LA")}.get(mode, colour.convert(mode))
        add(f"png {mode}", image, "PNG", **(tags if mode == "RGB" else {}))
        if mode != "P":
            add(f"tiff {mode}", image, "TIFF", compression="tiff_lzw" if mode != "1" else "group4")
    for name, options in {"plain": {}, "progressive": {"progressive": True}, "tagged": tags}.items():
        add(f"jpeg {name}", colour, "JPEG", **options)
    add("jpeg L", grey, "JPEG")
    add("jpeg CMYK", inks, "JPEG")
    add("jpeg MPO", colour, "MPO", save_all=True, append_images=[grey.convert("RGB")])
    add("webp", colour, "WEBP", **tags)
    add("webp lossless", clear, "WEBP", lossless=True)
    add("webp animated", colour, "WEBP", **stack)
    add(
        "gif",
        colour.quantize(16),
        "GIF",
        save_all=True,
        append_images=[f.quantize(16) for f in frames[1:]],
        duration=40,
    )
    add("apng", colour, "PNG", **stack)
    for name, image in {"L": grey, "RGB": colour, "RGBA": clear, "P": colour.quantize(16)}.items():
        add(f"bmp {name}", image, "BMP")
    Image.init()
    if "AVIF" in Image.SAVE:
        add("avif", clear, "AVIF", **tags)
        add("avif animated", colour, "AVIF", **stack)
    add("tiff CMYK", inks, "TIFF")
    add("tiff jpeg", colour, "TIFF", compression="jpeg")
    add("tiff tagged", colour, "TIFF", icc_profile=tags["icc_profile"])
    for channels in (1, 3):
        for alpha in (False, True):
            levels = torch.from_numpy(rng.integers(0, 65536, (channels + alpha, 17, 23), dtype=np.uint16))
            picture = Picture(levels[:channels], 65535, alpha=levels[channels:] if alpha else None)
            for file_format in ("PNG", "TIFF"):
                files[f"{file_format.lower()} 16 bits × {channels + alpha}"] = encode(picture, file_format, None, None)
    pages = tuple(Picture(torch.from_numpy(np.array(f).transpose(2, 0, 1).copy())) for f in frames)
    files["tiff pages"] = encode_frames(Frames(pages), "TIFF", None, None)
    return files


def damage(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """Damage data in one to four ways."""
    damaged = bytearray(data)

    def somewhere() -> int:
        # Half of the time in the header, where it hurts most.
        return chance.randrange(min(len(damaged), 200) if chance.random() < 0.5 else len(damaged))

    def flip() -> None:
        for _ in range(chance.choice((1, 1, 2, 8, 40))):
            damaged[somewhere()] ^= 1 << chance.randrange(8)

    def extreme() -> None:
        at, width = somewhere(), chance.choice((1, 2, 4, 8))
        value = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
        damaged[at : at + width] = bytes([value]) * len(damaged[at : at + width])

    def cut() -> None:
        del damaged[max(somewhere(), 1) :]

    def drop() -> None:
        at = somewhere()
        del damaged[at : at + chance.randrange(1, 64)]
        damaged.extend(b"\0" * (not damaged))

    def repeat() -> None:
        at, to = somewhere(), somewhere()
        damaged[to:to] = damaged[at : at + chance.randrange(1, 256)]

    def splice() -> None:
        at = chance.randrange(len(other))
        damaged[somewhere() :] = other[at:] or b"\0"

    kinds: list[Callable[[], None]] = [flip, flip, flip, extreme, extreme, cut, drop, repeat, splice]
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(kinds)()
    return with_good_sums(bytes(damaged)) if chance.random() < 0.7 else bytes(damaged)


def with_good_sums(data: bytes) -> bytes:
    """Correct a PNG's checksums, so that its damage gets past them; leave other files as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    fixed, at = bytearray(data), 8
    while at + 12 <= len(fixed):
        end = at + 8 + struct.unpack_from(">I", fixed, at)[0]
        if end + 4 > len(fixed):
            break
        struct.pack_into(">I", fixed, end, zlib.crc32(fixed[at + 4 : end]))
        at = end + 4
    return bytes(fixed)


def timed_out(signal_number: int, frame: object) -> None:
    raise TimeoutError


def upscale_damaged(number: int, seed: int, originals: list[bytes], upscaler: Upscaler) -> str:
    """Upscale one damaged file and describe the outcome."""
    chance = random.Random(seed * 1_000_003 + number)
    data = damage(chance.choice(originals), chance.choice(originals), chance)
    output = Output(chance.choice([f for f in FORMATS if f != "AVIF"]), None, MAX_PIXELS, animate=chance.random() < 0.5)
    signal.alarm(LIMIT)
    try:
        upscale_file(data, upscaler, output)
    except MapsrError as error:
        lines = (str(error).splitlines(), error.hint.splitlines())
        return "refused" if all(len(said) <= 1 for said in lines) else f"{number}: more than a line"
    except TimeoutError:
        return f"{number}: over {LIMIT} s"
    except BaseException as error:
        return f"{number}: {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return "upscaled"


def upscale_some(first: int, count: int, seed: int, model: Path) -> Counter[str]:
    signal.signal(signal.SIGALRM, timed_out)
    torch.set_num_threads(1)
    originals = list(valid_files().values())
    upscaler = Upscaler(load_model(model), Settings(consistency="float"))
    return Counter(upscale_damaged(number, seed, originals, upscaler) for number in range(first, first + count))


def decode(files: int, seed: int, model: Path, processes: int) -> int:
    """Take damaged files through decoding, upscaling and encoding; return how many went wrong."""
    began, outcomes = time.perf_counter(), Counter[str]()
    with ProcessPoolExecutor(processes) as pool:
        batches = {n: pool.submit(upscale_some, n, min(BATCH, files - n), seed, model) for n in range(0, files, BATCH)}
        for first, batch in batches.items():
            try:
                outcomes += batch.result()
            except BrokenProcessPool:
                outcomes[f"{first} or later: the process died"] += 1
                break
            if first // BATCH % 10 == 9:
                print(f"{sum(outcomes.values())} files, {time.perf_counter() - began:.0f} s", flush=True)
    wrong = {what: n for what, n in outcomes.items() if what not in ("refused", "upscaled")}
    seconds = time.perf_counter() - began
    print(f"{sum(outcomes.values())} damaged files of {len(valid_files())} kinds in {seconds:.0f} s: ", end="")
    print(f"{outcomes['refused']} refused in a line, {outcomes['upscaled']} upscaled, {len(wrong)} wrong", flush=True)
    for what in wrong:
        print(f"  {what}")
    return len(wrong)


NAMES = (
    "-dash.png", "--json.png", "with space.png", "two  spaces .png", "ünïcödé.png", "名前.png", "🐈.png", "e\u0301.png",
    "new\nline.png", "tab\t.png", "bell\x07.png", "\x1b[31mred.png", "[bold]rich[-].png", "quote'\".png", "$HOME.png",
    "*.png", "a*b?[c].png", "..png", "...png", "con.png", "UPPER.PNG", "double.png.png",
    "x" * 251 + ".png", "y" * 248 + ".png", "x_x4.png", "percent%20.png", "back\\slash.png", "semi;colon.png", "~.png",
    "-", "-.png",
)  # fmt: skip


def odd_names(folder: Path, model: Path) -> int:
    """Run the command line over a folder of odd names, links, pipes and devices; return how many runs went wrong."""
    inside, outside = folder / "in", folder / "outside"
    inside.mkdir()
    outside.mkdir()
    good = valid_files()["png RGB"]
    for name in NAMES:
        (inside / name).write_bytes(good)
    (inside / os.fsdecode(b"\xff\xfe.png")).write_bytes(good)
    (outside / "precious.png").write_bytes(good)
    (inside / "link.png").symlink_to(outside / "precious.png")
    (inside / "dangling.png").symlink_to(outside / "nowhere.png")
    (inside / "loop.png").symlink_to(inside / "loop.png")
    (inside / "folder.png").mkdir()
    (inside / "null.png").symlink_to("/dev/null")
    os.mkfifo(inside / "pipe.png")
    (inside / "precious_x4.png").symlink_to(outside / "precious.png")  # an output's name, taken by a link
    (inside / "precious.png").write_bytes(good)
    runs: list[list[str | Path]] = [
        [inside],
        [inside, "-r", "--skip-existing"],
        [inside, "-o", folder / "out", "--overwrite"],
        ["--overwrite", "--", *NAMES[:-2]],
        [inside / "link.png", "--overwrite", "-o", inside / "link.png"],
        ["/dev/zero", "-o", outside / "z.png"],
        ["/dev/stdin", "-o", outside / "z.png"],
        [inside / "名前.png", "-o", "/dev/null", "--overwrite", "--format", "png"],
        [inside / "名前.png", "-o", "/proc/self/mem.png"],
        [inside / "loop.png"],
        [inside / "*.png", "-o", folder / "globbed"],
    ]
    wrong = 0
    for words in runs:
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
        asked = "--overwrite" in words
        command = [sys.executable, "-m", "mapsr_cli", "upscale", "-m", str(model), "--tile", "64"]
        with tempfile.TemporaryFile() as said:
            arguments = [os.fspath(w) for w in words]
            run = subprocess.run(
                [*command, *arguments], stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=300, cwd=inside
            )
            said.seek(0)
            text = said.read().decode(errors="replace")
        changed = [p for p, data in before.items() if not p.is_file() or p.read_bytes() != data]
        allowed = asked and all(p.parent == folder / "out" or p.stem.endswith("_x4") for p in changed)
        problems = [
            *(["traceback"] if "Traceback" in text else []),
            *(["exit code " + str(run.returncode)] if run.returncode not in (0, 1, 2) else []),
            *([f"changed {changed}"] if changed and not allowed else []),
            *(["a control character"] if "\x1b[31m" in text or "\x07" in text else []),
        ]
        wrong += bool(problems)
        first = (text.splitlines() or [""])[0][:150]
        print(f"  {len(words)} words, {str(words[0])[-30:]!r} …: exit code {run.returncode}; {first!r}", flush=True)
        if problems:
            print(f"  {words}: {problems}\n{text[-600:]}")
    for device in ("/dev/null", "/dev/zero", "/dev/stdin"):
        wrong += not Path(device).exists() or Path(device).resolve().is_file()
    print(f"{len(runs)} runs over odd names: {wrong} wrong", flush=True)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    from killed_batch import tiny_model

    with tempfile.TemporaryDirectory() as scratch:
        tiny_model(Path(scratch) / "tiny.safetensors")
        (Path(scratch) / "names").mkdir()
        wrong = odd_names(Path(scratch) / "names", Path(scratch) / "tiny.safetensors")
        wrong += decode(args.files, args.seed, Path(scratch) / "tiny.safetensors", args.processes)
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
