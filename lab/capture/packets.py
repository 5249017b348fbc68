# SPDX-License-Identifier: GPL-2.0-or-later
"""The packets of a capture file: ARP, and TCP over IPv4.

The file is in pcapng, whose blocks also say how many packets the kernel dropped (draft-ietf-opsawg-pcapng).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Union

from lab.errors import LabError

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER = 0x1A2B3C4D
_RESOLUTION, _DROPPED = 9, 5
_BLOCK = struct.Struct("<II")
_OPTION = struct.Struct("<HH")
_PACKET_HEADER = struct.Struct("<IIIII")

_ETHERNET = struct.Struct("!6s6sH")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_TCP = struct.Struct("!HHIIBBHHH")
_TYPE_ARP, _TYPE_IPV4, _PROTOCOL_TCP = 0x0806, 0x0800, 6


class End(NamedTuple):
    """One end of a connection."""

    address: str
    port: int


class Arp(NamedTuple):
    """An ARP packet that the host with Ethernet address `mac` sent, request or reply."""

    time: float
    mac: str
    sender: str
    target: str


class Segment(NamedTuple):
    """A TCP segment that the host with Ethernet address `mac` sent to that with `to`."""

    time: float
    mac: str
    to: str
    source: End
    destination: End
    sequence: int
    acknowledged: int
    flags: int
    payload: bytes


Packet = Union[Arp, Segment]


class Capture:
    """A capture file. `dropped` is what the kernel dropped, known after the last packet; None where it is not said."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tick = 1e-6
        self.dropped: int | None = None

    def packets(self) -> Iterator[Packet]:
        """All packets that are ARP, or TCP over IPv4, in their order."""
        with self._path.open("rb") as file:
            for kind, body in _blocks(file):
                if kind == _INTERFACE:
                    self._tick = _tick(_options(body[8:]).get(_RESOLUTION, b"\x06")[0])
                elif kind == _STATISTICS:
                    dropped = _options(body[12:]).get(_DROPPED)
                    self.dropped = None if dropped is None else int.from_bytes(dropped, "little")
                elif kind == _PACKET:
                    packet = self._packet(body)
                    if packet is not None:
                        yield packet

    def _packet(self, body: bytes) -> Packet | None:
        _, high, low, captured, length = _PACKET_HEADER.unpack_from(body)
        if captured < length:
            raise LabError(f"{self._path} has a packet of which only {captured} of {length} bytes were captured")
        return decode(((high << 32) | low) * self._tick, body[_PACKET_HEADER.size : _PACKET_HEADER.size + captured])


def decode(time: float, frame: bytes) -> Packet | None:
    """The packet in an Ethernet frame; None where it is neither ARP nor TCP over IPv4."""
    to, source, kind = _ETHERNET.unpack_from(frame)
    body = frame[_ETHERNET.size :]
    if kind == _TYPE_ARP:
        _, _, _, _, _, _, sender, _, target = _ARP.unpack_from(body)
        return Arp(time, _mac(source), _ipv4(sender), _ipv4(target))
    if kind != _TYPE_IPV4 or body[9] != _PROTOCOL_TCP:
        return None
    # The frame may be longer than the packet: Ethernet pads short ones.
    datagram = body[: int.from_bytes(body[2:4], "big")]
    header = (datagram[0] & 0x0F) * 4
    ports = _TCP.unpack_from(datagram, header)
    return Segment(
        time,
        _mac(source),
        _mac(to),
        End(_ipv4(datagram[12:16]), ports[0]),
        End(_ipv4(datagram[16:20]), ports[1]),
        sequence=ports[2],
        acknowledged=ports[3],
        flags=ports[5],
        payload=datagram[header + (ports[4] >> 4) * 4 :],
    )


def _blocks(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    while True:
        head = file.read(_BLOCK.size)
        if not head:
            return
        kind, length = _BLOCK.unpack(head)
        # The length covers the head, and its own repetition at the end.
        body = file.read(length - _BLOCK.size)[:-4]
        if kind == _SECTION and int.from_bytes(body[:4], "little") != _BYTE_ORDER:
            raise LabError("the capture was not made on this kind of machine: its byte order is another")
        yield kind, body


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= _OPTION.size:
        code, length = _OPTION.unpack_from(data)
        if code == 0:
            break
        found[code] = data[_OPTION.size : _OPTION.size + length]
        data = data[_OPTION.size + (length + 3) // 4 * 4 :]
    return found


def _tick(resolution: int) -> float:
    return float(2.0 ** -(resolution & 0x7F) if resolution & 0x80 else 10.0**-resolution)


def _mac(packed: bytes) -> str:
    return packed.hex(":")


def _ipv4(packed: bytes) -> str:
    return str(ipaddress.IPv4Address(packed))
