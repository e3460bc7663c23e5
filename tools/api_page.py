"""Write docs/api.md from the docstrings of what `import mapsr_cli` offers: run it when they change, from the root.

    python -m tools.api_page

A test compares the page with what this writes.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mapsr_cli
from mapsr_cli import errors
from mapsr_cli.inference import UpscaleReport
from mapsr_cli.networks import Estimator
from mapsr_cli.operators import Consistency

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
HEAD = """# Python

Written by `python -m tools.api_page` from the docstrings. Everything here is imported from `mapsr_cli`, except the last
three types, which only come back from it. `PictureLike` is a PIL image, a numpy array or a tensor: see `upscale`. Torch
is imported with the first of these names, not with the package.

```python
import mapsr_cli
from PIL import Image

upscale = mapsr_cli.Upscaler(device="auto", precision="auto")  # the default model
large = upscale(Image.open("photo.png"))  # a PIL image; arrays and tensors of uint8 or uint16 come back as such
large, report = upscale.upscale(Image.open("photo.png"))
print(report.consistency.bit_exact, report.seconds)

network = mapsr_cli.load("natural-x4-affmse")  # an nn.Module: [N, 3, h, w] → [N, 3, 4h, 4w], floats in 0 … 1
```
"""
PUBLIC: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (mapsr_cli.Upscaler, ("__init__", "__call__", "upscale")),
    (mapsr_cli.Settings, ()),
    (mapsr_cli.SizeRequest, ()),
    (mapsr_cli.load, ()),
    (mapsr_cli.MapsrError, ("__init__",)),
    (UpscaleReport, ()),
    (Consistency, ()),
    (Estimator, ("forward",)),
)
"""What the page shows, and the methods that go with it."""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, *(_section(thing, methods) for thing, methods in PUBLIC), _errors()]
    return "\n".join(parts)


def _section(thing: Any, methods: tuple[str, ...]) -> str:
    node = _node(thing)
    if isinstance(node, ast.FunctionDef):
        return f"## `{node.name}`\n\n{_signature(node, node.name)}\n{_text(node)}"
    defined = {child.name: child for child in node.body if isinstance(child, ast.FunctionDef)}
    lines = [f"## `{node.name}`\n"]
    if "__init__" in methods:
        lines.append(_signature(defined["__init__"], node.name))
    lines.append(_text(node))
    if fields := list(_fields(node)):
        lines += ["Attributes:\n", *(f"- `{name}`: {text}" for name, text in fields), ""]
    for method in methods:
        if method != "__init__":
            title = "Calling it" if method == "__call__" else f"`{method}`"
            name = node.name.lower() if method == "__call__" else f"{node.name.lower()}.{method}"
            lines.append(f"### {title}\n\n{_signature(defined[method], name)}\n{_text(defined[method])}")
    return "\n".join(lines)


def _errors() -> str:
    rows = ["## Errors\n", "All are kinds of `MapsrError`, in `mapsr_cli.errors`.\n"]
    for name, kind in vars(errors).items():
        if inspect.isclass(kind) and issubclass(kind, errors.MapsrError) and kind is not errors.MapsrError:
            rows.append(f"- `{name}`: {' '.join((kind.__doc__ or '').split())}")
    return "\n".join([*rows, ""])


def _node(thing: Any) -> ast.ClassDef | ast.FunctionDef:
    tree = ast.parse(Path(inspect.getfile(thing)).read_text("utf-8"))
    return next(
        node for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == thing.__name__
    )


def _signature(node: ast.FunctionDef, name: str) -> str:
    """Return the call as code, without `self`, one argument a line where it is long."""
    arguments = node.args
    arguments.args = [argument for argument in arguments.args if argument.arg != "self"]
    result = f" -> {ast.unparse(node.returns)}" if node.returns and node.name != "__init__" else ""
    listed = re.sub(r"(: [^=,]+)=", r"\1 = ", ast.unparse(arguments))
    text = f"{name}({listed}){result}"
    if len(text) > 100:
        inner = re.sub(r", (?=\*|\w+:)", ",\n    ", listed)
        text = f"{name}(\n    {inner},\n){result}"
    return f"```python\n{text}\n```\n"


def _fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield dataclass fields and properties with their docstrings."""
    for child, after in zip(node.body, [*node.body[1:], None], strict=True):
        match child, after:
            case ast.AnnAssign(), ast.Expr(value=ast.Constant(value=str(text))):
                given = ast.unparse(child.value) if child.value else ""
                default = f" = {given}" if given and "field(" not in given else ""
                yield f"{ast.unparse(child.target)}: {ast.unparse(child.annotation)}{default}", _flat(text)
            case ast.FunctionDef(), _ if "property" in map(ast.unparse, child.decorator_list):
                yield child.name, _flat(ast.get_docstring(child) or "")


def described_fields(kind: Any) -> dict[str, str]:
    """Return the docstrings of a dataclass's fields."""
    node = _node(kind)
    assert isinstance(node, ast.ClassDef)
    return {named.partition(":")[0]: text for named, text in _fields(node)}


def _flat(text: str) -> str:
    return " ".join(text.split())


def _text(node: ast.ClassDef | ast.FunctionDef) -> str:
    """Return a docstring as Markdown: the lists under `Args:`, `Returns:` and `Raises:` become lists."""
    blocks = re.split(r"^(Args|Returns|Raises):\n", ast.get_docstring(node) or "", flags=re.MULTILINE)
    lines = [blocks[0].strip(), ""]
    for title, body in zip(blocks[1::2], blocks[2::2], strict=True):
        entries = re.split(r"\n(?=    \S)", body.strip("\n"))
        if title == "Returns":
            lines += [f"Returns: {_flat(body)}", ""]
            continue
        lines += [f"{'Arguments' if title == 'Args' else title}:", ""]
        for entry in entries:
            names, _, text = _flat(entry).partition(": ")
            lines.append(f"- {', '.join(f'`{name}`' for name in names.split(', '))}: {text}")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
