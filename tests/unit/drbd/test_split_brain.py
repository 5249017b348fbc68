# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a split brain, by each node and by both."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.unit.fake_drbd import FakeHost
from twinsan import cli
from twinsan.deadline import Deadline
from twinsan.drbd import setup as drbd_setup
from twinsan.drbd import split_brain
from twinsan.drbd.events2 import Resource
from twinsan.errors import Failure

CUT = {"connection": "StandAlone", "peer_role": "Unknown", "peer_disk": "DUnknown", "replication": "Off"}
ATTRIBUTE = "twinsan-split-brain-san"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    real = os.uname()
    fake = os.uname_result((real.sysname, "atlas", real.release, real.version, real.machine))
    monkeypatch.setattr(os, "uname", lambda: fake)
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    return FakeHost(tmp_path, monkeypatch)


def state(host: FakeHost, **values: str) -> Resource:
    host.bring_up(**values)
    resource = drbd_setup.query("san", Deadline(2))
    assert resource is not None
    return resource


def text(host: FakeHost, **values: str) -> str:
    return split_brain.ailment(state(host, **{**CUT, **values}), Deadline(2), lambda _: None)


def detected(at: int) -> None:
    split_brain.record("san")
    Path(split_brain.found_note("san").path).write_text(str(at))


def alone(begin: int, end: int) -> None:
    path = Path(split_brain._alone_note("san").path)
    path.write_text(str(begin))
    os.utime(path, (end, end))


def test_the_handler_notes_the_time_of_the_first_detection(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRBD_RESOURCE", "san")
    assert cli.main(["split-brain"]) == 0
    noted = Path(split_brain.found_note("san").path).read_text()
    assert abs(int(noted) - time.time()) < 60
    monkeypatch.setattr(time, "time", lambda: 2_000_000_000.0)
    assert cli.main(["split-brain"]) == 0
    assert Path(split_brain.found_note("san").path).read_text() == noted


def test_a_cut_connection_alone_is_none(host: FakeHost) -> None:
    assert not split_brain.is_unresolved(state(host, **CUT))
    split_brain.record("san")
    assert split_brain.is_unresolved(state(host, **CUT))


def test_each_node_tells_its_own_part_and_what_the_other_told(host: FakeHost) -> None:
    detected(1_763_800_500)
    alone(1_763_800_000, 1_763_800_120)
    host.out_of_sync = 24
    host.peer_attributes[ATTRIBUTE] = "1763800060 0 8"
    told = text(host)
    assert host.attributes[ATTRIBUTE] == "1763800000 1763800120 24"
    assert "Found 2025-11-22 08:35:00: atlas" in told
    assert "atlas was Primary alone from 2025-11-22 08:26:40 to 2025-11-22 08:28:40 and changed 24 KiB" in told
    assert "zeus is Primary alone since 2025-11-22 08:27:40 and changed 8 KiB" in told


def test_the_attribute_is_private(host: FakeHost) -> None:
    detected(1)
    text(host)
    assert host.ran("attrd_updater --name twinsan-split-brain-san")[0].endswith("--private")


def test_what_is_unknown_is_said_to_be_unknown(host: FakeHost) -> None:
    detected(1)
    told = text(host)
    assert "atlas changed 0 KiB, when is unknown" in told
    assert "what the other node changed is unknown" in told


def test_without_a_cluster_the_own_part_is_told(host: FakeHost) -> None:
    detected(1)
    host.missing = {"attrd_updater"}
    assert "atlas changed" in text(host)


def test_a_strange_attribute_is_passed_over(host: FakeHost) -> None:
    detected(1)
    host.peer_attributes[ATTRIBUTE] = "what is this"
    assert "is unknown here" in text(host)


@pytest.mark.parametrize(
    ("version", "first"), [(8, "drbdadm secondary san"), (9, "drbdadm disconnect san; drbdadm secondary san")]
)
def test_the_commands_are_those_of_the_version(host: FakeHost, version: int, first: str) -> None:
    host.version = version
    detected(1)
    told = text(host)
    assert f"the victim types '{first}; drbdadm connect --discard-my-data san'" in told[:128]
    assert "then the survivor 'drbdadm connect san'" in told


def test_a_primary_alone_is_noted_until_the_replicas_are_equal_again(host: FakeHost) -> None:
    path = split_brain._alone_note("san").path
    primary = state(host, role="Primary", **CUT)
    split_brain.note_primary_alone(primary)
    begin = Path(path).read_text()
    os.utime(path, (1, 1))
    split_brain.note_primary_alone(primary)
    assert Path(path).read_text() == begin
    assert os.stat(path).st_mtime > 1
    split_brain.record("san")
    connected = {"connection": "Connected", "peer_disk": "Inconsistent", "replication": "SyncSource"}
    split_brain.forget(state(host, **connected), Deadline(2))
    assert os.path.exists(path)
    assert split_brain.found_note("san").exists()
    split_brain.forget(state(host, peer_disk="UpToDate", replication="Established"), Deadline(2))
    assert not os.path.exists(path)
    assert not split_brain.found_note("san").exists()
    assert host.attributes[ATTRIBUTE] == ""


def test_it_is_forgotten_although_the_cluster_does_not_hear_of_it(host: FakeHost) -> None:
    split_brain.record("san")
    host.missing.add("attrd_updater")
    with pytest.raises(Failure, match="attrd_updater"):
        split_brain.forget(state(host), Deadline(2))
    assert not split_brain.found_note("san").exists()


@pytest.mark.parametrize("values", [{"role": "Primary"}, {"role": "Secondary", **CUT}])
def test_nothing_else_is_noted(host: FakeHost, values: dict[str, str]) -> None:
    split_brain.note_primary_alone(state(host, **values))
    assert not os.path.exists(split_brain._alone_note("san").path)
