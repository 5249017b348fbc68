# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair that serves and gets a LUN more: DRBD 8.4 and the disks as a record, the cluster in Pacemaker's simulator."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.operate.setting_up import fake_pair
from tests.unit.operate.setting_up.fake_pair import JUST_CREATED, OF_DATA, FakeNode, FakePair
from tests.unit.operate.simulated import Running
from tests.unit.site import sites
from twinsan import cli
from twinsan.drbd import events2, setup
from twinsan.host import command, rundir
from twinsan.operate import remote
from twinsan.operate.change import node_files
from twinsan.site import difference, drbd

DISK, NUMBER = "/dev/sda7", 2
LUN = f'\n[[resources.data0.luns]]\nlun = 2\ndevice = "/dev/drbd{NUMBER}"\ndisk = "{DISK}"\n'
WITHOUT, WITH = sites.text("data0"), sites.text("data0") + LUN
PLACE, SECRET = "/etc/drbd.d/data0.res", "9f86d081"


class GrowingNode(FakeNode):
    """A node of a pair that serves. `secondary` are volumes that are Secondary though the resource is Primary."""

    def __init__(self, name: str, number: int, pair: FakePair) -> None:
        super().__init__(name, number, pair)
        self.signatures = {disk: ["drbd"] for disk in fake_pair.VOLUMES.values()}
        self.signatures[DISK] = []
        self.metadata = {0: OF_DATA, 1: OF_DATA}
        self.disks = {0: "UpToDate", 1: "UpToDate"}
        self.primary, self.loaded = number == 0, True
        self.secondary: set[int] = set()
        site = sites.site(WITHOUT)
        text = drbd.with_secret(drbd.text(site.resources[0], site, "8.4"), SECRET)
        self.files = {PLACE: text.encode()}
        # Fails as these words are typed.
        self.refuses = ""

    def _answer(self, argv: list[str], given: str) -> tuple[int, str, str]:
        if self.refuses and " ".join(argv).startswith(self.refuses):
            return 20, "", "no such luck"
        return super()._answer(argv, given)

    def _drbdadm(self, words: list[str], given: str) -> str | tuple[int, str, str]:
        verb, name = words[0], words[-1]
        if verb == "role":
            return "Secondary/Primary\n" if int(name.partition("/")[2]) in self.secondary else "Primary/Secondary\n"
        if verb in ("adjust", "create-md"):
            assert b"volume 2" in self.files[PLACE], "DRBD knows no such volume"
            assert SECRET.encode() in self.files[PLACE]
        if verb == "adjust":
            self._change("drbdadm", *words)
            pair = self.pair
            assert isinstance(pair, GrowingPair)
            assert pair.in_maintenance(), "the cluster would stop the SAN"
            for number, identifier in self.metadata.items():
                if number not in self.disks:
                    self.disks[number] = "Inconsistent" if identifier == JUST_CREATED else "UpToDate"
                    self.secondary |= {number} if self.primary else set()
            return ""
        return super()._drbdadm(words, given)

    def _drbdsetup(self, words: list[str], given: str) -> str:
        return self.drbdsetup(words, given)

    def drbdsetup(self, words: list[str], given: str) -> str:
        """What the program does."""
        if words[0] in ("events2", "new-current-uuid"):
            return super()._drbdsetup(words, given)
        self._change("drbdsetup", *words)
        number = int(words[1])
        if words[0] == "primary":
            assert self.primary
            if "--force" in words:
                assert {node.disks[number] for node in self.pair.nodes} == {"Inconsistent"}
                self.disks[number], self.metadata[number] = "UpToDate", OF_DATA
                self.pair.copied.add(number)
            assert self.disks[number] == "UpToDate"
            self.secondary.discard(number)
        elif words[0] == "detach":
            assert number not in (0, 1)
        else:
            assert words[0] == "del-minor"
            assert self.disks.pop(number) == "Inconsistent", "data would be lost"
            self.secondary.discard(number)
        return ""

    def _wipefs(self, words: list[str], given: str) -> str:
        if "--all" not in words:
            return super()._wipefs(words, given)
        self._change("wipefs", *words)
        assert words[-1] == DISK, "data would be lost"
        assert NUMBER not in self.disks
        self.signatures[DISK] = []
        return ""

    def _dd(self, words: list[str], _given: str) -> str:
        self._change("dd", *words)
        assert f"of={DISK}" in words, "data would be lost"
        return ""

    def events(self) -> str:
        """As drbdsetup prints them."""
        return self._events()

    def roles(self, minor: int) -> tuple[str, str]:
        """As /proc/drbd has them."""
        here = "Primary" if self.primary and minor not in self.secondary else "Secondary"
        peer = self.peer
        assert isinstance(peer, GrowingNode)
        there = "Primary" if peer.primary and minor not in peer.secondary else "Secondary"
        return (here, there) if minor in self.disks else ("", "")


class GrowingPair(FakePair):
    """Both, with their cluster."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running = running
        self.nodes = (GrowingNode("atlas", 0, self), GrowingNode("zeus", 1, self))

    def in_maintenance(self) -> bool:
        found = difference.parse(self.running.text()).find("configuration/crm_config")
        assert found is not None
        return any(
            pair.get("name") == "maintenance-mode" and pair.get("value") == "true" for pair in found.iter("nvpair")
        )

    @property
    def growing(self) -> list[GrowingNode]:
        """The nodes."""
        return [node for node in self.nodes if isinstance(node, GrowingNode)]

    def serves(self) -> bool:
        """Whether the new volume is there on both nodes, and can be written on the Primary."""
        complete = all(node.disks.get(NUMBER) == "UpToDate" for node in self.nodes)
        return complete and not any(node.secondary for node in self.growing)

    def state(self) -> object:
        """All that lasts, to compare."""
        return [
            (node.files, node.signatures, node.metadata, node.disks, node.secondary, node.primary)
            for node in self.growing
        ]


def ready(pair: GrowingPair, monkeypatch: pytest.MonkeyPatch, folder: Path) -> GrowingPair:
    """The pair of the command."""
    here = pair.growing[0]
    monkeypatch.setattr(fake_pair, "VOLUMES", {**fake_pair.VOLUMES, NUMBER: DISK})
    monkeypatch.setattr(command, "run", pair.running.run)
    monkeypatch.setattr(remote, "pair", fake_pair.pair_of(pair))
    monkeypatch.setattr(rundir, "DIRECTORY", str(folder / "run"))
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", "atlas", "6.12", "", "")))
    monkeypatch.setattr(node_files, "_others", lambda *_: [])
    monkeypatch.setattr(node_files, "drbd_files", lambda *_: {PLACE: here.files[PLACE].decode()})
    monkeypatch.setattr(setup, "version", lambda: "8.4.11")
    monkeypatch.setattr(setup, "query", lambda name, _: events2.parse(here.events(), name))
    monkeypatch.setattr(setup, "roles", here.roles)
    pair.running.before_patch = lambda: pair.change("the cluster's configuration")
    return pair


def apply(folder: Path, content: str, *words: str) -> int:
    """Type the command."""
    file = folder / "site.toml"
    file.write_text(content)
    return cli.main(["apply", str(file), "--yes", *words])
