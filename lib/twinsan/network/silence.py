# SPDX-License-Identifier: GPL-2.0-or-later
"""Routing rules that drop what this host would send from an IPv6 address that has been removed.

From an IPv4 address that is gone the kernel sends nothing. From an IPv6 address that is gone open connections still
send, so an initiator would see them end. A rule of type blackhole drops these packets.
"""

from __future__ import annotations

# Its C half has all that is needed here, and costs a monitor nothing (see netlink).
import _socket
import errno
import struct

from twinsan.errors import DeadlinePassed, Reason
from twinsan.network import addresses, netlink, tcp_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# Kinds of requests, and struct fib_rule_hdr, the head of their messages (linux/rtnetlink.h, linux/fib_rules.h).
_NEW_RULE, _DELETE_RULE = 32, 33
_RULE = struct.Struct("=BBBBBBBBI")

# The action of the rule, FR_ACT_BLACKHOLE, and its attributes, FRA_SRC and FRA_PRIORITY (linux/fib_rules.h).
_BLACKHOLE = 6
_SOURCE, _PRIORITY = 2, 6

# Where our rule stands among the routing rules: before the main table, and easy to recognise in `ip -6 rule`.
_RULE_PRIORITY = 3260

STILL_USED = Reason(DeadlinePassed, "nothing has {address} any more")


def begin(address: str) -> bool:
    """Let no packet leave this host from an address that is about to be removed. Returns whether that works.

    It always works for IPv4. For IPv6 it does not on a kernel without CONFIG_IPV6_MULTIPLE_TABLES. The rule stays until
    the address comes back (see `end`), or no socket has it any more (see `end_when_unused`).
    """
    if addresses.family(address) != _socket.AF_INET6:
        return True
    try:
        netlink.ask(_NEW_RULE, _rule(address), netlink.CREATE | netlink.EXCLUSIVE)
    except OSError as error:
        return error.errno == errno.EEXIST
    return True


def end(address: str) -> None:
    """Let packets leave from an IPv6 address again: delete each rule that `begin` added. IPv4 has none."""
    if addresses.family(address) != _socket.AF_INET6:
        return
    try:
        while True:
            netlink.ask(_DELETE_RULE, _rule(address))
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT):
            raise


def end_when_unused(address: str, patience: Deadline) -> None:
    """Wait until no socket can send from an address that has been removed, and delete its rule.

    The rule must not stay for ever: the resource may have been deleted, and a host that this one talks to may have the
    address now. If the address has come back, nothing is done: its start has deleted the rule. Raises DeadlinePassed
    after `patience`; the rule then stays.
    """
    patience.wait_until(
        lambda: bool(addresses.find(address)) or not tcp_table.has_senders(address),
        STILL_USED.text(address=address),
        0.5,
    )
    if not addresses.find(address):
        end(address)


def _rule(address: str) -> bytes:
    body = _RULE.pack(addresses.family(address), 0, 128, 0, 0, 0, 0, _BLACKHOLE, 0)
    priority = struct.pack("=I", _RULE_PRIORITY)
    return body + netlink.attribute(_SOURCE, addresses.pack(address)) + netlink.attribute(_PRIORITY, priority)
