# SPDX-License-Identifier: GPL-2.0-or-later
"""The portals of a portal group: the addresses and ports that it listens on, written as LIO writes them."""

from __future__ import annotations

from twinsan.errors import Passing
from twinsan.system import configfs

_WILDCARDS = ("0.0.0.0", "[::]")


def present(group: str) -> list[str]:
    """The portals that a group has."""
    return configfs.names(f"{group}/np")


def listening(portal: str) -> bool:
    """Whether the kernel listens on a portal."""
    from twinsan.system import tcp_table

    address, port = _split(portal)
    return any((row.local, row.local_port) == (address.strip("[]"), port) for row in tcp_table.listeners())


def reachable(portal: str) -> bool:
    """Whether the portal's address is on this host now."""
    from twinsan.system import network

    address, _ = _split(portal)
    here = {network.pack(held.address) for held in network.addresses()}
    return address in _WILDCARDS or network.pack(address.strip("[]")) in here


def ensure(group: str, portal: str) -> None:
    """Listen on a portal. Raises Passing, which says who has it: a program ends, another target is being stopped."""
    try:
        configfs.make(f"{group}/np/{portal}")
    except OSError as error:
        raise Passing(_why_not(portal, error)) from None


def _why_not(portal: str, error: OSError) -> str:
    """Who has the portal: LIO says EINVAL for all that can be wrong with one."""
    address, port = _split(portal)
    for iqn in targets():
        for tag in configfs.names(configfs.place("iscsi", iqn)):
            for other in configfs.names(f"{configfs.place('iscsi', iqn, tag)}/np"):
                other_address, other_port = _split(other)
                if other_port == port and {address, other_address}.intersection(_WILDCARDS):
                    return (
                        f"portal {portal} is in use by target {iqn}; see: targetcli /iscsi/{iqn}/{tag}/portals ls; it "
                        f"listens on {other}: remove that portal"
                    )
    return occupant(portal) or (
        f"the kernel refuses portal {portal}: {configfs.reason(error)}; see 'ss -tln' and 'dmesg'"
    )


def occupant(portal: str) -> str:
    """Which process has a portal, and what to type; "" where none has."""
    from twinsan.system import listener

    address, port = _split(portal)
    process = listener.on(address.strip("[]"), port)
    return f"portal {portal} is in use by {process}; end it, or give the target another port" if process else ""


def remove(group: str, portal: str) -> None:
    """Listen on a portal no longer."""
    place = f"{group}/np/{portal}"
    # A portal of another transport hangs on the TCP portal, and stays behind where it is not taken away first.
    for transport in ("iser", "cxgbit"):
        if configfs.read(f"{place}/{transport}") == "1":
            configfs.write(f"{place}/{transport}", "0")
    configfs.remove(place)


def targets() -> list[str]:
    """The iSCSI names below the fabric, which has folders of its own beside them."""
    return [name for name in configfs.names(configfs.place("iscsi")) if name.startswith(("iqn.", "eui.", "naa."))]


def _split(portal: str) -> tuple[str, int]:
    address, _, port = portal.rpartition(":")
    return address, int(port)
