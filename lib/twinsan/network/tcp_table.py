# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel's table of TCP sockets (/proc/net/tcp and tcp6), with the kernel's own ones, which no process owns."""

from __future__ import annotations

# The module `socket` costs as much to import as all else in a monitor; its C half has all that is needed here.
import _socket
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

# States of a socket (net/tcp_states.h), as the table has them.
_ESTABLISHED = "01"
_LISTEN = "0A"
_ALL = frozenset(f"{number:02X}" for number in range(1, 13))


class Row:
    """One socket. Addresses are as inet_ntop writes them, ports are numbers, `inode` is the number of the socket."""

    __slots__ = ("inode", "local", "local_port", "remote", "remote_port")

    def __init__(self, local: str, local_port: int, remote: str, remote_port: int, inode: str) -> None:
        self.local = local
        self.local_port = local_port
        self.remote = remote
        self.remote_port = remote_port
        self.inode = inode


def listeners() -> list[Row]:
    """All listening sockets, of IPv4 and IPv6."""
    return _rows({_LISTEN}, "tcp") + _rows({_LISTEN}, "tcp6")


def connections(address: str, port: int) -> list[Row]:
    """The established connections to `address`:`port` of this host."""
    rows = _rows({_ESTABLISHED}, _table(address))
    return [row for row in rows if row.local == address and row.local_port == port]


def has_senders(address: str) -> bool:
    """Whether any socket of this host may still send from an address: one in any state but listening."""
    return any(row.local == address for row in _rows(_ALL - {_LISTEN}, _table(address)))


def _table(address: str) -> str:
    return "tcp6" if ":" in address else "tcp"


def _rows(states: AbstractSet[str], table: str) -> list[Row]:
    try:
        with open(f"/proc/net/{table}", encoding="ascii") as file:
            lines = file.read().splitlines()[1:]
    except FileNotFoundError:
        # A kernel without IPv6.
        return []
    words = [line.split() for line in lines]
    return [parse(entry) for entry in words if entry[3] in states]


def parse(words: list[str]) -> Row:
    """The socket of one line of the table, split into words."""
    local, local_port = _endpoint(words[1])
    remote, remote_port = _endpoint(words[2])
    return Row(local, local_port, remote, remote_port, words[9])


def _endpoint(text: str) -> tuple[str, int]:
    """Parse an endpoint such as ``3205000A:0CBC``: the address as hexadecimal 32-bit numbers in the host's byte order,
    and the hexadecimal port.
    """
    digits, _, port = text.partition(":")
    groups = [bytes.fromhex(digits[at : at + 8]) for at in range(0, len(digits), 8)]
    packed = b"".join(group[::-1] if sys.byteorder == "little" else group for group in groups)
    family = _socket.AF_INET if len(packed) == 4 else _socket.AF_INET6
    return _socket.inet_ntop(family, packed), int(port, 16)
