# SPDX-License-Identifier: GPL-2.0-or-later
"""When a DRBD device has written: from the file of DRBD 8.4, and from drbdsetup of DRBD 9."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinsan.drbd import setup
from twinsan.host import command
from twinsan.operate.drill import writes
from twinsan.operate.drill.writes import Watch

PROC_8_4 = """\
version: 8.4.11 (api:1/proto:86-101)
srcversion: 1A2B3C4D5E6F7A8B9C0D1E2

 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:5124 nr:12 dw:{first} dr:9310 al:12 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
 1: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C r-----
    ns:64 nr:0 dw:{second} dr:1310 al:2 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
12: cs:Unconfigured
"""
PROC_9 = "version: 9.3.4 (api:2/proto:118-124)\nTransports (api:22): tcp (9.3.4)\n"
EVENTS_9 = (
    "exists resource name:san role:Primary suspended:no\n"
    "exists device name:san volume:0 minor:0 backing_dev:/dev/sdb disk:UpToDate client:no quorum:yes size:131000 "
    "read:2124 written:4096 al-writes:1 bm-writes:0 upper-pending:0 lower-pending:0\n"
    "exists device name:san volume:1 minor:1 disk:UpToDate size:163000 read:12 written:8 al-writes:0\n"
    "exists -\n"
)


def test_the_file_of_drbd_8_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "PROC", str(tmp_path / "drbd"))
    (tmp_path / "drbd").write_text(PROC_8_4.format(first=5136, second=64))
    assert writes.counts() == {0: 5136, 1: 64}


def test_drbd_9_is_asked_by_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "PROC", str(tmp_path / "drbd"))
    (tmp_path / "drbd").write_text(PROC_9)
    answer = command.Result(("drbdsetup",), 0, EVENTS_9, "")
    monkeypatch.setattr(setup, "run", lambda *words, **_: answer)
    assert writes.counts() == {0: 4096, 1: 8}


def test_only_growth_is_a_write_and_only_of_what_is_watched() -> None:
    watch = Watch([0, 5])
    for moment, count in ((1.0, 100), (2.0, 100), (3.0, 104), (4.0, 104), (5.0, 108)):
        watch.note(moment, {0: count, 1: count})
    assert watch.times == {0: [3.0, 5.0], 5: []}
    assert watch.grown_since(4.0)
    assert not watch.grown_since(5.0)


def test_a_device_that_goes_and_comes_writes_when_its_count_changes() -> None:
    watch = Watch([0])
    for moment, found in ((1.0, {0: 100}), (2.0, {}), (3.0, {0: 4})):
        watch.note(moment, found)
    assert watch.times == {0: [3.0]}


def test_it_watches_beside_the_caller_and_says_what_kept_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "PROC", str(tmp_path / "drbd"))
    (tmp_path / "drbd").write_text(PROC_8_4.format(first=1, second=1))
    watch = Watch([0])
    watch.start()
    count = 1
    while not watch.times[0]:
        count += 1
        (tmp_path / "new").write_text(PROC_8_4.format(first=count, second=1))
        (tmp_path / "new").rename(tmp_path / "drbd")
    watch.stop()
    assert not watch.fault

    def refuse(*_words: str, **_options: object) -> command.Result:
        raise OSError("no such program")

    (tmp_path / "drbd").unlink()
    monkeypatch.setattr(setup, "run", refuse)
    blind = Watch([0])
    blind.start()
    while not blind.fault:
        pass
    blind.stop()
    assert blind.fault == "no such program"
