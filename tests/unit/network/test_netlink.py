# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel may answer by netlink, from a fake of its socket."""

from __future__ import annotations

import _socket
import errno
import signal
import struct
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from twinsan.network import netlink

GET_LINK, NEW_LINK = 18, 16
ERROR, DONE = 2, 3
MULTIPART, INTERRUPTED = 0x2, 0x10


def message(kind: int, body: bytes = b"", flags: int = MULTIPART, length: int | None = None) -> bytes:
    """A message; `length` is what its header says, where that is wrong."""
    size = 16 + len(body) if length is None else length
    return struct.pack("=IHHII", size, kind, flags, 1, 0) + body + bytes(-len(body) % 4)


def ended(number: int = 0, flags: int = MULTIPART) -> bytes:
    """The end of a dump, with 0 or a negative errno."""
    return message(DONE, struct.pack("=i", number), flags)


class Kernel:
    """Answers to each request in turn, the last of them again and again; each is what one recv gives after another."""

    def __init__(self) -> None:
        self.dumps: list[list[bytes]] = []
        self.asked = 0
        self.closed = 0

    def socket(self, *_kind: int) -> SimpleNamespace:
        return SimpleNamespace(send=self._send, recv=self._recv, close=self._close)

    def _send(self, request: bytes) -> None:
        assert struct.unpack_from("=IH", request) == (len(request), GET_LINK)
        self._left = list(self.dumps[min(self.asked, len(self.dumps) - 1)])
        self.asked += 1

    def _recv(self, _size: int) -> bytes:
        return self._left.pop(0)

    def _close(self) -> None:
        self.closed += 1


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    """The fake; what reads it for ever is ended."""

    def ends(*_: object) -> None:
        raise AssertionError("it goes on for ever")

    fake = Kernel()
    constants = {name: getattr(_socket, name) for name in ("AF_NETLINK", "SOCK_RAW", "SOCK_CLOEXEC")}
    monkeypatch.setattr(netlink, "_socket", SimpleNamespace(socket=fake.socket, **constants))
    before = signal.signal(signal.SIGALRM, ends)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    yield fake
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)
    assert fake.closed == fake.asked


def dump() -> list[bytes]:
    return netlink.ask(GET_LINK, b"", netlink.DUMP)


def test_a_dump_comes_in_several_pieces(kernel: Kernel) -> None:
    kernel.dumps = [[message(NEW_LINK, b"abc") + message(NEW_LINK, b"defg"), message(NEW_LINK), ended()]]
    assert dump() == [b"abc", b"defg", b""]


def test_an_acknowledgement_ends_a_request(kernel: Kernel) -> None:
    kernel.dumps = [[message(ERROR, bytes(20), 0)]]
    assert netlink.ask(GET_LINK, b"") == []


@pytest.mark.parametrize(
    "interrupted",
    [
        [message(NEW_LINK, b"half", MULTIPART | INTERRUPTED) + ended()],
        [message(NEW_LINK, b"half"), ended(0, MULTIPART | INTERRUPTED)],
    ],
)
def test_an_interrupted_dump_is_asked_for_again(kernel: Kernel, interrupted: list[bytes]) -> None:
    kernel.dumps = [interrupted, interrupted, [message(NEW_LINK, b"whole"), ended()]]
    assert dump() == [b"whole"]
    assert kernel.asked == 3


def test_a_dump_that_is_always_interrupted_is_not_believed(kernel: Kernel) -> None:
    """An address that is missing in it would look as if it had been removed."""
    kernel.dumps = [[message(NEW_LINK, b"half", MULTIPART | INTERRUPTED), ended()]]
    with pytest.raises(OSError, match="change faster than they can be listed") as raised:
        dump()
    assert raised.value.errno == errno.EINTR
    assert kernel.asked == 5


def test_the_error_at_the_end_of_a_dump_counts(kernel: Kernel) -> None:
    kernel.dumps = [[message(NEW_LINK, b"half"), ended(-errno.ENOBUFS)]]
    with pytest.raises(OSError, match="No buffer space") as raised:
        dump()
    assert raised.value.errno == errno.ENOBUFS


@pytest.mark.parametrize(
    "data",
    [
        message(NEW_LINK, length=0),
        message(NEW_LINK, length=15),
        message(NEW_LINK, b"whole") + message(NEW_LINK, b"cut off", length=4096),
        message(NEW_LINK)[:10],
        message(DONE, b"\0\0"),
        message(ERROR),
        b"",
    ],
)
def test_an_answer_that_cannot_be_parsed(kernel: Kernel, data: bytes) -> None:
    kernel.dumps = [[data]]
    with pytest.raises(OSError, match="cannot be parsed") as raised:
        dump()
    assert raised.value.errno == errno.EBADMSG
