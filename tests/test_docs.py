"""What the pages promise: lines that fit, links that lead somewhere, commands and options that exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from mapsr_cli.cli.app import app

ROOT = Path(__file__).parents[1]
GENERATED = [ROOT / "docs/api.md"]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "weights/*.md", "benchmarks/*.md", "examples/*.md", ".github/**/*.md")
    for page in ROOT.glob(pattern)
    if page not in GENERATED
)
COLUMNS = 120


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def _prose(text: str) -> list[str]:
    """List the lines outside code and tables."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [line for line in text.splitlines() if not line.lstrip().startswith("|")]


def _commands(text: str) -> list[str]:
    """List all commands `mapsr …` in code blocks and in code spans."""
    text = re.sub(r"\\\n\s*", " ", text)
    blocks = re.findall(r"^```(?:sh)?[^\n]*\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += [line.strip() for line in text.splitlines() if line.startswith("    mapsr ")]
    lines += [span.replace("\n", " ") for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", text)]
    return [line for line in lines if line.startswith("mapsr ")]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_prose_fits_the_line(page: Path) -> None:
    assert not [line for line in _prose(page.read_text("utf-8")) if len(line) > COLUMNS]


def _anchors(page: Path) -> set[str]:
    """List the names by which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not re.match(r"[a-z]+:", target) and not (file.exists() and (not anchor or anchor in _anchors(file))):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_and_options_exist(page: Path) -> None:
    """Every `mapsr …` names a command of ours, and only options that this command has."""
    wrong = []
    for command in _commands(page.read_text("utf-8")):
        here = typer.main.get_command(app)
        for word in shlex.split(command, comments=True)[1:]:
            if isinstance(here, TyperGroup) and word in here.commands:
                here = here.commands[word]
            elif re.match(r"--?[a-z]", word):
                known = [name for option in here.params for name in (*option.opts, *option.secondary_opts)]
                if word.split("=")[0] not in [*known, "--help"]:
                    wrong.append((command, word))
        if isinstance(here, TyperGroup) and not re.fullmatch(r"mapsr( --\w+| models( .*)?)?", command):
            wrong.append((command, "no command"))
    assert not wrong


@pytest.mark.parametrize("page", sorted((ROOT / "docs/log").glob("[a-z]*.md")), ids=_name)
def test_a_page_of_the_log_begins_with_what_is_known_and_what_is_next(page: Path) -> None:
    lines = page.read_text("utf-8").splitlines()
    headings = [line for line in lines if line.startswith(("## ", "| question", "| what"))]
    assert headings[:2] == ["## Known", "| question | answer | date | still true? |"]
    assert headings[2:4] == ["## Next", "| what to try | cost |"]


def test_the_front_page_stays_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 130
