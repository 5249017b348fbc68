# SPDX-License-Identifier: GPL-2.0-or-later
"""Addresses, announcements and connections: on recorded data, and in a network of the test's own."""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
from collections.abc import Callable

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, NotHere
from twinsan.host import child
from twinsan.network import (
    addresses,
    announcement,
    checksum,
    connection_record,
    connections,
    links,
    netlink,
    placement,
    probe,
    silence,
    tcp_table,
    tickle,
)
from twinsan.network.addresses import AssignedAddress
from twinsan.network.connections import Peer
from twinsan.network.links import Link
from twinsan.network.probe import Probe

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000

ETHERNET = bytes.fromhex("020000000001")
STRANGER = bytes.fromhex("020000000002")
VIP, VIP6 = "10.0.5.50", "2001:db8::50"

own_network = pytest.mark.runs_programs


def in_a_network_of_its_own(work: Callable[[], None]) -> None:
    """Do `work` in a child that has two network devices, v0 and v1, joined by a cable."""

    def enter() -> None:
        flags = _NEW_NETWORK if os.geteuid() == 0 else _NEW_NETWORK | _NEW_USER
        if ctypes.CDLL(None, use_errno=True).unshare(flags) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        peer = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + netlink.attribute(3, b"v1\0")
        cable = netlink.attribute(1, b"veth\0") + netlink.attribute(2, netlink.attribute(1, peer))
        body = struct.pack("=BxHiII", 0, 0, 0, 0, 0) + netlink.attribute(3, b"v0\0") + netlink.attribute(18, cable)
        netlink.ask(16, body, netlink.CREATE | netlink.EXCLUSIVE)
        for link in links.present():
            netlink.ask(16, struct.pack("=BxHiII", 0, 0, link.index, 1, 1))
        work()

    child.run(enter, Deadline(20), "a test in a network of its own")


def device(name: str) -> Link:
    return next(link for link in links.present() if link.name == name)


@own_network
def test_an_address_comes_and_goes() -> None:
    def work() -> None:
        for address, prefix in ((VIP, 24), (VIP6, 64)):
            assert addresses.find(address) == []
            addresses.add(address, prefix, device("v0"))
            addresses.add(address, prefix, device("v0"))
            (held,) = addresses.find(address)
            assert (held.index, held.prefix, held.usable) == (device("v0").index, prefix, True)
            addresses.remove(held)
            addresses.remove(held)
            assert addresses.find(address) == []

    in_a_network_of_its_own(work)


@own_network
def test_an_address_finds_its_home() -> None:
    def work() -> None:
        addresses.add("10.0.5.2", 24, device("v0"))
        addresses.add("10.9.0.2", 16, device("v1"))
        addresses.add("10.9.5.2", 24, device("v1"))
        addresses.add("2001:db8::2", 64, device("v1"))
        assert (placement.find(VIP, "", 0)[0].name, placement.find(VIP, "", 0)[1]) == ("v0", 24)
        assert placement.find("10.9.5.9", "", 0)[1] == 24
        assert placement.find("10.9.6.9", "", 0)[1] == 16
        assert placement.find(VIP6, "", 0)[0].name == "v1"
        assert placement.find(VIP, "v0", 32)[1] == 32
        assert placement.find("192.0.2.1", "v1", 24)[0].name == "v1"
        for address, nic, words in (
            ("192.0.2.1", "", "in no network of any network device"),
            (VIP, "v1", "in no network of nic v1"),
            (VIP, "eth7", "nic eth7 does not exist on this host; it has lo v0 v1"),
        ):
            with pytest.raises(NotHere, match=words):
                placement.find(address, nic, 0)
        addresses.add("10.0.5.3", 24, device("v1"))
        with pytest.raises(NotHere, match=r"more than one network device \(v0 v1\); set nic"):
            placement.find(VIP, "", 0)

    in_a_network_of_its_own(work)


@own_network
def test_links_and_their_faults() -> None:
    def work() -> None:
        assert device("v0").fault == ""
        assert len(device("v0").hardware) == 6
        assert device("lo").hardware == b""
        netlink.ask(16, struct.pack("=BxHiII", 0, 0, device("v1").index, 0, 1))
        assert "has no carrier" in device("v0").fault
        assert "ip link set v1 up" in device("v1").fault

    in_a_network_of_its_own(work)


@own_network
@pytest.mark.parametrize(("address", "protocol"), [(VIP, 0x0806), (VIP6, 0x86DD)])
def test_a_probe_and_its_answers(address: str, protocol: int) -> None:
    def work() -> None:
        other = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        other.bind(("v1", protocol))
        asking = Probe(address, device("v0"))
        assert asking.answer(Deadline(0.2)) == ""
        asking.close()
        asked = [frame for frame in _arrived(other) if addresses.pack(address) in frame]
        assert len(asked) >= 2, "a question that is lost has to be asked again"
        asking = Probe(address, device("v0"))
        # Noise must not keep it from hearing the answer.
        other.send(b"\xff" * 6 + STRANGER + protocol.to_bytes(2, "big") + bytes(60))
        stranger = Link(2, "v1", 1, STRANGER)
        for frame in announcement.frames(address, stranger):
            other.send(frame)
        assert asking.answer(Deadline(2)) == STRANGER.hex(":")
        asking.close()

    in_a_network_of_its_own(work)


@own_network
@pytest.mark.parametrize(("address", "protocol"), [(VIP, 0x0806), (VIP6, 0x86DD)])
def test_who_asks_claims_nothing(address: str, protocol: int) -> None:
    """Switches that track devices and `arping -D` ask without a sender, and hosts do so before they use an address."""

    def work() -> None:
        other = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        other.bind(("v1", protocol))
        asking = Probe(address, device("v0"))
        for _ in range(50):
            other.send(probe.question(address, Link(2, "v1", 1, STRANGER)))
        assert asking.answer(Deadline(0.3)) == ""
        asking.close()
        asked = [frame for frame in _arrived(other) if frame[6:12] == device("v0").hardware]
        assert len(asked) >= 2, "other hosts' questions do not keep it from asking again"

    in_a_network_of_its_own(work)


def test_the_arp_announcement_is_as_arping_sends_it() -> None:
    request, reply = announcement.frames(VIP, Link(2, "v0", 1, ETHERNET))
    for frame, kind, target_hardware in ((request, 1, bytes(6)), (reply, 2, ETHERNET)):
        assert frame[:14] == b"\xff" * 6 + ETHERNET + b"\x08\x06"
        told = struct.unpack("!HHBBH6s4s6s4s", frame[14:])
        packed = addresses.pack(VIP)
        assert told == (1, 0x0800, 6, 4, kind, ETHERNET, packed, target_hardware, packed)


@own_network
def test_other_names_of_a_device() -> None:
    name = "a-name-that-is-longer-than-fifteen-characters"

    def work() -> None:
        names = b"".join(netlink.attribute(53, each.encode() + b"\0") for each in (name, "x0"))
        body = struct.pack("=BxHiII", 0, 0, device("v0").index, 0, 0)
        netlink.ask(108, body + netlink.attribute(52 | 0x8000, names), netlink.CREATE | netlink.EXCLUSIVE)
        assert device("v0").names == {"v0", "x0", name}
        addresses.add("10.0.5.2", 24, device("v0"))
        assert placement.find(VIP, name, 0)[0].name == "v0"
        assert placement.find("192.0.2.1", "x0", 24)[0].name == "v0"
        with pytest.raises(NotHere, match="it has lo v0 v1"):
            placement.find(VIP, "x1", 0)

    in_a_network_of_its_own(work)


@own_network
def test_ipv6_that_is_off() -> None:
    def work() -> None:
        assert links.takes_ipv6(device("v0"))
        with open("/proc/sys/net/ipv6/conf/v0/disable_ipv6", "w") as file:
            file.write("1")
        assert not links.takes_ipv6(device("v0"))
        with pytest.raises(NotHere, match="type: sysctl -w net/ipv6/conf/v0/disable_ipv6=0"):
            placement.find(VIP6, "v0", 64)
        with pytest.raises(PermissionError):
            addresses.add(VIP6, 64, device("v0"))
        assert links.takes_ipv6(Link(9, "none", 0, b""))

    in_a_network_of_its_own(work)


@own_network
def test_an_announcement_is_heard() -> None:
    def work() -> None:
        other = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        other.bind(("v1", 3))
        for address in (VIP, VIP6):
            announcement.send(address, device("v0"))
            heard = [frame for frame in _arrived(other) if addresses.pack(address) in frame]
            assert len(heard) == (2 if address == VIP else 1)
            assert all(frame[6:12] == device("v0").hardware for frame in heard)
        announcement.send(VIP, device("lo"))

    in_a_network_of_its_own(work)


def _arrived(listening: socket.socket) -> list[bytes]:
    found = []
    while select.select([listening], [], [], 0.05)[0]:
        found.append(listening.recv(2048))
    return found


@own_network
@pytest.mark.parametrize(("address", "prefix"), [(VIP, 24), (VIP6, 64)])
def test_a_connection_bears_a_tickle_and_can_be_dropped(address: str, prefix: int) -> None:
    """Both ends are on this host here, so the initiator's, too, hears when the target's end is dropped."""

    def work() -> None:
        addresses.add(address, prefix, device("lo"))
        with socket.create_server((address, 3260), family=addresses.family(address)) as server:
            client = socket.create_connection(server.getsockname()[:2])
            accepted, _ = server.accept()
            (peer,) = connections.established(address, 3260)
            assert str(peer) == connection_record.encode([Peer(*client.getsockname()[:2])])
            tickle.send(address, 3260, [peer])
            assert not select.select([client], [], [], 0.2)[0], "a living connection bears it"
            connections.drop(address, 3260, [peer])
            assert connections.established(address, 3260) == []
            with pytest.raises(OSError, match="abort"):
                accepted.recv(1)

    in_a_network_of_its_own(work)


@own_network
def test_ipv6_falls_silent_and_speaks_again() -> None:
    def work() -> None:
        addresses.add(VIP6, 64, device("v0"))
        addresses.add("2001:db8::2", 64, device("v0"))
        sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sender.bind((VIP6, 0))
        sender.sendto(b"x", ("2001:db8::9", 9))
        assert silence.begin(VIP6)
        assert silence.begin(VIP6)
        with pytest.raises(OSError, match=r"Invalid argument|unreachable"):
            sender.sendto(b"x", ("2001:db8::9", 9))
        silence.end(VIP6)
        silence.end(VIP6)
        sender.sendto(b"x", ("2001:db8::9", 9))
        assert silence.begin(VIP)
        silence.end(VIP)

    in_a_network_of_its_own(work)


class StrictPeer:
    """An initiator at the other end of the cable, with the rules of FreeBSD's tcp_input.c for a segment of an
    established connection that agreed on timestamps: one without is dropped in silence (RFC 7323, 3.2); so is an empty
    one whose time is older than the last that was seen; one that does not fit is answered with where it stands.
    """

    address, port, hardware = "10.0.5.9", 51395, STRANGER
    sent, received, recent = 0x11111111, 0x22222222, 0x9ABCDEF0

    def __init__(self) -> None:
        self._wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self._wire.bind(("v1", 3))
        self.dropped = 0
        self.is_reset = False

    def live(self, seconds: float, drops: int = 100) -> None:
        """Answer what comes, until it is reset or has dropped so many segments."""
        until = Deadline(seconds)
        while not self.is_reset and self.dropped < drops and select.select([self._wire], [], [], until.remaining())[0]:
            frame = self._wire.recv(2048)
            if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1" and frame[38:42] == addresses.pack(self.address):
                target = struct.pack("!HHBBH6s4s", 1, 0x800, 6, 4, 2, self.hardware, frame[38:42]) + frame[22:32]
                self._wire.send(frame[6:12] + self.hardware + b"\x08\x06" + target)
            elif frame[12:14] == b"\x08\0" and frame[23] == 6 and frame[30:34] == addresses.pack(self.address):
                self._take(frame[14:])

    def _take(self, packet: bytes) -> None:
        segment = packet[20 : int.from_bytes(packet[2:4], "big")]
        _, _, sequence, _, offset, flags = struct.unpack("!HHIIBB", segment[:14])
        options = segment[20 : (offset >> 4) * 4]
        if flags & 0x04:
            self.is_reset = sequence == self.received
        elif options[:4] != b"\1\1\x08\x0a" or self._is_older(options[4:8]):
            self.dropped += 1
        elif sequence != self.received:
            self._say()

    def _is_older(self, when: bytes) -> bool:
        return (int.from_bytes(when, "big") - self.recent) % (1 << 32) >= 1 << 31

    def _say(self) -> None:
        source, target = addresses.pack(self.address), addresses.pack(VIP)
        header = struct.pack("!HHIIBBHHH", self.port, 3260, self.sent, self.received, 8 << 4, 0x10, 1024, 0, 0)
        header += struct.pack("!BBBBII", 1, 1, 8, 10, self.recent, 0)
        pseudo = source + target + struct.pack("!II", len(header), 6)
        header = header[:16] + checksum.internet(pseudo + header).to_bytes(2, "big") + header[18:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(header), 0, 0, 64, 6, 0) + source + target
        ip = ip[:10] + checksum.internet(ip).to_bytes(2, "big") + ip[12:]
        self._wire.send(device("v0").hardware + self.hardware + b"\x08\0" + ip + header)


@own_network
@pytest.mark.parametrize("recent", [0, 1, 0x7FFFFFFF, 0x80000000, 0x9ABCDEF0, 0xFFFFFFFF])
def test_a_peer_that_is_strict_about_timestamps_is_reset(recent: int) -> None:
    def work() -> None:
        addresses.add(VIP, 24, device("v0"))
        peer = StrictPeer()
        peer.recent = recent
        plain = tickle.segment(VIP, 3260, Peer(peer.address, peer.port), 0)
        bare = plain[:12] + b"\x50" + plain[13:16] + bytes(4)
        covered = addresses.pack(VIP) + addresses.pack(peer.address) + struct.pack("!II", 20, 6) + bare
        bare = bare[:16] + checksum.internet(covered).to_bytes(2, "big") + bare[18:]
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        raw.bind((VIP, 0))
        raw.sendto(bare, (peer.address, 0))
        peer.live(10, drops=1)
        peer.live(0.2)
        assert (peer.dropped, peer.is_reset) == (1, False), "without a timestamp nothing comes of it"
        tickle.send(VIP, 3260, [Peer(peer.address, peer.port)])
        peer.live(10)
        assert peer.is_reset

    in_a_network_of_its_own(work)


@own_network
def test_the_rule_that_keeps_ipv6_silent_goes_with_the_last_connection() -> None:
    """A deleted resource leaves nothing behind; and while a connection is there nothing leaves from the address."""

    def work() -> None:
        addresses.add(VIP6, 64, device("v0"))
        with socket.create_server((VIP6, 3260), family=socket.AF_INET6) as server:
            client = socket.create_connection(server.getsockname()[:2])
            accepted, _ = server.accept()
            assert silence.begin(VIP6)
            (held,) = addresses.find(VIP6)
            addresses.remove(held)
            with pytest.raises(DeadlinePassed):
                silence.end_when_unused(VIP6, Deadline(0.2))
            assert _rules(VIP6) == 1
            for one in (client, accepted):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                one.close()
            silence.end_when_unused(VIP6, Deadline(5))
            assert _rules(VIP6) == 0, "who only listens sends nothing"
            silence.begin(VIP6)
            addresses.add(VIP6, 64, device("v0"))
            silence.end_when_unused(VIP6, Deadline(5))
            assert _rules(VIP6) == 1, "an address that is back is its start's business"

    in_a_network_of_its_own(work)


def _rules(address: str) -> int:
    """How many routing rules there are for an address."""
    body = struct.pack("=BBBBBBBBI", socket.AF_INET6, 0, 0, 0, 0, 0, 0, 0, 0)
    return sum(addresses.pack(address) in answer for answer in netlink.ask(34, body, netlink.DUMP))


def test_what_is_gone_needs_no_removal() -> None:
    addresses.remove(AssignedAddress(1 << 20, VIP, 24, 0))


def test_a_request_that_the_kernel_refuses() -> None:
    with pytest.raises(OSError, match="not supported"):
        netlink.ask(9999, b"")


def test_attributes_are_padded_and_parsed() -> None:
    data = netlink.attribute(1, b"abc") + netlink.attribute(0x8002, b"") + netlink.attribute(3, b"\1\2\3\4")
    assert len(data) % 4 == 0
    assert netlink.attributes(data) == {1: b"abc", 2: b"", 3: b"\1\2\3\4"}
    assert netlink.attributes(b"\0\0\1\0") == {1: b""}


# Lines of /proc/net/tcp and tcp6 on a little-endian host.
TCP = "   0: 3205000A:0CBC 0905000A:C8C3 01 00000000:00000000 02:000A 00000000 0 0 4711 2 0 20 4 30 10 -1"
TCP6 = (
    "   1: B80D0120000000000000000050000000:0CBC B80D0120000000000000000009000000:C8C4 01 "
    "00000000:00000000 02:000A 00000000 0 0 4712 2 0 20 4 30 10 -1"
)


@pytest.mark.parametrize(
    ("line", "local", "remote"),
    [(TCP, ("10.0.5.50", 3260), ("10.0.5.9", 51395)), (TCP6, ("2001:db8::50", 3260), ("2001:db8::9", 51396))],
)
def test_lines_of_the_socket_table(
    monkeypatch: pytest.MonkeyPatch, line: str, local: tuple[str, int], remote: tuple[str, int]
) -> None:
    monkeypatch.setattr("sys.byteorder", "little")
    row = tcp_table.parse(line.split())
    assert ((row.local, row.local_port), (row.remote, row.remote_port)) == (local, remote)
    assert row.inode in ("4711", "4712")


def test_the_attribute_says_the_same_for_the_same_connections() -> None:
    peers = [Peer("10.0.5.9", 51396), Peer("10.0.5.9", 51395), Peer("2001:db8::9", 1)]
    text = connection_record.encode(peers)
    assert text == connection_record.encode(peers[::-1]) == "10.0.5.9:51395 10.0.5.9:51396 [2001:db8::9]:1"
    assert list(map(str, connection_record.decode(text))) == text.split()
    assert len(connection_record.encode([Peer("10.0.5.9", port) for port in range(1, 1000)]).split()) == 256


@pytest.mark.parametrize("text", ["", "x", "10.0.5.9", "10.0.5.9:0", "10.0.5.9:99999", "10.0.5:1", "a\0b:1", "[]:1"])
def test_an_attribute_of_somebody_elses_making(text: str) -> None:
    assert connection_record.decode(text) == []


def test_a_segment_that_fits_no_connection() -> None:
    segment = tickle.segment(VIP, 3260, Peer("10.0.5.9", 51395), 4711)
    assert struct.unpack("!HHIIBB", segment[:14]) == (3260, 51395, 0, 0, 0x80, 0x10)
    assert struct.unpack("!BBBBII", segment[20:]) == (1, 1, 8, 10, 4711, 0)
    covered = addresses.pack(VIP) + addresses.pack("10.0.5.9") + struct.pack("!II", len(segment), 6)
    assert checksum.internet(covered + segment) == 0


@pytest.mark.parametrize(
    "address",
    "0.0.0.0 127.0.0.1 169.254.1.1 224.0.0.1 255.255.255.255 240.0.0.1 :: ::1 fe80::1 febf::1 ff02::1".split(),
)
def test_addresses_that_nobody_can_connect_to(address: str) -> None:
    assert not addresses.is_global(address)


@pytest.mark.parametrize("address", "1.0.0.1 10.0.5.50 169.253.1.1 192.168.1.1 223.1.1.1 fd00::1 2001:db8::1".split())
def test_addresses_that_others_can_connect_to(address: str) -> None:
    assert addresses.is_global(address)


def test_names_of_attributes_hold_no_colons() -> None:
    assert connection_record.attribute(VIP6) == "twinsan-connections-2001-db8--50"
