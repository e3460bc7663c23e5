"""Write docs/report.schema.json from the fields of a report: run it when they change, from the root.

    python -m tools.report_schema

A test compares the file with what this writes, and validates reports against it.
"""

import inspect
import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mapsr_cli.inference import Settings, SizeRequest
from mapsr_cli.reports import document
from mapsr_cli.reports.document import FORMAT, MARK, SEAL, FileReport
from mapsr_cli.reports.machine import Machine
from mapsr_cli.zoo import Dataset
from tools.api_page import described_fields

FILE = Path(__file__).parent.parent / "docs" / "report.schema.json"
SEALED = "SHA-256 of this file in which these 64 digits are zeros. It is no signature: anybody can compute it."


def schema() -> dict[str, Any]:
    """Return the JSON schema of reports, with the fields' docstrings."""
    written = TypeAdapter(FileReport).json_schema(mode="serialization")
    kinds = [kind for kind in vars(document).values() if inspect.isclass(kind)]
    described = {kind.__name__: kind for kind in [*kinds, Machine, Settings, SizeRequest, Dataset]}
    definitions = written.pop("$defs")
    for name, definition in definitions.items():
        _describe(definition, described[name])
    _describe(written, FileReport)
    own = {
        MARK: {"const": FORMAT, "description": "Format of the report."},
        SEAL: {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": SEALED},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Report of mapsr upscale --report",
        "description": written["description"],
        "type": "object",
        "properties": {**own, **written["properties"]},
        "required": [*own, *written["required"]],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _describe(definition: dict[str, Any], kind: Any) -> None:
    """Add a dataclass's docstrings; every field is there, and no other."""
    texts = described_fields(kind)
    definition["description"] = " ".join((inspect.getdoc(kind) or "").split())
    for name, entry in definition["properties"].items():
        entry.pop("title", None)
        entry.pop("default", None)
        if text := texts.get(name):
            entry["description"] = text
    definition["required"] = list(definition["properties"])
    definition["additionalProperties"] = False


def main() -> None:
    """Write the file."""
    FILE.write_text(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
