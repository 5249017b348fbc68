# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape that lib/twinsan/__init__.py draws, held in place; and what a monitor costs."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import agents, pacemaker

LIBRARY = agents.ROOT / "lib" / "twinsan"
# Work that may hang is done in a child, and some goes on after the caller was answered.
MAY_FORK = {"host/child.py"}
STARTS_PROGRAMS = ("system", "popen", "exec", "spawn", "posix_spawn")
FORKS = ("fork",)
# None of these may cost a monitor its milliseconds.
TOO_DEAR = {
    "argparse",
    "asyncio",
    "configparser",
    "dataclasses",
    "hashlib",
    "inspect",
    "json",
    "logging",
    "lxml",
    "psutil",
    "rtslib",
    "rtslib_fb",
    "subprocess",
    "tempfile",
    "typing",
    "xml",
}


def sources(folder: Path) -> list[Path]:
    """The Python files in and below a folder of the library."""
    return sorted(folder.rglob("*.py"))


def everything() -> list[Path]:
    """All that gets installed."""
    return [*sources(LIBRARY), agents.ROOT / "bin" / "twinsan", *(agents.FOLDER / name for name in agents.NAMES)]


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All nodes of a file's syntax tree, which is parsed once."""
    return tuple(ast.walk(ast.parse(path.read_text())))


def imports(path: Path) -> Iterator[str]:
    """The full names of all that a file imports, wherever in it."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def os_functions(path: Path) -> Iterator[str]:
    """The names of the functions of `os` that a file mentions."""
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            yield node.attr
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "posix"):
            yield from (name.name for name in node.names)


def brief(path: Path) -> str:
    """The name of a file, from the library's root where it is in there."""
    return str(path.relative_to(LIBRARY)) if path.is_relative_to(LIBRARY) else path.name


def test_the_agents_are_the_four_that_we_know() -> None:
    found = {path.name for path in agents.FOLDER.iterdir() if path.is_file()}
    assert found == set(agents.NAMES)


# Each room, and those that it may import from besides itself. Those of one floor may import each other, not in circles.
BOTTOM = {"errors", "deadline"}
SUBJECTS = ("cluster", "network", "drbd", "lio")
ROOMS = {
    "host": BOTTOM,
    "ocf": BOTTOM | {"host"},
    **{subject: BOTTOM | {"host", *SUBJECTS} for subject in SUBJECTS},
    "disk": BOTTOM | {"host", *SUBJECTS},
    "fence": BOTTOM | {"host", *SUBJECTS, "disk"},
    "alert": BOTTOM | {"host", *SUBJECTS, "disk"},
    # It asks the agents' declarations, which it loads by their names.
    "site": BOTTOM | {"host", "ocf", *SUBJECTS},
    "operate": BOTTOM | {"host", *SUBJECTS, "alert", "disk", "fence", "site"},
    "commands": BOTTOM | {"host", *SUBJECTS, "alert", "disk", "fence", "site", "operate"},
}


@functools.cache
def modules() -> dict[str, set[str]]:
    """The modules of the library, and which of it each imports when it runs: wherever in it, but not for its types."""
    names = {name(path): path for path in sources(LIBRARY)}
    return {module: set(imported_modules(path, set(names))) for module, path in names.items()}


def name(path: Path) -> str:
    """The full name of a module."""
    return ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path, known: set[str]) -> Iterator[str]:
    """The modules of the library that a file imports when it runs."""
    for_types = {
        id(part)
        for node in nodes(path)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for part in ast.walk(node)
    }
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in for_types:
            for imported in (f"{node.module}.{alias.name}" for alias in node.names):
                yield from (each for each in (imported, node.module) if each in known - {"twinsan"})


def room(module: str) -> str:
    """The room of a module; its own name where it stands in none."""
    return module.split(".")[1]


@pytest.mark.parametrize("place", ROOMS)
def test_imports_go_down(place: str) -> None:
    found = {module: imported for module, imported in modules().items() if f"{module}.".startswith(f"twinsan.{place}.")}
    assert found
    allowed = ROOMS[place] | {place}
    upwards = {
        module: up
        for module, imported in found.items()
        if (up := {each for each in imported if room(each) not in allowed})
    }
    assert upwards == {}


def test_every_module_has_a_room() -> None:
    outside = {module for module in modules() if module != "twinsan" and room(module) not in ROOMS}
    assert outside == {"twinsan.errors", "twinsan.deadline", "twinsan.cli"}


def test_no_imports_go_in_a_circle() -> None:
    left = {module: {each for each in imported if each != module} for module, imported in modules().items()}
    while free := {module for module, imported in left.items() if not imported & set(left)}:
        left = {module: imported for module, imported in left.items() if module not in free}
    assert left == {}


def test_no_module_is_long() -> None:
    """Neither of what is installed, nor of what it is made and tested with."""
    folders = (LIBRARY, *(agents.ROOT / name for name in ("lab", "packaging", "tools")))
    every = [path for folder in folders for path in sources(folder)]
    long = {str(path): length for path in every if (length := len(path.read_text().splitlines())) > 300}
    assert long == {}


@pytest.mark.parametrize("name", agents.NAMES)
def test_an_agent_is_parameters_and_little_else(name: str) -> None:
    """At most 200 lines that are no parameter, no docstring and not empty."""
    text = (agents.FOLDER / name).read_text()
    left = dict(enumerate(text.splitlines(), 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            parameters = [part for part in node.body if isinstance(node, ast.ClassDef) and isinstance(part, ast.Assign)]
            docstring = [part for part in node.body[:1] if isinstance(part, ast.Expr) and ast.get_docstring(node)]
            for part in parameters + docstring:
                for number in range(part.lineno, (part.end_lineno or part.lineno) + 1):
                    left.pop(number, None)
    assert len([line for line in left.values() if line.strip()]) <= 200


def test_only_the_command_module_starts_programs() -> None:
    modules = {"subprocess", "_posixsubprocess", "pty", "multiprocessing", "concurrent"}
    starting = {
        brief(path)
        for path in everything()
        if any(function.startswith(STARTS_PROGRAMS) for function in os_functions(path))
        or any(name.split(".")[0] in modules for name in imports(path))
    }
    assert starting == {"host/command.py"}


def test_packages_are_for_the_site_file_and_operators_alone() -> None:
    packages = {"lxml", "psutil", "rtslib_fb", "tomli", "tomllib"}
    importing = {brief(path) for path in everything() if packages & {each.split(".")[0] for each in imports(path)}}
    assert {"site/cib.py", "site/toml.py"} <= importing
    assert {each for each in importing if not each.startswith(("site/", "operate/"))} == set()


def test_only_the_child_module_forks() -> None:
    forking = {brief(path) for path in everything() if any(name.startswith(FORKS) for name in os_functions(path))}
    assert forking == MAY_FORK


def test_only_the_environment_module_reads_the_environment_in_the_frame() -> None:
    reading = {brief(path) for path in sources(LIBRARY / "ocf") if {"environ", "getenv"} & set(os_functions(path))}
    assert reading == {"ocf/environment.py"}


def monitor(name: str, version: str, call: str) -> subprocess.CompletedProcess[str]:
    """A monitor with all imports told on standard error, with nothing but the standard library in reach."""
    return subprocess.run(
        [sys.executable, "-ISB", "-X", "importtime", str(agents.FOLDER / name), "monitor"],
        env=agents.environment(name, version, call),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.runs_programs
@pytest.mark.parametrize("call", ["probe", "monitor-promoted"])
@pytest.mark.parametrize("name", agents.NAMES)
def test_a_monitor_imports_only_what_it_needs(name: str, call: str) -> None:
    told = monitor(name, "3.0.0", call).stderr.splitlines()
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in told if line.startswith("import time:")}
    assert "twinsan" in imported, "the agent did not run"
    assert imported & TOO_DEAR == set()


@pytest.mark.runs_programs
@pytest.mark.parametrize("version", pacemaker.VERSIONS)
@pytest.mark.parametrize("name", agents.NAMES)
def test_a_probe_where_nothing_is_installed_finds_nothing(name: str, version: str) -> None:
    probe = monitor(name, version, "probe")
    reasons = [line for line in probe.stderr.splitlines() if not line.startswith("import time:")]
    assert (probe.returncode, reasons) == (7, [])
