# SPDX-License-Identifier: GPL-2.0-or-later
"""A host's network devices and addresses, the network around it, and the cluster that it tells of its connections."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from twinsan.cluster import attributes, members
from twinsan.deadline import Deadline
from twinsan.host import child, command, rundir
from twinsan.network import addresses, announcement, connection_record, connections, links, probe, silence, tickle
from twinsan.network.addresses import AssignedAddress
from twinsan.network.connections import Peer
from twinsan.network.links import Link


class Host:
    """The host and the network around it; `log` has what was done, in its order."""

    def __init__(self) -> None:
        self.links = [Link(1, "lo", 0x10049, b""), Link(2, "eth0", 0x11043, b"\2\0\0\0\0\1")]
        self.held = [AssignedAddress(2, "10.0.5.2", 24, 0x80), AssignedAddress(2, "2001:db8::2", 64, 0x80)]
        self.log: list[str] = []
        self.elsewhere = ""
        # Who answers for which address.
        self.neighbours: dict[str, str] = {}
        self.peers: list[Peer] = []
        self.attributes: dict[str, dict[str, str]] = {}
        self.members = "atlas zeus"
        self.standby: set[str] = set()
        self.stuck = False
        self.silent = True
        # The network devices with disable_ipv6=1.
        self.without_ipv6: set[str] = set()
        # How often an address cannot be added yet.
        self.busy = 0
        self.background: list[Callable[[], None]] = []

    def add(self, address: str, prefix: int, link: Link) -> None:
        if self.busy:
            self.busy -= 1
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.log.append(f"add {address}/{prefix} {link.name}")
        self.held.append(AssignedAddress(link.index, address, prefix, 0x80))

    def remove(self, held: AssignedAddress) -> None:
        self.log.append(f"remove {held.address}/{held.prefix}")
        if not self.stuck:
            self.held.remove(held)

    def silence(self, address: str) -> bool:
        self.log.append(f"silence {address}")
        return self.silent

    def set_attribute(
        self, name: str, value: str, _deadline: Deadline, *, node: str = "", private: bool = False
    ) -> None:
        assert private
        self.log.append(f"tell {node}")
        self.attributes.setdefault(name, {})[node or "atlas"] = value

    def takes_ipv6(self, link: Link) -> bool:
        return link.name not in self.without_ipv6

    def in_service(self, _deadline: Deadline) -> set[str]:
        return set(self.members.split()) - self.standby

    def run(self, *argv: str, deadline: Deadline) -> SimpleNamespace:
        assert argv == ("crm_node", "--partition")
        return SimpleNamespace(stdout=f"{self.members}\n")


def install(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Host:
    """Put a fake host in place of this one's network."""
    fake = Host()

    class Probe:
        def __init__(self, address: str, link: Link) -> None:
            fake.log.append(f"probe {address} {link.name}")
            self._address = address

        def answer(self, until: Deadline) -> str:
            assert until.remaining() <= 0.2
            return fake.elsewhere or fake.neighbours.get(self._address, "")

        def close(self) -> None:
            return

    def send_tickle(_address: str, port: int, peers: list[Peer]) -> None:
        fake.log.append(f"tickle {port} {connection_record.encode(peers)}".rstrip())

    def drop(_address: str, _port: int, peers: list[Peer]) -> None:
        fake.log.append(f"drop {connection_record.encode(peers)}".rstrip())

    monkeypatch.setattr(rundir, "DIRECTORY", str(folder))
    monkeypatch.setattr(links, "present", lambda: list(fake.links))
    monkeypatch.setattr(addresses, "present", lambda: list(fake.held))
    monkeypatch.setattr(addresses, "add", fake.add)
    monkeypatch.setattr(addresses, "remove", fake.remove)
    monkeypatch.setattr(silence, "begin", fake.silence)
    monkeypatch.setattr(silence, "end", lambda address: fake.log.append(f"unsilence {address}"))
    monkeypatch.setattr(links, "takes_ipv6", fake.takes_ipv6)
    monkeypatch.setattr(probe, "Probe", Probe)
    monkeypatch.setattr(announcement, "send", lambda address, _: fake.log.append(f"announce {address}"))
    monkeypatch.setattr(connections, "established", lambda _address, _port: list(fake.peers))
    monkeypatch.setattr(tickle, "send", send_tickle)
    monkeypatch.setattr(connections, "drop", drop)
    monkeypatch.setattr(attributes, "set_node_attribute", fake.set_attribute)
    monkeypatch.setattr(attributes, "get_node_attributes", lambda name, _: fake.attributes.get(name, {}))
    monkeypatch.setattr(members, "in_service", fake.in_service)
    monkeypatch.setattr(command, "run", fake.run)

    def prepare(preparation: Callable[[], Callable[[], None]]) -> Callable[[], None]:
        prepared = preparation()
        return lambda: fake.background.append(prepared)

    monkeypatch.setattr(child, "run_detached", fake.background.append)
    monkeypatch.setattr(child, "prepare_detached", prepare)
    return fake
