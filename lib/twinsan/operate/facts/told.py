# SPDX-License-Identifier: GPL-2.0-or-later
"""What the nodes have told of themselves beforehand, in private node attributes.

Each attribute takes a program to ask for. What a monitor of this node has read lately is taken from its note, which
only root can read.
"""

from __future__ import annotations

import os

from twinsan.cluster import attributes
from twinsan.disk import shared_limits
from twinsan.errors import Failure
from twinsan.host import rundir
from twinsan.operate.facts.shape import NotSeen, Told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinsan.deadline import Deadline
    from twinsan.operate.facts.configuration import Configuration

# Of the two kinds of attributes: what would keep a node from taking an address, and what its disks can do.
PORTAL, DISKS = "portal", "disks"


class Answer:
    """What the nodes have told: the `kind`, whom it is `about` (an address or a DRBD resource), and the text of each
    node.
    """

    __slots__ = ("about", "kind", "texts")

    def __init__(self, kind: str, about: str, texts: dict[str, str]) -> None:
        self.kind = kind
        self.about = about
        self.texts = texts


def ask(cib: Configuration, deadline: Deadline) -> Iterator[Answer | NotSeen]:
    """Yield what the nodes have told of each portal address and DRBD resource that is configured."""
    for portal in cib.of_agent("portal-ip"):
        address, nic = portal.parameters.get("ip", ""), portal.parameters.get("nic", "")
        name = f"twinsan-portal-{address}-{nic}" if nic else f"twinsan-portal-{address}"
        yield _ask(PORTAL, address, name.replace(":", "-"), deadline)
    for replica in cib.of_agent("drbd-vaai"):
        drbd = replica.parameters.get("drbd_resource", "")
        noted = _noted_limits(drbd)
        attribute = f"twinsan-device-limits-{drbd}"
        yield Answer(DISKS, drbd, noted) if noted else _ask(DISKS, drbd, attribute, deadline)


def _ask(kind: str, about: str, attribute: str, deadline: Deadline) -> Answer | NotSeen:
    # A daemon that is well answers at once. One that hangs must not take the time of all other questions.
    patience = deadline.within(deadline.remaining() / 2)
    try:
        return Answer(kind, about, attributes.get_node_attributes(attribute, patience))
    except (Failure, OSError) as failure:
        what = "whether the nodes could take" if kind == PORTAL else "what the nodes would serve of"
        return NotSeen(f"{what} {about}", str(failure))


def _noted_limits(drbd: str) -> dict[str, str]:
    """What the nodes have told of their disks, as a monitor here has read it; empty if there is no current note."""
    if not os.access(rundir.DIRECTORY, os.R_OK | os.X_OK):
        return {}
    try:
        known = shared_limits.load(drbd)
    except (Failure, OSError):
        return {}
    return known.published if known is not None and known.is_current(alone=False) else {}


def by_node(answers: Iterable[Answer]) -> tuple[Told, ...]:
    """Return the answers, by node."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for answer in answers:
        for node, text in answer.texts.items():
            found.setdefault(node, {PORTAL: {}, DISKS: {}})[answer.kind][answer.about] = text
    return tuple(Told(node, kinds[PORTAL], kinds[DISKS]) for node, kinds in sorted(found.items()))
