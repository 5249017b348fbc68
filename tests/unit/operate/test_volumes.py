# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether DRBD has what a site serves, on both nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.site import sites
from twinsan.deadline import Deadline
from twinsan.drbd import events2, setup
from twinsan.host import command
from twinsan.operate.change import volumes

SITE = sites.site(sites.text())
UP = """\
exists resource name:san role:Primary suspended:no
exists connection name:san peer-node-id:1 conn-name:zeus connection:Connected role:Secondary
exists device name:san volume:0 minor:0 disk:UpToDate quorum:yes
exists device name:san volume:1 minor:1 disk:UpToDate quorum:yes
exists peer-device name:san peer-node-id:1 conn-name:zeus volume:0 replication:Established peer-disk:UpToDate
exists peer-device name:san peer-node-id:1 conn-name:zeus volume:1 replication:Established peer-disk:UpToDate
exists -
"""


def lacking(monkeypatch: pytest.MonkeyPatch, printed: str) -> volumes.Lacking:
    """What DRBD lacks where `drbdsetup` prints this."""
    monkeypatch.setattr(setup, "query", lambda name, _: events2.parse(printed, name))
    return volumes.look(SITE, Deadline(5))


def test_a_pair_with_all_volumes_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacking(monkeypatch, UP) == volumes.Lacking()


@pytest.mark.parametrize(
    "gone",
    [
        "exists device name:san volume:0",
        "exists peer-device name:san peer-node-id:1 conn-name:zeus volume:0",
    ],
)
def test_a_volume_that_is_missing_on_a_node_can_be_made(monkeypatch: pytest.MonkeyPatch, gone: str) -> None:
    printed = "".join(line + "\n" for line in UP.splitlines() if not line.startswith(gone))
    found = lacking(monkeypatch, printed)
    ((new,), obstacles) = found.new, found.obstacles
    assert (new.name, new.purpose) == ("san/0", "LUN 1")
    assert (obstacles, found.unknown, found.down) == ([], [], [])
    assert "drbdadm create-md san/0" in new.by_hand("ssh does not work")


def test_a_state_volume_is_made_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = "".join(line + "\n" for line in UP.splitlines() if not line.startswith("exists device name:san volume:1"))
    found = lacking(monkeypatch, printed)
    assert found.new == []
    assert "/dev/drbd1 (the state volume) is no volume of DRBD yet" in found.obstacles[0]
    assert "mkfs.btrfs /dev/drbd1" in found.obstacles[0]


@pytest.mark.parametrize(
    ("here", "there", "is_new"),
    [
        ("Inconsistent", "Inconsistent", True),
        ("UpToDate", "DUnknown", True),
        ("UpToDate", "Inconsistent", False),
        ("Inconsistent", "UpToDate", False),
        ("Diskless", "UpToDate", False),
    ],
)
def test_a_volume_is_there_when_it_has_data(
    monkeypatch: pytest.MonkeyPatch, here: str, there: str, is_new: bool
) -> None:
    """Interrupted before, it is gone on with. What lost a disk is another matter."""
    printed = UP.replace("volume:0 minor:0 disk:UpToDate", f"volume:0 minor:0 disk:{here}")
    printed = printed.replace("volume:0 replication:Established peer-disk:UpToDate", f"volume:0 peer-disk:{there}")
    assert bool(lacking(monkeypatch, printed).new) is is_new


def test_another_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lacking(monkeypatch, UP.replace("minor:0", "minor:7"))
    assert "volume 0 of san is /dev/drbd7" in found.obstacles[0]
    assert found.new == []


def test_a_peer_that_is_not_connected_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lacking(monkeypatch, UP.replace("connection:Connected", "connection:Connecting"))
    assert found.new == []
    assert "whether the other node has the volumes of san is not known" in found.unknown[0]


# As DRBD 8.4 prints it, which calls the peer so.
UP_8_4 = UP.replace("conn-name:zeus", "conn-name:peer").replace(" peer-node-id:1", "").replace(" quorum:yes", "")
PROC = """version: 8.4.11 (api:1/proto:86-101)
 0: cs:Connected ro:{roles} ds:UpToDate/UpToDate C r-----
    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0
 1: cs:Connected ro:{rest} ds:UpToDate/UpToDate C r-----
"""


@pytest.mark.parametrize("is_here", [True, False])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_new_volume_of_drbd_8_4_is_secondary_on_the_primary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_here: bool, is_new: bool
) -> None:
    """Whichever node is asked."""
    printed, primary, rest = UP_8_4, "Primary/Secondary", "Primary/Secondary"
    if not is_here:
        printed = UP_8_4.replace("role:Primary", "role:_").replace("role:Secondary", "role:Primary")
        printed = printed.replace("role:_", "role:Secondary")
        primary = rest = "Secondary/Primary"
    if is_new:
        primary = "Secondary/Secondary"
    proc = tmp_path / "drbd"
    proc.write_text(PROC.format(roles=primary, rest=rest))
    monkeypatch.setattr(setup, "PROC", str(proc))
    assert [each.name for each in lacking(monkeypatch, printed).new] == (["san/0"] if is_new else [])


@pytest.mark.parametrize(("status", "number"), [(0, 0), (1, 2)])
def test_a_resource_that_is_down_needs_metadata(monkeypatch: pytest.MonkeyPatch, status: int, number: int) -> None:
    def run(*argv: str, **_: object) -> command.Result:
        assert argv[:2] == ("drbdadm", "get-gi")
        return command.Result(argv, status, "", "no valid meta data")

    monkeypatch.setattr(command, "run", run)
    (down,) = lacking(monkeypatch, "exists -\n").down
    found = list(volumes.without_metadata(down, Deadline(5)))
    assert len(found) == number
    assert all("no valid meta data" in line for line in found)
