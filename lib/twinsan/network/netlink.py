# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests to the kernel's networking by netlink. A program such as `ip` takes longer to start."""

from __future__ import annotations

# The module `socket` costs as much to import as all else in a monitor; its C half has all that is needed here.
import _socket
import errno
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Families of netlink (linux/netlink.h).
ROUTE = 0
SOCK_DIAG = 4

# Flags of a request (linux/netlink.h).
CREATE = 0x400
EXCLUSIVE = 0x200
DUMP = 0x300

_REQUEST = 0x1
_ACKNOWLEDGE = 0x4

# The flag of an answer whose dump is not consistent, NLM_F_DUMP_INTR: the tables changed while it was made.
_INTERRUPTED = 0x10

# Kinds of answers, NLMSG_ERROR and NLMSG_DONE. Both begin with 0 or a negative errno, 4 bytes.
_ERROR = 2
_DONE = 3

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_ERRNO = struct.Struct("=i")

# How often a dump is tried while it is interrupted. Changes that never pause are a defect elsewhere.
_ATTEMPTS = 5

# The kernel makes its answers no longer than 32 KiB (net/netlink/af_netlink.c: netlink_dump).
_MOST_RECEIVED = 1 << 17


def ask(kind: int, body: bytes, flags: int = 0, family: int = ROUTE) -> list[bytes]:
    """Send one request and return the bodies of its answers.

    `kind` is the message's type and `body` what follows its header. `flags` are CREATE, EXCLUSIVE and DUMP. Raises
    OSError: with the kernel's errno if it refuses; with EINTR if each of 5 dumps was interrupted by a change of what is
    listed, since such a list may lack entries; with EBADMSG for an answer that cannot be parsed.
    """
    length = _HEADER.size + len(body)
    request = _HEADER.pack(length, kind, flags | _REQUEST | _ACKNOWLEDGE, 1, 0) + body
    for _ in range(_ATTEMPTS):
        conversation = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, family)
        try:
            conversation.send(request)
            answers, interrupted = _answers(conversation)
        finally:
            conversation.close()
        if not interrupted:
            return answers
    raise OSError(errno.EINTR, "the kernel's tables change faster than they can be listed")


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute of a request, padded to 4 bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of an answer, by their kinds; of several of one kind the last."""
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
    """The bodies of all answers, and whether they are of a dump that was interrupted."""
    answers: list[bytes] = []
    interrupted = False
    while True:
        for kind, flags, body in _messages(conversation.recv(_MOST_RECEIVED)):
            interrupted = interrupted or bool(flags & _INTERRUPTED)
            if kind in (_ERROR, _DONE):
                _check(body)
                return answers, interrupted
            answers.append(body)


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The kinds, flags and bodies of the messages in what was received."""
    if not data:
        raise _unparsable()
    at = 0
    while at < len(data):
        if at + _HEADER.size > len(data):
            raise _unparsable()
        length, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        # A length below that of the header would make this loop endless; one beyond the data shows that it was cut off.
        if not _HEADER.size <= length <= len(data) - at:
            raise _unparsable()
        yield kind, flags, data[at + _HEADER.size : at + length]
        at += length + -length % 4


def _check(body: bytes) -> None:
    """Raise OSError if the last answer has an errno."""
    if len(body) < _ERRNO.size:
        raise _unparsable()
    (number,) = _ERRNO.unpack_from(body)
    if number < 0:
        raise OSError(-number, os.strerror(-number))


def _unparsable() -> OSError:
    return OSError(errno.EBADMSG, "the kernel's answer by netlink cannot be parsed")
