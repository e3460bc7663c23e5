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

VERBS = """
accept accumulate add adopt advance advise aggregate align allocate allow anneal answer append apply approximate
arrange ask assemble assert assign attach average backpropagate balance begin bin bind blend blur bound break bring
broadcast build bundle cache calculate call cap carry cast centre change check choose clamp clean clear clip clone
close code collate collect colour combine compare compile complain complete compose composite compress compute
concatenate confirm consume continue convert convolve copy correct count cover create crop cut damage decide decode
decompose deduplicate deflate degrade delay delete deliver derive descend describe detach detect determine
differentiate discard divide do double download downscale draw drop embed emit empty enable encode end enlarge
ensure enter enumerate escape estimate evaluate evict exchange execute exit expand explain export express extend
extract factorise factorize fail fall fetch fill filter find finish fit fix flatten flip flush fold follow forget
form format free freeze gather generate get give go group grow guard guess guide halve handle hash have hide hold
identify ignore import improve include index initialise initialize insert instantiate integrate interleave
interpolate interpret interrupt intersect invert iterate join judge keep label launch lay lead leave lend let limit
list load locate lock log look make map mark mask match measure mend merge minimise minimize mirror mix move
multiply name narrow normalise normalize note offer omit open order outline overlap pack pad paint parse partition
pass patch pause perform permute pick place plan plot point predict prefer prefix prepare preserve press print
probe process produce project promise propagate propose protect prove provide prune publish pull push put query
queue quote raise randomise rank rate reach read rearrange receive recompute reconstruct record recover reduce
refer refine refit reflect refuse register reject release reload remember remove rename render reorder repeat
replace report represent reproduce request require rescale reserve reset reshape resize resolve restore resume
retrieve return reuse reverse rewrite rotate round rule run sample save say scale scan schedule score seal search
see seed select send separate serve set settle share shift show shrink shuffle sign signal silence simulate skip
slice smooth solve sort space spawn split spread stack standardise start state step stitch stop store stream
stretch strip submit subtract suggest sum supply suppress surround swap sweep switch synchronise synchronize take
tell terminate test tile time total track train transform translate transpose treat trim truncate try turn undo
unfold unite unpack unset update upgrade upload upscale use validate vary verify view visit wait walk warn watch
weigh wrap write yield zero
"""
"""Accepted first words of functions' docstrings."""


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
    """In the imperative; a verb that is missing goes into VERBS."""
    verbs = VERBS.split()
    nouns, count = [], 0
    for path in PACKAGE + SCRIPTS:
        for place, text in described_functions(path):
            count += 1
            if text.split()[0].rstrip(".,:;").lower() not in verbs:
                nouns.append(f"{place}: {text.splitlines()[0]}")
    assert count > 500
    assert not nouns, "\n".join(nouns)
