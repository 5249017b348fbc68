# SPDX-License-Identifier: GPL-2.0-or-later
"""Captures made by hand: an initiator, two servers and what they say, as a file in pcapng."""

from __future__ import annotations

import struct
from pathlib import Path

from lab.capture import iscsi
from lab.capture.packets import ACK, FIN, RST, SYN

PORTAL, INITIATOR = "10.0.5.50", "10.0.5.4"
ATLAS, ZEUS, ESX = "52:54:00:00:00:02", "52:54:00:00:00:03", "52:54:00:00:00:04"
NOBODY = "0.0.0.0"
READ, WRITE, COMPARE_AND_WRITE, READ_CAPACITY = 0x88, 0x8A, 0x89, 0x25
_EVERYBODY = "ff:ff:ff:ff:ff:ff"


class Wire:
    """What is seen at the initiator's end; each packet comes a millisecond after the one before."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def arp(self, mac: str, sender: str, target: str) -> None:
        body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, _mac(mac), _ip(sender), bytes(6), _ip(target))
        # Ethernet pads short frames.
        self.frames.append(_ethernet(mac, _EVERYBODY, 0x0806, body).ljust(60, b"\0"))

    def take(self, server: str) -> None:
        """`server` asks for the address, then announces it."""
        self.arp(server, NOBODY, PORTAL)
        self.arp(server, PORTAL, PORTAL)

    def write(self, path: Path, dropped: int | None = 0, cut: int = 0) -> Path:
        """The capture as a file; `dropped` None: without an end. `cut` bytes of the last packet are missing."""
        blocks = [
            _block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
            # Ethernet; resolution of the time: nanoseconds.
            _block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)),
        ]
        for number, frame in enumerate(self.frames):
            time = 1_700_000_000_000_000_000 + number * 1_000_000
            kept = frame[: len(frame) - cut] if number == len(self.frames) - 1 else frame
            head = struct.pack("<IIIII", 0, time >> 32, time & 0xFFFFFFFF, len(kept), len(frame))
            blocks.append(_block(6, head + kept))
        if dropped is not None:
            blocks.append(_block(5, struct.pack("<III", 0, 0, 0) + struct.pack("<HHQHH", 5, 8, dropped, 0, 0)))
        path.write_bytes(b"".join(blocks))
        return path


class Link:
    """A connection of the initiator from `port`, answered by `server`."""

    def __init__(self, wire: Wire, server: str = ATLAS, port: int = 40000, sequence: int = 0xFFFFFF80) -> None:
        self._wire = wire
        self._server = server
        self._port = port
        # Both wrap around soon.
        self._sequences = {True: sequence, False: sequence}

    def open(self) -> Link:
        """The three segments that open it."""
        self.connect()
        self.from_target(SYN | ACK)
        self.from_initiator(ACK)
        return self

    def connect(self) -> None:
        self.from_initiator(SYN)

    def from_initiator(self, flags: int = ACK, payload: bytes = b"") -> None:
        self._wire.frames.append(self.segment(flags, payload, by_target=False))

    def from_target(self, flags: int = ACK, payload: bytes = b"", server: str = "") -> None:
        self._wire.frames.append(self.segment(flags, payload, by_target=True, server=server))

    def segment(self, flags: int, payload: bytes, *, by_target: bool, server: str = "") -> bytes:
        """The next segment of one side, as a frame."""
        sequence = self._sequences[by_target]
        self._sequences[by_target] = (sequence + len(payload) + bool(flags & (SYN | FIN))) & 0xFFFFFFFF
        ports = (3260, self._port) if by_target else (self._port, 3260)
        acknowledged = 0 if flags & RST else self._sequences[not by_target]
        tcp = struct.pack("!HHIIBBHHH", *ports, sequence, acknowledged, 5 << 4, flags, 1024, 0, 0) + payload
        ends = (_ip(PORTAL), _ip(INITIATOR)) if by_target else (_ip(INITIATOR), _ip(PORTAL))
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, *ends)
        macs = (server or self._server, ESX) if by_target else (ESX, self._server)
        return _ethernet(*macs, 0x0800, head + tcp)

    def login(self, status: int = 0) -> Link:
        self.from_initiator(payload=pdu(iscsi.LOGIN_REQUEST, data=b"InitiatorName=iqn\0"))
        self.from_target(payload=pdu(iscsi.LOGIN_RESPONSE, fields={36: struct.pack("!H", status)}))
        return self

    def command(self, operation: int, task: int = 1, data: bytes = b"", further: bytes = b"") -> None:
        fields = {16: struct.pack("!I", task), 32: bytes([operation]) + further}
        self.from_initiator(payload=pdu(iscsi.SCSI_COMMAND, fields=fields, data=data))

    def response(self, status: int = 0, sense: bytes = b"", task: int = 1, response: int = 0) -> None:
        data = struct.pack("!H", len(sense)) + sense if sense else b""
        self.from_target(payload=response_pdu(status, task, data, response))

    def answer(self, data: bytes, task: int = 1) -> None:
        """Data-In with status GOOD."""
        self.from_target(payload=pdu(iscsi.DATA_IN, fields={1: b"\x81", 16: struct.pack("!I", task)}, data=data))

    def logout(self) -> None:
        self.from_initiator(payload=pdu(iscsi.LOGOUT_REQUEST))
        self.from_target(payload=pdu(iscsi.LOGOUT_RESPONSE))


def response_pdu(status: int, task: int, data: bytes = b"", response: int = 0) -> bytes:
    """A SCSI response."""
    fields = {2: bytes([response, status]), 16: struct.pack("!I", task)}
    return pdu(iscsi.SCSI_RESPONSE, fields=fields, data=data)


def pdu(opcode: int, fields: dict[int, bytes] | None = None, data: bytes = b"") -> bytes:
    """A PDU; `fields` by their place in the header."""
    header = bytearray(48)
    header[0] = opcode
    header[5:8] = len(data).to_bytes(3, "big")
    for place, content in (fields or {}).items():
        header[place : place + len(content)] = content
    return bytes(header) + data + bytes(-len(data) % 4)


def fixed(key: int, asc: int, ascq: int) -> bytes:
    """Sense data in fixed format."""
    return bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0])


def _ethernet(source: str, target: str, kind: int, body: bytes) -> bytes:
    return _mac(target) + _mac(source) + kind.to_bytes(2, "big") + body


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def _mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def _ip(text: str) -> bytes:
    return bytes(map(int, text.split(".")))
