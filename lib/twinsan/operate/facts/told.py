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
    from twinsan.host import command
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


class Question:
    """A question for what the nodes have told, of a `kind` and `about` as in the answer, which `program` asks."""

    def __init__(self, kind: str, about: str, program: command.Started) -> None:
        self._kind = kind
        self._about = about
        self._program = program

    def answer(self, deadline: Deadline) -> Answer | NotSeen:
        """Wait for the answer."""
        # A daemon that is well answers at once. One that hangs must not take the time of all other answers.
        patience = deadline.within(deadline.remaining() / 2)
        try:
            result = self._program.result(patience, check=False)
            return Answer(self._kind, self._about, attributes.answer(result))
        except (Failure, OSError) as failure:
            return _not_seen(self._kind, self._about, failure)


def ask(cib: Configuration) -> Iterator[Answer | Question | NotSeen]:
    """Yield what the nodes have told of each portal address and DRBD resource that is configured, as far as it is noted
    here, and questions for the rest, all at the same time.
    """
    for portal in cib.of_agent("portal-ip"):
        address, nic = portal.parameters.get("ip", ""), portal.parameters.get("nic", "")
        name = f"twinsan-portal-{address}-{nic}" if nic else f"twinsan-portal-{address}"
        yield _question(PORTAL, address, name.replace(":", "-"))
    for replica in cib.of_agent("drbd-vaai"):
        drbd = replica.parameters.get("drbd_resource", "")
        noted = _noted_limits(drbd)
        yield Answer(DISKS, drbd, noted) if noted else _question(DISKS, drbd, f"twinsan-device-limits-{drbd}")


def _question(kind: str, about: str, attribute: str) -> Question | NotSeen:
    try:
        return Question(kind, about, attributes.start_query(attribute))
    except (Failure, OSError) as failure:
        return _not_seen(kind, about, failure)


def _not_seen(kind: str, about: str, failure: Exception) -> NotSeen:
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
