# SPDX-License-Identifier: GPL-2.0-or-later
"""Bring a DRBD resource up, as its configuration has it, and give its peer a moment to connect."""

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
    """Bring a resource up as a Secondary, from whatever state, until its devices are there. `note` takes what an
    operator should know. Raises NotHere for what DRBD's configuration does not have, NotInstalled, and Failure.
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
    """Wait until every peer is connected, or cut off on purpose. One that does not come by the deadline is noted."""

    def connected() -> bool:
        resource = role.require_up(name, deadline)
        awaited = (connection for connection in resource.connections if connection.state != "StandAlone")
        return all(connection.connected for connection in awaited) and not health.is_transient(resource)

    try:
        deadline.wait_until(connected, "the peer connects", interval=0.25)
    except DeadlinePassed as why:
        note(f"the peer of {name} is not connected, going on without it: {why}")
