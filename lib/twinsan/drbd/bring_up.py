# SPDX-License-Identifier: GPL-2.0-or-later
"""Bring a DRBD resource up as configured, and wait for its peers to connect."""

from __future__ import annotations

import os

from twinsan.drbd import configuration, frozen_io, health, role, setup
from twinsan.errors import DeadlinePassed, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline

DEVICES_MISSING = Reason(DeadlinePassed, "{devices} appear", "see: udevadm settle")

_SECONDS_FOR_DEVICES = 30.0


def bring_up(name: str, drbdconf: str, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Bring a resource up as Secondary, whatever its state is now, and wait up to 30 s for its devices to appear.

    `note` is called with each message for the operator. Raises NotHere if DRBD's configuration is missing, unreadable
    or without this resource, NotInstalled if the kernel has no DRBD module, and Failure if DRBD refuses.
    """
    devices = configuration.devices(name, drbdconf, deadline)
    configuration.load(deadline)
    resource = setup.look(name, deadline)
    if resource is not None:
        role.demote(resource, deadline, note)
    configuration.adjust(name, drbdconf, deadline)
    frozen_io.forget(name)
    deadline.within(_SECONDS_FOR_DEVICES).wait_until(
        lambda: all(map(os.path.exists, devices)), DEVICES_MISSING.text(devices=" ".join(devices))
    )


def wait_for_peer(name: str, deadline: Deadline, note: Callable[[str], None]) -> None:
    """Wait until every peer is connected or StandAlone, and no state is transient. At the deadline, pass the reason to
    `note` and return. Raises Failure if the resource is not up.
    """

    def connected() -> bool:
        resource = role.require_up(name, deadline)
        awaited = (connection for connection in resource.connections if connection.state != "StandAlone")
        return all(connection.connected for connection in awaited) and not health.is_transient(resource)

    try:
        deadline.wait_until(connected, "the peer connects", interval=0.25)
    except DeadlinePassed as why:
        note(f"the peer of {name} is not connected, going on without it: {why}")
