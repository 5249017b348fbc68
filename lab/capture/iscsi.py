# SPDX-License-Identifier: GPL-2.0-or-later
"""One direction of an iSCSI connection: TCP segments in, PDUs out (RFC 7143, without digests)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

NOP_OUT, SCSI_COMMAND, TASK_REQUEST, LOGIN_REQUEST, TEXT_REQUEST, DATA_OUT, LOGOUT_REQUEST, SNACK = (
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x10,
)  # fmt: skip
(
    NOP_IN, SCSI_RESPONSE, TASK_RESPONSE, LOGIN_RESPONSE, TEXT_RESPONSE, DATA_IN, LOGOUT_RESPONSE, R2T, ASYNC, REJECT,
) = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x31, 0x32, 0x3F  # fmt: skip

_HEADER = 48
_WORLD = 1 << 32


class Pdu(NamedTuple):
    """A protocol data unit: its basic header segment and its data."""

    header: bytes
    data: bytes

    @property
    def opcode(self) -> int:
        """What it is."""
        return self.header[0] & 0x3F

    @property
    def task(self) -> bytes:
        """The initiator task tag, which joins a command and its response."""
        return self.header[16:20]


class Stream:
    """The bytes that one side sent, put into order; what is sent again is taken once."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._early: dict[int, bytes] = {}
        self._bytes = bytearray()

    def synchronise(self, sequence: int) -> None:
        """Begin with the byte of this sequence number; else it is the first that comes."""
        self._next = sequence % _WORLD

    def take(self, sequence: int, payload: bytes) -> None:
        """Take a segment."""
        if not payload:
            return
        if self._next is None:
            self._next = sequence
        self._early[sequence] = max(payload, self._early.get(sequence, b""), key=len)
        while True:
            sequence = min(self._early, key=self._ahead)
            ahead = self._ahead(sequence)
            if ahead > 0:
                return
            payload = self._early.pop(sequence)[-ahead:]
            self._bytes += payload
            self._next = (self._next + len(payload)) % _WORLD
            if not self._early:
                return

    def missing(self, acknowledged: int) -> int:
        """How many bytes the other side has acknowledged that were never seen; FIN counts as one."""
        return 0 if self._next is None else max(0, self._ahead(acknowledged))

    def pdus(self) -> Iterator[Pdu]:
        """The PDUs that are whole."""
        while len(self._bytes) >= _HEADER:
            header = bytes(self._bytes[:_HEADER])
            data = _HEADER + header[4] * 4
            length = int.from_bytes(header[5:8], "big")
            end = data + (length + 3) // 4 * 4
            if len(self._bytes) < end:
                return
            pdu = Pdu(header, bytes(self._bytes[data : data + length]))
            del self._bytes[:end]
            yield pdu

    def _ahead(self, sequence: int) -> int:
        """How far a sequence number is ahead of what is expected; negative for what was there before."""
        expected = self._next or 0
        return (sequence - expected + _WORLD // 2) % _WORLD - _WORLD // 2
