"""Originals, and what other tools made of them: two files, or two folders."""

from pathlib import Path

from mapsr_cli.cli.paths import choose_destination
from mapsr_cli.cli.sources import Source
from mapsr_cli.errors import FileError, UsageError
from mapsr_cli.files import check_target, identity, make_folder
from mapsr_cli.imaging import output_format
from mapsr_cli.imaging.formats import SUFFIXES

SEPARATORS = "_- ."
"""Characters that may follow an original's name in the name of what was made of it."""


def find_pairs(original: Path, finished: Path, output: str, overwrite: bool) -> list[tuple[Path, Path, Path]]:
    """Find (original, finished, target) for two files or two folders.

    In folders, an original's finished picture has the same name, or one that goes on with a separator. Targets in a
    folder are named as what was finished, as PNG where that was lossy. `output` is read as `choose_destination` does.
    Raises UsageError where one is a folder and the other is not, FileError where a target may not be written or is one
    of the inputs.
    """
    if original.is_dir() != finished.is_dir():
        raise UsageError(f"{original} and {finished} must both be files or both be folders")
    matches = match_folders(original, finished) if original.is_dir() else [(original, finished)]
    destination = choose_destination(output, [original, finished], [Source(large) for _, large in matches], None)
    assert destination is not None
    if destination.folder:
        make_folder(destination.path)
    pairs = [(small, large, destination.target(_named(large))) for small, large in matches]
    inputs = {identity(path): path for pair in pairs for path in pair[:2]}
    for _, _, target in pairs:
        output_format(target.name)
        if (there := identity(target)) and there in inputs:
            raise FileError(f"{target} would replace {inputs[there]}, an input", "choose another -o")
        check_target(target, overwrite)
    return pairs


def _named(finished: Path) -> str:
    """Name the output: as what was finished, with a suffix that keeps every level."""
    return finished.name if finished.suffix.lower() in (".png", ".tif", ".tiff", ".bmp") else f"{finished.stem}.png"


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def match_folders(originals: Path, finished: Path) -> list[tuple[Path, Path]]:
    """Match the images of two folders by name. Raises UsageError where one has no partner, or two, or is no folder."""
    for folder in (originals, finished):
        if not folder.is_dir():
            raise UsageError(f"{folder} is no folder")
    larges, pairs = _images(finished), []
    for small in _images(originals):
        same = [p for p in larges if p.stem == small.stem]
        fitting = same or [p for p in larges if p.stem.startswith(small.stem) and p.stem[len(small.stem)] in SEPARATORS]
        if len(fitting) != 1:
            many = f"{len(fitting)} pictures" if fitting else "no picture"
            raise UsageError(f"{finished} holds {many} that could be made of {small.name}")
        pairs.append((small, fitting[0]))
    if not pairs:
        raise UsageError(f"{originals}: no images there")
    return pairs
