"""What keeps the house in order."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted((ROOT / "mapsr_cli").rglob("*.py"))
SCRIPTS = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py")])

VERBS = (ROOT / "tests/verbs.txt").read_text(encoding="utf-8").split()
"""Accepted first words of functions' docstrings, one a line."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_drawers_without_a_name() -> None:
    nameless = re.compile(r"^(utils?|helpers?|misc|common)\.py$")
    assert not [p for p in PACKAGE if nameless.match(p.name)]


def test_files_stay_small() -> None:
    long = {p.name: n for p in PACKAGE if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def test_weights_fit_and_are_safe() -> None:
    files = [p for p in (ROOT / "weights").rglob("*") if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 60e6
    assert {p.suffix for p in files} <= {".safetensors", ".md", ".json"}


def definitions(tree: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    """Qualified names of what a module defines outside functions: `function`, `Class`, `Class.method`, `CONSTANT`."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name):
                yield prefix + name
                yield from definitions(node, f"{prefix}{name}.")
            case ast.Assign(targets=targets):
                yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name


def test_definitions_are_qualified() -> None:
    text = "A: int = 1\ndef f():\n  def inner(): ...\nclass C:\n  x: int\n  def g(self): ...\n  class D:\n    y = 1\n"
    assert list(definitions(ast.parse(text))) == ["A", "f", "C", "C.x", "C.g", "C.D", "C.D.y"]


@pytest.mark.parametrize(("page", "least"), [("paper-map.md", 100), ("architecture.md", 20)])
def test_documents_name_what_exists(page: str, least: int) -> None:
    """Every `file.py::Qualified.name` in the paper map and the glossary is defined there, under that very name.

    Files are given from the repository's root or from the package's.
    """
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    places = re.findall(r"`([\w/]+\.py)::([\w.]+)`", text)
    assert len(places) == text.count("::") > least
    missing = []
    for file, name in places:
        path = next(path for path in (ROOT / file, ROOT / "mapsr_cli" / file) if path.exists())
        if name not in definitions(parsed(path)):
            missing.append(f"{file}::{name}")
    assert not missing


def type_names(tree: ast.Module) -> Iterator[str]:
    """Names of a module's public classes and type aliases."""
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=[ast.Name(id=name)]) if re.match(r"[A-Z]\w*[a-z]", name):
                yield name


def test_a_public_type_name_has_one_meaning() -> None:
    places = defaultdict(list)
    for path in PACKAGE:
        for name in type_names(parsed(path)):
            if not name.startswith("_"):
                places[name].append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    several = {name: where for name, where in places.items() if len(where) > 1}
    assert not several


def described_functions(path: Path) -> Iterator[tuple[str, str]]:
    """(place, docstring) of every function that has one, methods and inner functions included, without properties."""
    for node in ast.walk(parsed(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
        if not is_property and (text := ast.get_docstring(node)):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", text


def test_functions_docstrings_start_with_a_verb() -> None:
    """In the imperative; a verb that is missing goes into verbs.txt."""
    nouns, count = [], 0
    for path in PACKAGE + SCRIPTS:
        for place, text in described_functions(path):
            count += 1
            if text.split()[0].rstrip(".,:;").lower() not in VERBS:
                nouns.append(f"{place}: {text.splitlines()[0]}")
    assert count > 500
    assert not nouns, "\n".join(nouns)
