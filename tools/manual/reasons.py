# SPDX-License-Identifier: GPL-2.0-or-later
"""Find the reasons that an agent can give: those that are named in its actions, and in everything they call."""

from __future__ import annotations

import ast
import importlib
import re

from tools.manual.source import Module, Place, Program, walk
from twinsan import errors
from twinsan.errors import Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.ocf.agent import Agent

# How the message of ``Deadline.wait_until`` begins.
WAITING = "gave up waiting until "

_VALUE = re.compile(r"{([a-z_0-9.]+)(?:![rs])?(?::[^}]*)?}")


def of(agent: type[Agent], library: str) -> list[Reason]:
    """Return the reasons in the order of the source, each once. `library` is the folder of the package twinsan."""
    program = Program(library)
    module = Module(agent.source())
    for definition in module.defined.values():
        if isinstance(definition, ast.ClassDef):
            program.reach(module, definition)
            program.reach_method(module, definition, "run")
    constants = agent.actions()[0][1].__globals__
    found: dict[Reason, None] = {}
    for place in program.places.values():
        for value in _named(place, constants if place.module is module else {}):
            found.update(dict.fromkeys(_reasons_in(value)))
    return list(found)


def _named(place: Place, own: dict[str, object]) -> Iterator[object]:
    """Yield the values of the constants named in a function or class. `own` has those of the agent's file."""
    for node in walk(place.definition):
        if isinstance(node, ast.Name) and node.id.isupper():
            yield own.get(node.id) or _constant(place.module.name, node.id)
            yield _constant(*place.module.imported.get(node.id, "").rpartition(".")[::2])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr.isupper():
            yield _constant(place.module.imported.get(node.value.id, ""), node.attr)


def _constant(module: str, name: str) -> object:
    return getattr(importlib.import_module(module), name, None) if module.startswith("twinsan") else None


def _reasons_in(value: object) -> Iterator[Reason]:
    if isinstance(value, Reason):
        # A reason that only wraps another one is in the page by that other one.
        if any(map(str.isalpha, "".join(_literal(value)))):
            yield value
    elif isinstance(value, (tuple, list, dict)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _reasons_in(each)


def pieces(template: str) -> list[tuple[str, bool]]:
    """Split a template into pieces: (text, False), or (name of a value, True)."""
    parts = _VALUE.split(template)
    return [(part, bool(index % 2)) for index, part in enumerate(parts) if part]


def pattern(reason: Reason) -> str:
    """Return a regular expression that matches a part of every line made from the reason."""
    prefix = WAITING if reason.kind is errors.DeadlinePassed else ""
    return re.escape(prefix) + ".*".join(map(re.escape, _literal(reason)))


def _literal(reason: Reason) -> list[str]:
    """Return the text of a reason between its values."""
    return _VALUE.split(reason.what)[::2]
