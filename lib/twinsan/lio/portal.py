# SPDX-License-Identifier: GPL-2.0-or-later
"""The portals of a portal group: the addresses and ports that it listens on, written as LIO writes them."""

from __future__ import annotations

from twinsan.errors import Failure, Passing, Reason
from twinsan.lio import configfs, tree

_WILDCARDS = ("0.0.0.0", "[::]")

HELD_BY_TARGET = Reason(
    Passing,
    "portal {portal} is in use by target {iqn}",
    "see: targetcli /iscsi/{iqn}/{group}/portals ls; it listens on {other}: remove that portal",
)
HELD_BY_PROCESS = Reason(Passing, "portal {portal} is in use by {process}", "end it, or give the target another port")
REFUSED = Reason(Passing, "the kernel refuses portal {portal}: {error}", "see 'ss -tln' and 'dmesg'")


def of_group(group: str) -> list[str]:
    """The portals of the portal group at the configfs path `group`, as ADDRESS:PORT."""
    return configfs.names(f"{group}/np")


def is_listening(portal: str) -> bool:
    """Whether the kernel listens on a portal."""
    from twinsan.network import tcp_table

    address, port = _split(portal)
    return any((row.local, row.local_port) == (address.strip("[]"), port) for row in tcp_table.listeners())


def is_reachable(portal: str) -> bool:
    """Whether the portal's address is on this host now."""
    from twinsan.network import addresses

    address, _ = _split(portal)
    here = {addresses.pack(assigned.address) for assigned in addresses.present()}
    return address in _WILDCARDS or addresses.pack(address.strip("[]")) in here


def address_of(portal: str) -> str:
    """The portal's IP address; "" for a wildcard."""
    address, _ = _split(portal)
    return "" if address in _WILDCARDS else address.strip("[]")


def ensure(group: str, portal: str) -> None:
    """Make the target listen on a portal. Raises Passing, with the target or process that has it if there is one: a
    program may end, another target may be stopping.
    """
    try:
        configfs.make(f"{group}/np/{portal}")
    except OSError as error:
        raise _refusal(portal, error) from None


def _refusal(portal: str, error: OSError) -> Failure:
    """The failure, naming the target or process that has the portal: LIO answers EINVAL whatever is wrong."""
    address, port = _split(portal)
    for group in tree.portal_groups():
        for other in of_group(group):
            other_address, other_port = _split(other)
            if other_port == port and {address, other_address}.intersection(_WILDCARDS):
                iqn, name = group.split("/")[-2:]
                return HELD_BY_TARGET(portal=portal, iqn=iqn, group=name, other=other)
    from twinsan.network import listener

    process = listener.process_on(address.strip("[]"), port)
    if process:
        return HELD_BY_PROCESS(portal=portal, process=process)
    return REFUSED(portal=portal, error=configfs.describe(error))


def remove(group: str, portal: str) -> None:
    """Make the target stop listening on a portal."""
    path = f"{group}/np/{portal}"
    # A portal of another transport hangs on the TCP portal. It stays behind if it is not removed first.
    for transport in ("iser", "cxgbit"):
        if configfs.read(f"{path}/{transport}") == "1":
            configfs.write(f"{path}/{transport}", "0")
    configfs.remove(path)


def _split(portal: str) -> tuple[str, int]:
    address, _, port = portal.rpartition(":")
    return address, int(port)
