# SPDX-License-Identifier: GPL-2.0-or-later
"""The script that Pacemaker calls starts a Python only for what may have to be told."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit import agents
from tests.unit.alert.cluster_status import action, variables

pytestmark = pytest.mark.runs_programs

SCRIPT = agents.ROOT / "packaging" / "alert"
TOLD, QUIET = "told", ""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """The script with another memory, and another program in place of the command."""
    text = SCRIPT.read_text()
    assert text.count("/var/lib/pacemaker/twinsan") == text.count("exec /usr/sbin/twinsan alert") == 1
    text = text.replace("/var/lib/pacemaker/twinsan", str(tmp_path)).replace(
        "exec /usr/sbin/twinsan alert", "echo told"
    )
    path = tmp_path / "alert"
    path.write_text(text)
    return path


CASES = [
    (action("monitor", 8, expected=8, interval=10000), QUIET),
    (action("monitor", 191, expected=8, interval=10000), TOLD),
    (action("monitor", 0, expected=7), QUIET),
    (action("monitor", 191, expected=7), QUIET),
    (action("monitor", 5, expected=7), TOLD),
    (action("monitor", 1, interval=10000, status=1), QUIET),
    (action("start", 1), TOLD),
    (action("stop", 1), TOLD),
    (action("start", resource="p_portal"), TOLD),
    (action("start", resource="p_lun1"), QUIET),
    (action("start", resource="p_new"), TOLD),
    (action("monitor", resource="p_ill", interval=10000), TOLD),
    (action("stop"), QUIET),
    (action("promote"), QUIET),
    (action("promote", 1), TOLD),
    (variables("node", "atlas", desc="lost"), TOLD),
    (variables("fencing", "atlas", task="off", rc=0), TOLD),
    (variables("attribute", "atlas", attribute_name="x", attribute_value="y"), QUIET),
    ({}, QUIET),
]


@pytest.mark.parametrize(("facts", "expected"), CASES)
def test_what_it_passes_on(script: Path, tmp_path: Path, facts: dict[str, str], expected: str) -> None:
    for known in ("other.p_lun1", "portal.p_portal", "problem.p_ill"):
        (tmp_path / known).touch()
    # Without a PATH: it starts no program for what is quiet.
    ended = subprocess.run(["/bin/sh", script], env={**facts, "PATH": "/nowhere"}, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout.decode().strip(), ended.stderr) == (0, expected, b"")


def test_it_notes_when_a_portal_address_stopped(script: Path, tmp_path: Path) -> None:
    (tmp_path / "portal.p_portal").touch()
    for resource in ("p_portal", "p_lun1"):
        facts = action("stop", resource=resource)
        subprocess.run(["/bin/sh", script], env=facts, check=True, capture_output=True)
    assert (tmp_path / "stopped.p_portal").exists()
    assert not (tmp_path / "stopped.p_lun1").exists()


def test_the_command_takes_what_the_script_gives_it(tmp_path: Path) -> None:
    """The installed command in a process of its own, without rights and without a cluster."""
    words = [str(agents.ROOT / "bin" / "twinsan"), "alert"]
    facts = variables("node", "hera", desc="member")
    ended = subprocess.run(words, env={**facts, "command": "/bin/false"}, capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
