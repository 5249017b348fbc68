# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD's own parsers read the resource files that we ship."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit import agents

PARSERS = {
    "8.4": ("/usr/lib/drbd/drbdadm-84", "/lib/drbd/drbdadm-84"),
    "9": ("/usr/sbin/drbdadm", "/sbin/drbdadm"),
}
FENCING = {"8.4": "disk", "9": "net"}


def file(version: str) -> Path:
    return agents.ROOT / "drbd" / version / "san.res"


@pytest.fixture
def completed(version: str, tmp_path: Path) -> Path:
    """The file after the commands at its head."""
    path = tmp_path / "completed.res"
    path.write_text(file(version).read_text())
    commands = re.findall(r"^#   (.*)", path.read_text(), re.MULTILINE)
    assert len(commands) == 2
    script = "\n".join(commands).replace("/etc/drbd.d/san.res", str(path))
    subprocess.run(["sh", "-euc", script], check=True, timeout=30)
    return path


def dump(version: str, path: Path, node: str = "atlas") -> subprocess.CompletedProcess[str]:
    parser = next(filter(None, map(shutil.which, PARSERS[version])), None)
    assert parser is not None, f"no parser of DRBD {version} is installed; type: apt-get install drbd-utils"
    # DRBD's own way to see a configuration as another host does.
    variables = {**os.environ, "__DRBD_NODE__": node}
    return subprocess.run(
        [parser, "-c", str(path), "dump", "san"], env=variables, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.runs_programs
@pytest.mark.parametrize("node", ["atlas", "zeus"])
@pytest.mark.parametrize("version", PARSERS)
def test_the_parser_reads_it_on_both_nodes(version: str, completed: Path, node: str) -> None:
    dumped = dump(version, completed, node)
    assert dumped.returncode == 0, dumped.stderr
    words = " ".join(dumped.stdout.split())
    for setting in (
        "protocol C;",
        "cram-hmac-alg sha256;",
        "fencing resource-and-stonith;",
        'fence-peer "/usr/sbin/twinsan fence-peer";',
        'unfence-peer "/usr/sbin/twinsan unfence-peer";',
        'split-brain "/usr/sbin/twinsan split-brain";',
        "on-no-data-accessible suspend-io;",
        "c-max-rate 750M;",
    ):
        assert setting in words
    assert f"on {node} {{" in words


@pytest.mark.runs_programs
@pytest.mark.parametrize("version", PARSERS)
def test_the_parser_would_find_a_mistake(version: str, completed: Path) -> None:
    completed.write_text(completed.read_text().replace("ko-count", "ko-cuont"))
    refused = dump(version, completed)
    assert refused.returncode != 0
    assert "ko-cuont" in refused.stderr, "it failed for something else"


@pytest.mark.runs_programs
@pytest.mark.parametrize("version", PARSERS)
def test_without_a_secret_of_its_own_no_pair_comes_up(version: str) -> None:
    lines = file(version).read_text().splitlines()
    number = next(number for number, line in enumerate(lines, 1) if line.lstrip().startswith("shared-secret"))
    refused = dump(version, file(version))
    assert refused.returncode != 0
    assert f"san.res:{number}: Parse error" in refused.stderr


@pytest.mark.runs_programs
@pytest.mark.parametrize("version", PARSERS)
def test_each_pair_makes_another_secret_that_only_root_reads(version: str, completed: Path) -> None:
    found = re.search(r"shared-secret +([0-9a-f]+);", completed.read_text())
    assert found
    # DRBD takes up to 63 characters.
    assert len(found[1]) == 32
    assert completed.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("version", PARSERS)
def test_nothing_that_would_lose_data_or_promote_behind_the_cluster(version: str) -> None:
    lines = [line.partition("#")[0].strip() for line in file(version).read_text().splitlines()]
    text = "\n".join(lines)
    assert "allow-two-primaries" not in text
    assert "after-sb" not in text
    assert ("auto-promote" in text) == (version == "9")
    section = text[: text.index("fencing ")].rpartition("{")[0].split()[-1]
    assert section == FENCING[version]
    numbers = {words[0]: words[1].rstrip(";") for words in map(str.split, lines) if len(words) == 2}
    # DRBD wants a time-out (0.1 s) below both intervals (s).
    assert int(numbers["timeout"]) < 10 * min(int(numbers["ping-int"]), int(numbers["connect-int"]))
