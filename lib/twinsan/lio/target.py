# SPDX-License-Identifier: GPL-2.0-or-later
"""An iSCSI target: one IQN with one portal group, its portals and its ACLs.

A target stands on both nodes, complete but for its LUNs. It accepts logins only while it has LUNs: the start of a LUN
enables the portal group, the stop of the last one disables it (see `lun`).

- `make` and `ensure` make a target as configured from whatever is there. If they fail, they remove a target that they
  have created.
- `remove` removes whatever is there.
- `target_condition` compares a target with its configuration.
"""

from __future__ import annotations

from twinsan.errors import DeadlinePassed, Failure, Passing, Reason
from twinsan.lio import acl as lio_acl
from twinsan.lio import chap, configfs, iscsi_parameters, portal_group, tree
from twinsan.lio import portal as lio_portal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline

STILL_THERE = Reason(Failure, "target {iqn} is still there after its removal", "see 'dmesg' and {place}")


class Target:
    """The configuration of a target. Portals are in LIO's notation: ``10.0.5.50:3260``, ``[2001:db8::50]:3260``.

    `credentials` are the CHAP credentials of each initiator, {} for no authentication. `demo_mode` admits every
    initiator, all with the credentials of "". `queue_depth` is how many commands an initiator may have outstanding in a
    session. `parameters` are iSCSI parameters that replace the defaults. `relative_port` is the relative target port
    identifier (1 to 65535).
    """

    __slots__ = (
        "credentials",
        "demo_mode",
        "initiators",
        "iqn",
        "parameters",
        "portals",
        "queue_depth",
        "relative_port",
    )

    def __init__(
        self,
        iqn: str,
        portals: tuple[str, ...],
        initiators: tuple[str, ...],
        *,
        credentials: dict[str, chap.Credentials] | None = None,
        demo_mode: bool = False,
        queue_depth: int = 128,
        parameters: dict[str, str] | None = None,
        relative_port: int = 1,
    ) -> None:
        self.iqn = iqn
        self.portals = portals
        self.initiators = initiators
        self.credentials = credentials or {}
        self.demo_mode = demo_mode
        self.queue_depth = queue_depth
        self.relative_port = relative_port
        self.parameters = iscsi_parameters.complete(parameters or {})


def planned_attributes(target: Target) -> dict[str, str]:
    """The attributes that the target's portal group shall have."""
    return portal_group.attributes(
        demo_mode=target.demo_mode, authentication=bool(target.credentials), queue_depth=target.queue_depth
    )


def make(target: Target, deadline: Deadline, note: Callable[[str], None]) -> str:
    """Make the target with the lock of LIO's tree held, and wait for transient obstacles, such as a portal that a
    program is about to release.

    Returns why it does not listen on some of its portals; "" if it listens on all. `note` is called with what is waited
    for. Raises Passing if the obstacle stays, and Misconfigured for a value that the kernel refuses.
    """
    from twinsan.lio import core as lio_core

    def attempt() -> str:
        return lio_core.change(lambda: ensure(target), deadline, note)

    refusal = attempt()
    if refusal:
        patience = deadline.within(lio_core.SECONDS_FOR_WHAT_PASSES)
        try:
            patience.wait_until(lambda: not attempt(), "it listens on all portals", interval=0.5)
        except DeadlinePassed:
            # One portal is enough to serve; the monitor reports the others.
            return refusal
    return ""


def ensure(target: Target) -> str:
    """Make the target as configured. Returns why it does not listen on some of its portals; "" if it listens on all.

    The caller holds core.LOCK. Raises Passing for a transient obstacle, such as when it can listen on no portal.
    """
    place = configfs.place("iscsi", target.iqn)
    configfs.make(configfs.place("iscsi"))
    created = configfs.make(place)
    try:
        return _ensure_group(target, portal_group.place(target.iqn))
    except Exception:
        if created:
            remove(target.iqn)
        raise


def _ensure_group(target: Target, group: str) -> str:
    """As `ensure`. The portals are made last: up to then a new group cannot be reached, whatever address it will listen
    on.
    """
    # A monitor does not need it.
    from twinsan.lio import relative_port

    configfs.make(group)
    for name, value in planned_attributes(target).items():
        configfs.set_if_different(f"{group}/attrib/{name}", value)
    iscsi_parameters.ensure(group, target.parameters)
    relative_port.ensure(group, target.iqn, target.relative_port)
    lio_acl.set_credentials(group, target.credentials.get("", chap.NONE))
    for initiator in target.initiators:
        lio_acl.ensure(group, initiator, target.credentials.get(initiator, chap.NONE), target.queue_depth)
    for stranger in set(lio_acl.initiators(group)) - set(target.initiators):
        lio_acl.remove(group, stranger)
    for stale in set(lio_portal.of_group(group)) - set(target.portals):
        lio_portal.remove(group, stale)
    refused = _listen(target.portals, group)
    if portal_group.has_luns(target.iqn):
        portal_group.enable(target.iqn)
    return refused


def _listen(portals: tuple[str, ...], group: str) -> str:
    """Listen on all portals that are free; return why not on the others. Raises Passing if none is free."""
    refusals = []
    for portal in portals:
        try:
            lio_portal.ensure(group, portal)
        except Passing as refusal:
            refusals.append(refusal)
    if refusals and len(refusals) == len(portals):
        raise refusals[0]
    return "; ".join(map(str, refusals))


def remove(iqn: str) -> None:
    """Remove the target, whatever state it is in, with every portal group that somebody gave it. Raises Failure if it
    is still there afterwards.
    """
    place = configfs.place("iscsi", iqn)
    for group in tree.portal_groups(iqn):
        portal_group.remove(group)
    configfs.remove(place)
    if configfs.exists(place):
        raise STILL_THERE(iqn=iqn, place=place)
