# SPDX-License-Identifier: GPL-2.0-or-later
"""Reasons are constants, and each stands in the manual page of every agent that can give it."""

from __future__ import annotations

import ast
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import agents
from tools.manual import reasons
from twinsan import errors
from twinsan.errors import Reason
from twinsan.network import vacancy
from twinsan.ocf.agent import Agent

LIBRARY = agents.ROOT / "lib"
# What says a reason to the cluster.
TELLS = {"degraded", "drifted", "broken", "explain"}
# What puts something before or behind a reason that it is given.
FRAMES = {"deadline.py", "reporter.py"}


def sources() -> list[Path]:
    return [*sorted((LIBRARY / "twinsan").rglob("*.py")), *(agents.FOLDER / name for name in agents.NAMES)]


def declared() -> Iterator[tuple[str, Reason]]:
    """The reasons of the library, by their full names."""
    for path in sorted((LIBRARY / "twinsan").rglob("*.py")):
        module = ".".join(path.relative_to(LIBRARY).with_suffix("").parts).removesuffix(".__init__")
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, Reason):
                yield f"{module}.{name}", value


@functools.cache
def agent(name: str) -> type[Agent]:
    """The class of an agent: always the same, since the reasons that an agent's file declares are of its class."""
    return agents.load(name)


@functools.cache
def given(name: str) -> list[Reason]:
    """The reasons in the page of an agent."""
    return reasons.of(agent(name), str(LIBRARY))


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", "") or getattr(call.func, "attr", "")


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_no_reason_is_written_where_it_is_given(path: Path) -> None:
    kinds = {name for name in vars(errors) if name != "Reason"}
    texts = [
        ast.unparse(call)
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], (ast.Constant, ast.JoinedStr))
        if _called(call) in kinds | TELLS
    ]
    assert path.name in FRAMES or texts == []


def test_every_reason_is_in_a_page() -> None:
    """Those of commands, alerts and site files stand in none, nor what only repeats another reason."""
    listed = {id(reason) for name in agents.NAMES for reason in given(name)}
    missing = {name for name, reason in declared() if id(reason) not in listed}
    assert {name for name in missing if name.split(".")[1] not in ("alert", "site", "operate", "commands")} == {
        "twinsan.cluster.patch.CHANGED",
        "twinsan.cluster.patch.NOT_MADE",
        "twinsan.cluster.plan.UNREADABLE",
        "twinsan.fence.handler.STAYS_FROZEN",
        "twinsan.ocf.failure_code.KEPT",
        "twinsan.ocf.failure_code.KEPT_AND_CANNOT_START",
    }


@pytest.mark.parametrize("name", agents.NAMES)
def test_every_reason_of_an_agent_is_in_its_page(name: str) -> None:
    own = [value for value in agent(name).actions()[0][1].__globals__.values() if isinstance(value, Reason)]
    assert own
    assert set(own) <= set(given(name))


def test_values_are_set_apart() -> None:
    template = "device {device!r} has {present:x} bytes: {error.strerror}"
    assert reasons.pieces(template) == [
        ("device ", False),
        ("device", True),
        (" has ", False),
        ("present", True),
        (" bytes: ", False),
        ("error.strerror", True),
    ]


def test_a_failure_that_is_dropped_is_no_reason() -> None:
    """A LUN asks for the portal address in the background; the start of the address reports what is wrong."""
    assert vacancy.TAKEN not in given("lio-lun")
    assert vacancy.TAKEN in given("portal-ip")
