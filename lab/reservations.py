# SPDX-License-Identifier: GPL-2.0-or-later
"""PERSISTENT RESERVE IN and OUT (SPC-3, 6.11 and 6.12): commands for lab/scsi.py, and what a disk tells of itself."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from lab.initiators import Answer, Command

# Service actions.
READ_KEYS, READ_RESERVATION, _, READ_FULL_STATUS = range(4)
REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE = range(7)

_OUT, _IN = 0x5F, 0x5E
_ROOM = 1024


def change(action: int, key: int = 0, new: int = 0, kind: int = 0, aptpl: bool = False) -> Command:
    """PERSISTENT RESERVE OUT: `key` is the initiator's own, `new` the one that the service action is about."""
    data = struct.pack(">QQ4xB3x", key, new, aptpl)
    return {"cdb": struct.pack(">BBB2xIx", _OUT, action, kind, len(data)).hex(), "out": data.hex()}


def question(action: int) -> Command:
    """PERSISTENT RESERVE IN."""
    return {"cdb": struct.pack(">BB5xHx", _IN, action, _ROOM).hex(), "in": _ROOM}


@dataclass(frozen=True, order=True)
class Registration:
    """An initiator that is registered; `kind` is the type of the reservation that it holds, 0 for none."""

    initiator: str
    key: int
    kind: int


def keys(answer: Answer) -> list[int]:
    """What READ KEYS tells, in order of size: the kernel's own order means nothing."""
    data = _data(answer)
    return sorted(key for (key,) in struct.iter_unpack(">Q", data))


def reservation(answer: Answer) -> tuple[int, int] | None:
    """What READ RESERVATION tells: the holder's key, and scope and type as one byte."""
    data = _data(answer)
    return struct.unpack(">Q5xB2x", data) if data else None


def registrations(answer: Answer) -> list[Registration]:
    """What READ FULL STATUS tells."""
    data, found = _data(answer), []
    while data:
        key, flags, kind, length = struct.unpack_from(">Q4xBB6xI", data)
        # TransportID of iSCSI (7.5.4.6): four bytes, then the name, and the session identifier after a comma.
        name = data[28 : 24 + length].rstrip(b"\0").decode().partition(",")[0]
        found.append(Registration(name, key, kind if flags & 1 else 0))
        data = data[24 + length :]
    return sorted(found)


def _data(answer: Answer) -> bytes:
    """The parameter data after its header, whose second word is how long they are."""
    data = bytes.fromhex(answer["data"])
    (length,) = struct.unpack_from(">4xI", data)
    assert len(data) >= 8 + length, "the disk told more than there was room for"
    return data[8 : 8 + length]
