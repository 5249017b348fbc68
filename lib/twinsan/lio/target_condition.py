# SPDX-License-Identifier: GPL-2.0-or-later
"""Compare a target in the kernel with its configuration. Nothing is changed here."""

from __future__ import annotations

import os

from twinsan.errors import Broken, Drifted, Reason
from twinsan.lio import acl as lio_acl
from twinsan.lio import chap, configfs, name_list, portal_group, tree
from twinsan.lio import portal as lio_portal
from twinsan.lio import target as lio_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.lio.target import Target

NO_PORTAL_GROUP = Reason(Broken, "it has no portal group")
NO_PORTAL = Reason(Broken, "it does not listen on {portals}")
NOT_ADMITTED = Reason(Broken, "it does not admit {initiators}")
DISABLED = Reason(Broken, "it is disabled although it has LUNs: somebody wrote 0 to its 'enable'")
PORTAL_MISSING = Reason(Drifted, "it does not listen on {portals}")

# A start repairs these without an effect on sessions.
OTHER_CREDENTIAL = Reason(Drifted, "the {credential} of {initiator} is another")
STRANGER = Reason(Drifted, "{initiator} is admitted as well")
OTHER_GROUP = Reason(Drifted, "it has portal group {group} as well")
OTHER_PORTAL = Reason(Drifted, "it listens on {portal} as well")
DEAD_PORTAL = Reason(Drifted, "nothing listens on {portal}")


def inspect(target: Target) -> tuple[bool, str]:
    """Return (exists, fault): whether anything of the target exists, and why it does not work ("" if it does). Reads
    only what cannot hang (see configfs).
    """
    if not configfs.exists(configfs.place("iscsi", target.iqn)):
        return False, ""
    return True, _fault(target)


def _fault(target: Target) -> str:
    group = portal_group.place(target.iqn)
    if not configfs.exists(group):
        return NO_PORTAL_GROUP.text()
    if not set(target.portals).intersection(lio_portal.of_group(group)):
        return NO_PORTAL.text(portals=" ".join(target.portals))
    admitted = lio_acl.initiators(group)
    absent = [initiator for initiator in target.initiators if initiator not in admitted]
    if absent:
        return NOT_ADMITTED.text(initiators=name_list.shorten(absent))
    # Without LUNs it is not enabled.
    if configfs.read(f"{group}/enable") != "1" and portal_group.has_luns(target.iqn):
        return DISABLED.text()
    return ""


def missing_portals(target: Target) -> str:
    """The reason if a target that works does not listen on each of its portals; "" if it does."""
    present = lio_portal.of_group(portal_group.place(target.iqn))
    missing = [portal for portal in target.portals if portal not in present]
    return PORTAL_MISSING.text(portals=name_list.shorten(missing)) if missing else ""


def drift(target: Target) -> list[str]:
    """Describe what differs from the configuration although the target works, one text for each attribute.

    Call it in a child: the removal of a LUN can lock what it reads (see configfs).
    """
    group = portal_group.place(target.iqn)
    return [
        *configfs.differences(f"{group}/attrib", lio_target.planned_attributes(target)),
        *configfs.differences(f"{group}/param", target.parameters),
        *_other_credentials(target, group),
        *_undeclared(target, group),
        *(DEAD_PORTAL.text(portal=each) for each in target.portals if not lio_portal.is_listening(each)),
    ]


def _other_credentials(target: Target, group: str) -> Iterator[str]:
    places = {initiator: lio_acl.place(group, initiator) for initiator in target.initiators}
    # The credentials of the group itself count in demo mode.
    for initiator, place in [*places.items(), ("", group)]:
        for credential in lio_acl.differing_credentials(place, target.credentials.get(initiator, chap.NONE)):
            yield OTHER_CREDENTIAL.text(credential=credential, initiator=initiator or "everybody")


def _undeclared(target: Target, group: str) -> Iterator[str]:
    for initiator in sorted(set(lio_acl.initiators(group)) - set(target.initiators)):
        yield STRANGER.text(initiator=initiator)
    for other in tree.portal_groups(target.iqn):
        if other != group:
            yield OTHER_GROUP.text(group=os.path.basename(other))
    for portal in sorted(set(lio_portal.of_group(group)) - set(target.portals)):
        yield OTHER_PORTAL.text(portal=portal)
