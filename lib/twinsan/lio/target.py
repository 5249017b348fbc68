# SPDX-License-Identifier: GPL-2.0-or-later
"""An iSCSI target: one IQN with one portal group, its portals and its access control lists.

- `make` and `ensure` make a target as planned from whatever is there, and leave nothing of their own where they fail;
- `remove` takes away whatever is there;
- what a target has and lacks is told by `target_condition`.
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
    """What a target shall be. Portals are written as LIO writes them: ``10.0.5.50:3260``, ``[2001:db8::50]:3260``.

    `credentials` are the CHAP credentials of each initiator, {} for no authentication. `demo_mode` lets every initiator
    in, all with the credentials of "". `queue_depth` is how many commands an initiator may have outstanding in a
    session. `parameters` are iSCSI parameters instead of the defaults. `relative_port` is the number (1 to 65535) that
    hosts know its port by.
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
    """The attributes of the target's portal group, as planned."""
    return portal_group.attributes(
        demo_mode=target.demo_mode, authentication=bool(target.credentials), queue_depth=target.queue_depth
    )


def make(target: Target, deadline: Deadline, note: Callable[[str], None]) -> str:
    """Make the target while nobody else changes LIO's tree, and wait for what may pass by itself, such as a portal that
    a program is letting go.

    Returns why it does not listen on a portal where it does on another one, or "". `note` is told what is waited for.
    Raises Passing where it does not pass, and Misconfigured for a value that the kernel refuses.
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
            # One portal is enough to serve; a monitor tells of the other.
            return refusal
    return ""


def ensure(target: Target) -> str:
    """Make the target as planned; returns why it does not listen on a portal where it does on another one, or "".

    The caller holds core.LOCK. Raises Passing for what may pass by itself, such as a portal that is the only one.
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
    """Portals come last but one: up to then a new group cannot be reached, whatever address it will listen on."""
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
    portal_group.enable(target.iqn)
    return refused


def _listen(portals: tuple[str, ...], group: str) -> str:
    """Listen on all portals that can be had; returns why not on the others. Raises Passing where there is none."""
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
    """Take the target away, whatever state it is in, with every portal group that somebody gave it. Raises Failure
    where it is still there afterwards.
    """
    place = configfs.place("iscsi", iqn)
    for group in tree.portal_groups(iqn):
        portal_group.remove(group)
    configfs.remove(place)
    if configfs.exists(place):
        raise STILL_THERE(iqn=iqn, place=place)
