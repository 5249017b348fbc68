# SPDX-License-Identifier: GPL-2.0-or-later
"""The target portal group of a target: its configfs path, whether it accepts logins, what it exports.

The agents give each target one group. Its tag is always 1, because initiators remember it.
"""

from __future__ import annotations

from twinsan.errors import Passing, Reason
from twinsan.lio import acl as lio_acl
from twinsan.lio import configfs
from twinsan.lio import portal as lio_portal

# No session without an ACL, no ACL generated for unknown initiators, and discovery for admitted initiators only.
_CLOSED = {
    "generate_node_acls": "0",
    "cache_dynamic_acls": "0",
    "demo_mode_write_protect": "1",
    "demo_mode_discovery": "0",
    "prod_mode_write_protect": "0",
}

# The kernel calls it demo mode: every initiator gets an ACL, sees every LUN and may write.
_DEMO_MODE = {
    **_CLOSED,
    "generate_node_acls": "1",
    "cache_dynamic_acls": "1",
    "demo_mode_write_protect": "0",
    "demo_mode_discovery": "1",
}

NOT_ENABLED = Reason(
    Passing,
    "target {iqn} cannot be enabled: {error}",
    "see 'dmesg', and whether another target has the same {place}/rtpi",
)


def place(iqn: str) -> str:
    """The configfs path of the target's portal group."""
    return configfs.place("iscsi", iqn, "tpgt_1")


def attributes(*, demo_mode: bool, authentication: bool, queue_depth: int) -> dict[str, str]:
    """The attributes of a portal group. `authentication` is whether initiators need CHAP. `queue_depth` is how many
    commands an initiator may have outstanding in a session.
    """
    # An ACL takes its queue depth from the group when it is created.
    return {
        **(_DEMO_MODE if demo_mode else _CLOSED),
        "authentication": "1" if authentication else "0",
        "default_cmdsn_depth": str(queue_depth),
    }


def has_luns(iqn: str) -> bool:
    """Whether the target has LUNs."""
    return bool(configfs.names(f"{place(iqn)}/lun"))


def enable(iqn: str) -> None:
    """Make the target accept logins. Raises Passing if the kernel refuses: a target that is being stopped may still
    have its relative port identifier.
    """
    group = place(iqn)
    if configfs.read(f"{group}/enable") == "1":
        return
    try:
        # Those that had a session when the configuration changed have their old queue depth (see acl.ensure).
        lio_acl.set_queue_depths(group)
        configfs.write(f"{group}/enable", "1")
    except OSError as error:
        raise NOT_ENABLED(iqn=iqn, error=configfs.describe(error), place=group) from None


def disable(iqn: str) -> None:
    """End all sessions and accept no logins. No effect if there is no portal group."""
    attribute = f"{place(iqn)}/enable"
    if configfs.exists(attribute):
        configfs.set_if_different(attribute, "0")


def in_demo_mode(iqn: str) -> bool:
    """Whether the target admits every initiator. Reads attributes that the removal of a LUN can lock (see configfs)."""
    return configfs.read(f"{place(iqn)}/attrib/generate_node_acls") == "1"


def listening_portal(iqn: str) -> str:
    """A portal of the target whose address is on this host, so that initiators can reach it; "" if there is none."""
    return next(filter(lio_portal.is_reachable, lio_portal.of_group(place(iqn))), "")


def portal_addresses(iqn: str) -> list[str]:
    """The IP addresses that the target listens on; wildcards are not among them."""
    found = map(lio_portal.address_of, lio_portal.of_group(place(iqn)))
    return [address for address in found if address]


def exported_devices(iqn: str) -> list[str]:
    """The block devices that are LUNs of the target. Call it in a child: the removal of a LUN can lock what it reads
    (see configfs).
    """
    folder = f"{place(iqn)}/lun"
    luns = [f"{folder}/{lun}" for lun in configfs.names(folder)]
    found = {configfs.read(f"{lun}/{link}/udev_path") or "" for lun in luns for link in configfs.links(lun)}
    return sorted(found - {""})


def remove(group: str) -> None:
    """Remove the portal group at the configfs path `group`, with all that is in it. Its sessions end first."""
    configfs.set_if_different(f"{group}/enable", "0")
    for initiator in lio_acl.initiators(group):
        lio_acl.remove(group, initiator)
    for lun in configfs.names(f"{group}/lun"):
        for link in configfs.links(f"{group}/lun/{lun}"):
            configfs.unlink(f"{group}/lun/{lun}/{link}")
        configfs.remove(f"{group}/lun/{lun}")
    for portal in lio_portal.of_group(group):
        lio_portal.remove(group, portal)
    configfs.remove(group)
