# SPDX-License-Identifier: GPL-2.0-or-later
"""Frozen I/O is released so that nothing that was acknowledged is lost, and nothing diverges."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.fake_block_tree import BlockTree
from tests.unit.fake_drbd import FakeHost
from twinsan.deadline import Deadline
from twinsan.disk import release as drbd_release
from twinsan.drbd import frozen_io
from twinsan.drbd import setup as drbd_setup
from twinsan.errors import Failure
from twinsan.host import holders
from twinsan.lio import portal_group, tree

LOST = {"connection": "Connecting", "peer_role": "Unknown", "peer_disk": "DUnknown", "replication": "Off"}
SECOND_VOLUME = """\
exists device name:san volume:1 minor:1 disk:UpToDate client:no quorum:yes
exists peer-device name:san peer-node-id:1 conn-name:zeus volume:1 replication:Off peer-disk:DUnknown
exists -"""
BOTH = pytest.mark.parametrize("version", [8, 9])


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    monkeypatch.setattr(frozen_io, "_SECONDS_FOR_DISK", 0.3)
    monkeypatch.setattr(frozen_io, "_SECONDS_TO_THAW", 0.3)
    monkeypatch.setattr(holders, "LIO_BACKSTORES", str(tmp_path / "core"))
    return FakeHost(tmp_path, monkeypatch)


def release(host: FakeHost, version: int, **state: str) -> list[str]:
    host.version = version
    host.bring_up(role="Primary", **state)
    resource = drbd_setup.query("san", Deadline(2))
    assert resource is not None
    notes: list[str] = []
    frozen_io.release(resource, Deadline(5), notes.append)
    return notes


@BOTH
def test_what_is_not_frozen_stays_as_it_is(host: FakeHost, version: int) -> None:
    assert release(host, version) == []
    assert host.released == []


@BOTH
def test_what_was_frozen_by_hand_goes_on_where_the_peer_gets_it_too(host: FakeHost, version: int) -> None:
    notes = release(host, version, suspended="user")
    assert host.released == ["UpToDate suspend-io"]
    assert not host.ran("drbdsetup detach", "drbdsetup secondary")
    assert "it goes on" in notes[0]


@BOTH
def test_what_was_frozen_by_hand_goes_on_where_the_peer_is_known_to_be_outdated(host: FakeHost, version: int) -> None:
    release(host, version, suspended="user", **{**LOST, "peer_disk": "Outdated"})
    assert host.released == ["UpToDate suspend-io"]


@pytest.mark.parametrize("suspended", ["user", "fencing", "no-data", "user,fencing"])
def test_8_4_fails_what_the_peer_may_lack_and_begins_no_data_generation(host: FakeHost, suspended: str) -> None:
    """The disk has to be Diskless before I/O is resumed: one that is still Failed gets a new generation."""
    host.looks_until_diskless = 2
    notes = release(host, 8, suspended=suspended, **LOST)
    assert host.released == ["Diskless io-error"]
    assert frozen_io.failed_note("san").exists()
    assert "it fails now" in notes[0]


@pytest.mark.parametrize("suspended", ["user", "fencing", "no-data", "quorum"])
def test_9_demotes_by_force(host: FakeHost, suspended: str) -> None:
    release(host, 9, suspended=suspended, **LOST)
    assert host.released == ["failed"]
    assert not frozen_io.failed_note("san").exists()


def test_an_older_9_does_as_8_4(host: FakeHost) -> None:
    host.refusals["secondary"] = [(20, "drbdsetup: unrecognized option '--force'\n")]
    release(host, 9, suspended="quorum", **LOST)
    assert host.released == ["Diskless io-error"]
    assert "--on-no-quorum=io-error" in host.ran("drbdsetup resource-options")[0]


def test_a_disk_that_does_not_answer_is_not_detached(host: FakeHost) -> None:
    host.pending = 3
    with pytest.raises(Failure, match="local disk does not answer"):
        release(host, 8, suspended="fencing", **LOST)
    assert host.released == []
    assert not host.ran("drbdsetup detach")


def test_a_disk_that_stays_failed_is_not_resumed(host: FakeHost) -> None:
    host.looks_until_diskless = 1000
    with pytest.raises(Failure, match="detached"):
        release(host, 8, suspended="fencing", **LOST)
    assert host.released == []


def test_what_stays_frozen_is_a_failure(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_release", lambda _words: (0, "", ""))
    with pytest.raises(Failure, match=r"still frozen \(user\)"):
        release(host, 8, suspended="user")


def test_a_secondary_has_nobody_who_waits(host: FakeHost) -> None:
    host.bring_up(suspended="quorum", **LOST)
    resource = drbd_setup.query("san", Deadline(2))
    assert resource is not None
    frozen_io.release(resource, Deadline(5), lambda _: None)
    assert host.released == []


def test_restore_attaches_again_once(host: FakeHost) -> None:
    release(host, 8, suspended="fencing", **LOST)
    for _ in range(2):
        frozen_io.restore("san", host.configuration, Deadline(5))
    assert (host.disk, host.no_data_policy) == ("UpToDate", "suspend-io")
    assert len(host.ran("drbdadm")) == 1


class Below:
    """A LUN of the target "ours" on /dev/drbd0, or on a logical volume there, as its stop asks for it; `heard` has the
    portals that can be heard.
    """

    def __init__(self, host: FakeHost, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = host
        self.heard: dict[str, list[str]] = {"ours": [], "theirs": []}
        self.notes: list[str] = []
        self.devices = BlockTree(folder, monkeypatch)
        self.devices.add("drbd0", "147:0")
        self.devices.add("dm-0", "254:0", below=("drbd0",), path="/dev/vg/lv")
        monkeypatch.setattr(tree, "targets", lambda: list(self.heard))
        monkeypatch.setattr(portal_group, "listening_portal", self._next)

    def __call__(self, path: str = "/dev/drbd0") -> None:
        drbd_release.device_io(path, "ours", Deadline(1), self.notes.append)

    def _next(self, iqn: str) -> str:
        portals = self.heard[iqn]
        return (portals.pop(0) if len(portals) > 1 else portals[0]) if portals else ""


@pytest.fixture
def below(host: FakeHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Below:
    return Below(host, tmp_path, monkeypatch)


@pytest.mark.parametrize("path", ["/dev/drbd0", "/dev/vg/lv"])
def test_nothing_fails_that_an_initiator_would_hear(host: FakeHost, below: Below, path: str) -> None:
    host.version = 8
    host.bring_up(role="Primary", suspended="fencing", **LOST)
    below.heard["ours"] = ["10.0.5.50:3260"]
    with pytest.raises(Failure, match=r"over portal 10\.0\.5\.50:3260; .* stop its portal-ip"):
        below(path)
    assert host.released == []
    below.heard["ours"] = []
    below(path)
    assert host.released == ["Diskless io-error"]


def test_another_target_matters_where_the_resource_has_more_volumes(host: FakeHost, below: Below) -> None:
    host.bring_up(role="Primary", suspended="fencing", **LOST)
    below.heard["theirs"] = ["10.0.5.51:3260"]
    one_volume = host.events2
    host.events2 = lambda: one_volume().replace("exists -", SECOND_VOLUME)  # type: ignore[method-assign]
    with pytest.raises(Failure, match=r"over portal 10\.0\.5\.51:3260"):
        below()
    assert host.released == []
    below.heard["theirs"] = ["10.0.5.51:3260", ""]
    below()
    assert host.released == ["failed"]


def test_another_target_does_not_matter_where_it_cannot_have_the_device(host: FakeHost, below: Below) -> None:
    host.bring_up(role="Primary", suspended="fencing", **LOST)
    below.heard["theirs"] = ["10.0.5.51:3260"]
    below()
    assert host.released == ["failed"]


def test_what_goes_on_may_be_heard(host: FakeHost, below: Below) -> None:
    host.bring_up(role="Primary", suspended="user")
    below.heard["ours"] = ["10.0.5.50:3260"]
    below()
    assert host.released == ["UpToDate suspend-io"]


def test_a_drbd_that_cannot_be_asked_keeps_no_lun_from_going(host: FakeHost, below: Below) -> None:
    host.bring_up(role="Primary")
    host.hanging = ("drbdsetup events2",)
    below()
    assert "is unknown" in below.notes[0]


def test_a_device_that_is_none_of_drbd_is_nobodys(host: FakeHost) -> None:
    host.bring_up(role="Primary", suspended="fencing", **LOST)
    for path in ("/dev/null", "/no/such/device"):
        assert drbd_setup.owners(path, Deadline(2)) == []
    assert host.calls == []


def test_whose_device_it_is(host: FakeHost, below: Below) -> None:
    """Through a stack of mappers; a device that no resource has is nobody's, and not that of all resources."""
    host.bring_up()
    below.devices.add("dm-1", "254:1", below=("dm-0",))
    below.devices.add("drbd7", "147:7")
    for path in ("/dev/drbd0", "/dev/vg/lv", "/dev/dm-1"):
        assert [resource.name for resource in drbd_setup.owners(path, Deadline(2))] == ["san"]
    assert drbd_setup.owners("/dev/drbd7", Deadline(2)) == []
    # One who spans the devices of two.
    below.devices.add("dm-2", "254:2", below=("drbd7", "drbd0"))
    other = "exists resource name:other role:Primary\nexists device name:other volume:0 minor:7 disk:UpToDate\nexists -"
    plain = host.events2
    host.events2 = lambda: plain().replace("exists -", other)  # type: ignore[method-assign]
    assert {resource.name for resource in drbd_setup.owners("/dev/dm-2", Deadline(2))} == {"san", "other"}
