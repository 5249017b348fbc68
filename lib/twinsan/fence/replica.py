# SPDX-License-Identifier: GPL-2.0-or-later
"""The replica on this node, as the handlers query it."""

from __future__ import annotations

from twinsan.drbd import setup as drbd_setup
from twinsan.errors import Reason
from twinsan.fence.failures import NotUp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline
    from twinsan.drbd.events2 import Resource

NOT_UP = Reason(NotUp, "{resource} is not up here", "bring it up: drbdadm up {resource}")


def query(resource: str, deadline: Deadline) -> Resource:
    """Return the state of a DRBD resource. Raises NotUp if it is down on this node."""
    own = drbd_setup.query(resource, deadline)
    if own is None:
        raise NOT_UP(resource=resource)
    return own
