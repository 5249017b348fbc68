# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/status.schema.json, made from the records of the facts. `make man` writes it, a test compares it."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

from twinsan.operate.facts import cluster_shape, shape, storage_shape
from twinsan.operate.facts.fact import Record
from twinsan.operate.verdict import report

PATH = Path(__file__).resolve().parent.parent / "docs" / "status.schema.json"

_MODULES = (report, shape, cluster_shape, storage_shape)
_PLAIN = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def text() -> str:
    """The schema."""
    known = {
        name: kind
        for module in _MODULES
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Record) and kind is not Record
    }
    top = _object(report.Status)
    definitions = {name: _object(kind) for name, kind in sorted(known.items()) if kind is not report.Status}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "twinsan status --json", **top}
    return json.dumps({**schema, "$defs": definitions}, indent=2) + "\n"


def _object(kind: type[Record]) -> dict[str, Any]:
    return {
        "description": " ".join((kind.__doc__ or "").split()),
        "type": "object",
        "required": list(kind.descriptions),
        "properties": {
            name: {"description": description, **_type(ast.parse(kind.__annotations__[name]).body[0])}
            for name, description in kind.descriptions.items()
        },
    }


def _type(node: ast.AST) -> dict[str, Any]:
    """The schema of an annotation."""
    if isinstance(node, ast.Expr):
        return _type(node.value)
    if isinstance(node, ast.BinOp):
        return {"anyOf": [_type(node.left), _type(node.right)]}
    if isinstance(node, ast.Constant):
        return {"type": "null"}
    if isinstance(node, ast.Name):
        plain = _PLAIN.get(node.id)
        return {"type": plain} if plain else {"$ref": f"#/$defs/{node.id}"}
    assert isinstance(node, ast.Subscript)
    assert isinstance(node.value, ast.Name)
    assert isinstance(node.slice, ast.Tuple)
    if node.value.id == "dict":
        return {"type": "object", "additionalProperties": _type(node.slice.elts[1])}
    return {"type": "array", "items": _type(node.slice.elts[0])}


def main() -> int:
    """Write the file."""
    PATH.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
