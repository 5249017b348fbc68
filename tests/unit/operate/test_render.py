# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan render``: what it prints, what it writes and where, and its exit statuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit import agents
from tests.unit.site import sites
from twinsan import cli

SITE = str(sites.EXAMPLES / "san.toml")
NAMES = [
    "cib.xml",
    "cib.crm",
    "cib.pcs.sh",
    "drbd/8.4/san.res",
    "drbd/9/san.res",
    "corosync.conf",
    "hosts/esxi.txt",
    "hosts/linux.txt",
    "hosts/windows.txt",
]


def below(folder: Path) -> list[str]:
    """The files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_without_an_option_it_lists_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["render", SITE]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["FILE", "LINES", "WHAT", "FOR"]
    assert [line.split()[0] for line in lines[1:]] == NAMES


def test_it_writes_them_into_the_folder_and_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert cli.main(["render", SITE, "--output", str(tmp_path / "new" / "folder")]) == 0
    assert below(tmp_path) == sorted(f"new/folder/{name}" for name in NAMES)
    assert "corosync.conf" in capsys.readouterr().out


def test_it_prints_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["render", SITE, "--only", "drbd/9/san.res"]) == 0
    assert capsys.readouterr().out == (agents.ROOT / "drbd" / "9" / "san.res").read_text()


def test_it_writes_one(tmp_path: Path) -> None:
    assert cli.main(["render", SITE, "--only", "cib.xml", "--output", str(tmp_path)]) == 0
    assert below(tmp_path) == ["cib.xml"]


def test_one_that_does_not_exist_is_answered_with_those_that_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["render", SITE, "--only", "cib.yaml"]) == 2
    assert "those that there are: cib.xml cib.crm" in capsys.readouterr().err


def test_programs_get_names_that_stay(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["render", SITE, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [file["name"] for file in told["files"]] == NAMES
    assert set(told["files"][0]) == {"name", "purpose", "text"}


def test_mistakes_are_printed_with_their_places_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(sites.changed("san", ("lun = 1", "lum = 1"), ("10.0.5.50", "10.0.8.50")))
    assert cli.main(["render", str(site), "--output", str(tmp_path / "out")]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == [str(site)] * 3
    assert lines[0].split(":")[2] == " resources.san.portals[0].ip"
    assert lines[-1] == f"twinsan: 3 mistakes in {site}; nothing was written"
    assert below(tmp_path) == ["site.toml"]
    assert cli.main(["render", str(site), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["mistakes"]
    assert [each["key"] for each in told][1:] == ["resources.san.luns[0].lun", "resources.san.luns[0].lum"]
    assert set(told[0]) == {"line", "key", "what", "remedy"}


@pytest.mark.parametrize("name", ["missing.toml", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["render", f"{tmp_path}/{name}"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_no_link_in_the_folder_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "drbd").symlink_to(elsewhere)
    assert cli.main(["render", SITE, "--output", str(out)]) == 2
    assert "cannot be written to" in capsys.readouterr().err
    assert below(elsewhere) == []


def test_a_link_in_place_of_a_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    out = tmp_path / "out"
    out.mkdir()
    (out / "cib.xml").symlink_to(tmp_path / "kept")
    (out / ".cib.xml.new").symlink_to(tmp_path / "kept")
    assert cli.main(["render", SITE, "--output", str(out), "--only", "cib.xml"]) == 0
    assert (tmp_path / "kept").read_text() == "kept"
    assert not (out / "cib.xml").is_symlink()
    assert below(out) == ["cib.xml"]


@pytest.mark.runs_programs
def test_it_runs_as_installed_and_finds_lxml(tmp_path: Path) -> None:
    """The command starts without the folders of packages."""
    done = subprocess.run(
        [sys.executable, "-IS", agents.ROOT / "bin" / "twinsan", "render", SITE, "--output", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert below(tmp_path) == sorted(NAMES)


@pytest.mark.runs_programs
def test_without_lxml_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "lxml.py").write_text("raise ImportError")
    program = "import sys; from twinsan import cli; sys.exit(cli.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", program, "render", SITE],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{agents.ROOT / 'lib'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "twinsan: lxml is not installed, and makes the XML; install python3-lxml\n"
