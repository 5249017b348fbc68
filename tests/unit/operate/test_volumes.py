# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether DRBD has what a site serves, on both nodes."""

from __future__ import annotations

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


def missing(monkeypatch: pytest.MonkeyPatch, printed: str) -> tuple[list[str], list[str]]:
    """What is missing where `drbdsetup` prints this."""
    monkeypatch.setattr(setup, "query", lambda name, _: events2.parse(printed, name))
    return volumes.missing(SITE, Deadline(5))


def test_a_pair_with_all_volumes_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing(monkeypatch, UP) == ([], [])


@pytest.mark.parametrize(
    ("gone", "told"),
    [
        ("exists device name:san volume:1", "/dev/drbd1 (the state volume) is no volume of DRBD on this node"),
        ("exists device name:san volume:0", "/dev/drbd0 (LUN 1) is no volume of DRBD on this node: the kernel has no"),
        (
            "exists peer-device name:san peer-node-id:1 conn-name:zeus volume:0",
            "LUN 1) is no volume of DRBD on the other",
        ),
    ],
)
def test_a_volume_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch, gone: str, told: str) -> None:
    printed = "".join(line + "\n" for line in UP.splitlines() if not line.startswith(gone))
    ((line,), unknown) = missing(monkeypatch, printed)
    assert told in line
    assert "drbdadm create-md san/" in line
    assert unknown == []


def test_another_device_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ((line,), _) = missing(monkeypatch, UP.replace("minor:0", "minor:7"))
    assert "volume 0 is /dev/drbd7" in line


def test_a_peer_that_is_not_connected_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = UP.replace("connection:Connected", "connection:Connecting")
    assert missing(monkeypatch, printed)[0] == []
    assert "whether the other node has the volumes of san is not known" in missing(monkeypatch, printed)[1][0]


# As DRBD 8.4 prints it, which calls the peer so.
UP_8_4 = UP.replace("conn-name:zeus", "conn-name:peer").replace(" peer-node-id:1", "").replace(" quorum:yes", "")


@pytest.mark.parametrize(("role", "number"), [("Primary/Secondary", 0), ("Secondary/Secondary", 2)])
def test_a_new_volume_of_drbd_8_4_has_to_be_made_primary(
    monkeypatch: pytest.MonkeyPatch, role: str, number: int
) -> None:
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 0, f"{role}\n", ""))
    found, _ = missing(monkeypatch, UP_8_4)
    assert len(found) == number
    assert all("type: drbdadm primary san" in line for line in found)


@pytest.mark.parametrize(("status", "number"), [(0, 0), (1, 2)])
def test_a_resource_that_is_down_needs_metadata(monkeypatch: pytest.MonkeyPatch, status: int, number: int) -> None:
    def run(*argv: str, **_: object) -> command.Result:
        assert argv[:2] == ("drbdadm", "get-gi")
        return command.Result(argv, status, "", "no valid meta data")

    monkeypatch.setattr(command, "run", run)
    found, _ = missing(monkeypatch, "exists -\n")
    assert len(found) == number
    assert all("no valid meta data" in line for line in found)
