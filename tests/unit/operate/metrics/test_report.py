# SPDX-License-Identifier: GPL-2.0-or-later
"""The metrics are printed, or written into a file at once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.operate import pair_facts
from tests.unit.operate.metrics import openmetrics
from twinsan import cli
from twinsan.alert import memory
from twinsan.operate.facts import gathering
from twinsan.operate.metrics import report, thin_pools


@pytest.fixture(autouse=True)
def _pair(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gathering, "gather", lambda _: pair_facts.make())
    monkeypatch.setattr(thin_pools, "look", lambda _: [])
    monkeypatch.setattr(memory.Memory, "failovers", lambda _: [])


def test_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["metrics"]) == 0
    assert openmetrics.read(capsys.readouterr().out)["twinsan_serves"] == {(("drbd", "san"),): 1}


def test_it_replaces_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "twinsan.prom"
    place.write_text("before")
    before = place.stat().st_ino
    assert cli.main(["metrics", "--output", str(place)]) == 0
    assert openmetrics.read(place.read_text())
    assert place.stat().st_mode & 0o777 == 0o644
    # Another file by the same name, and nothing left beside it.
    assert place.stat().st_ino != before
    assert os.listdir(tmp_path) == ["twinsan.prom"]
    assert capsys.readouterr().out == ""


def test_a_name_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte that is no UTF-8 in a name of configfs; node_exporter would refuse the whole file."""
    monkeypatch.setattr(gathering, "gather", lambda _: pair_facts.make(node=os.fsdecode(b"atlas\xff")))
    place = tmp_path / "twinsan.prom"
    report.report(str(place))
    assert 'on="atlas?"' in place.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["missing/twinsan.prom", "folder"])
def test_a_file_that_cannot_be_written(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "folder").mkdir()
    assert cli.main(["metrics", "--output", str(tmp_path / name)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"twinsan: {tmp_path / name} cannot be written (")
    assert "--collector.textfile.directory" in told
    assert os.listdir(tmp_path) == ["folder"]


def test_the_text_is_read_while_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that opened the file before has all of the old text."""
    place = tmp_path / "twinsan.prom"
    report.report(str(place))
    with place.open() as reader:
        monkeypatch.setattr(gathering, "gather", lambda _: pair_facts.make(node="zeus"))
        report.report(str(place))
        assert 'on="atlas"' in reader.read()
    assert 'on="zeus"' in place.read_text()
