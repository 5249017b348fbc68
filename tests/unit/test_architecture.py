# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape that lib/twinsan/__init__.py draws, held in place; and what a monitor costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import agents, pacemaker

LIBRARY = agents.ROOT / "lib" / "twinsan"
# Work that may hang is done in a child, or goes on after its caller was answered.
MAY_FORK = {"system/child.py", "system/command.py"}
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


def imports(path: Path) -> Iterator[str]:
    """The full names of all that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports relatively"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def os_functions(path: Path) -> Iterator[str]:
    """The names of the functions of `os` that a file mentions."""
    for node in ast.walk(ast.parse(path.read_text())):
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


@pytest.mark.parametrize(("column", "other"), [("ocf", "twinsan.system"), ("system", "twinsan.ocf")])
def test_the_columns_never_import_each_other(column: str, other: str) -> None:
    files = sources(LIBRARY / column)
    assert files
    crossing = {brief(path): name for path in files for name in imports(path) if f"{name}.".startswith(f"{other}.")}
    # Which knows of starts and stops, and of nothing that is started.
    assert crossing == ({"ocf/agent.py": "twinsan.system.failures"} if column == "ocf" else {})


@pytest.mark.parametrize("name", ["errors.py", "deadline.py", "rundir.py"])
def test_what_both_columns_use_knows_neither(name: str) -> None:
    known = [imported for imported in imports(LIBRARY / name) if imported.startswith("twinsan.")]
    assert not [imported for imported in known if imported.startswith(("twinsan.ocf", "twinsan.system"))]


def test_only_the_command_module_starts_programs() -> None:
    modules = {"subprocess", "_posixsubprocess", "pty", "multiprocessing", "concurrent"}
    starting = {
        brief(path)
        for path in everything()
        if any(function.startswith(STARTS_PROGRAMS) for function in os_functions(path))
        or any(name.split(".")[0] in modules for name in imports(path))
    }
    assert starting == {"system/command.py"}


def test_only_few_modules_fork() -> None:
    forking = {brief(path) for path in everything() if any(name.startswith(FORKS) for name in os_functions(path))}
    assert forking == MAY_FORK


def test_only_the_lio_module_imports_rtslib() -> None:
    importing = {brief(path) for path in everything() if any(name.startswith("rtslib") for name in imports(path))}
    assert importing <= {"system/lio.py"}


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
