# SPDX-License-Identifier: GPL-2.0-or-later
"""What a node sees, and who is logged in there: for commands after which nobody is served."""

from __future__ import annotations

import json

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.remote import Node

_SECONDS_TO_LOOK = 20
_SECONDS = 60.0

NO_STATUS = Reason(Failure, "{node} does not say what it serves: {complaint}", "see there: twinsan status")
IN_USE = Reason(
    Failure,
    "logged in on {node}: {initiators}; they would get no answer, and errors when their patience ends",
    "shut these hosts down or log them out first; if they use nothing of it: --even-so",
)
NOT_KNOWN = Reason(Failure, "who is logged in on {node} is not known ({why})", "to go on all the same: --even-so")


def facts(node: Node) -> dict[str, Any]:
    """Return the facts of `twinsan status --json` on a node. Raises Failure."""
    words = ("twinsan", "status", "--json", "--timeout", str(_SECONDS_TO_LOOK))
    ended = node.run(*words, deadline=Deadline(_SECONDS), check=False)
    try:
        found: dict[str, Any] = json.loads(ended.stdout)["facts"]
    except (ValueError, KeyError):
        raise NO_STATUS(node=node.name, complaint=ended.complaint or "no message") from None
    return found


def doubts(node: Node, found: dict[str, Any]) -> Iterator[Failure]:
    """Yield why those whom this node serves may be in the way: by its facts."""
    initiators = [
        f"{session['initiator']} ({session['address'] or 'address unknown'})"
        for target in found["targets"]
        for session in target["sessions"]
        if session["logged_in"]
    ]
    if initiators:
        yield IN_USE(node=node.name, initiators=", ".join(dict.fromkeys(initiators)))
    for each in found["not_seen"]:
        if "LIO" in each["what"]:
            yield NOT_KNOWN(node=node.name, why=each["because"])
