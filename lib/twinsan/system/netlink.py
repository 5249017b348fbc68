# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions and requests to the kernel's networking, without a program such as `ip`, whose start takes longer."""

from __future__ import annotations

# The module `socket` costs as much to import as all else in a monitor; its C half has all that is needed here.
import _socket
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Families of netlink (linux/netlink.h).
ROUTE = 0
SOCK_DIAG = 4

CREATE = 0x400
EXCLUSIVE = 0x200
DUMP = 0x300

_REQUEST = 0x1
_ACKNOWLEDGE = 0x4
_INTERRUPTED = 0x10

_ERROR = 2
_DONE = 3

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")

# A dump is begun anew where the tables changed under it; changes that never pause are somebody else's defect.
_ATTEMPTS = 5


def ask(kind: int, body: bytes, flags: int = 0, family: int = ROUTE) -> list[bytes]:
    """Send one request; the bodies of its answers. Raises OSError with what the kernel answered."""
    for _ in range(_ATTEMPTS):
        conversation = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, family)
        try:
            length = _HEADER.size + len(body)
            conversation.send(_HEADER.pack(length, kind, flags | _REQUEST | _ACKNOWLEDGE, 1, 0) + body)
            answers, interrupted = _answers(conversation)
        finally:
            conversation.close()
        if not interrupted:
            break
    return answers


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute of a request."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of an answer, by their kind."""
    return dict(attributes_in_order(data))


def attributes_in_order(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes of an answer with their kinds, of which one may come several times."""
    at = 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        # The two highest bits are marks, not part of the kind.
        yield kind & 0x3FFF, data[at + _ATTRIBUTE.size : at + length]
        at += max(_ATTRIBUTE.size, length + -length % 4)


def _answers(conversation: _socket.socket) -> tuple[list[bytes], bool]:
    answers: list[bytes] = []
    interrupted = False
    while True:
        data = conversation.recv(1 << 17)
        at = 0
        while at < len(data):
            length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
            body = data[at + _HEADER.size : at + length]
            interrupted = interrupted or bool(flags & _INTERRUPTED)
            if kind == _ERROR:
                (number,) = struct.unpack_from("=i", body)
                if number:
                    raise OSError(-number, os.strerror(-number))
                return answers, interrupted
            if kind == _DONE:
                return answers, interrupted
            answers.append(body)
            at += length + -length % 4
