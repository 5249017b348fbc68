# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether no other host has a portal address, found out before the address is due.

Other hosts get 0.2 s to answer. The LUNs start before the address, and ask meanwhile, in the background; so the start
of the address, for which initiators wait, need not.
"""

from __future__ import annotations

import time

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.host.note import Note
from twinsan.network import addresses, placement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.network.links import Link

# How long another host may take to answer that it has the address. On one segment answers take milliseconds.
_SECONDS_TO_OBJECT = 0.2

# How long the answer counts. A host that takes the address in that time would have asked, too, and met ours.
_SECONDS_VALID = 10.0

TAKEN = Reason(Failure, "{ip} is on another host already, {holder} on {device}", "take it away there, or correct ip")


def require(address: str, link: Link, deadline: Deadline) -> None:
    """Ask the network for other hosts that have the address. Raises Failure if one answers within 0.2 s."""
    from twinsan.network import probe

    question = probe.Probe(address, link)
    try:
        holder = question.answer(deadline.within(_SECONDS_TO_OBJECT))
    finally:
        question.close()
    if holder:
        raise TAKEN(ip=address, holder=holder, device=link.name)


def ask_beforehand(of: Iterable[str]) -> None:
    """Ask for each of these addresses that this host does not have, in the background. Whoever starts one within 10 s
    finds the answer by `is_known`.
    """
    from twinsan.host import child

    due = tuple(of)
    if due:
        child.run_detached(lambda: _ask(due))


def is_known(address: str, link: Link) -> bool:
    """Whether nobody answered for the address on this network device in the last 10 s. True once for each answer."""
    try:
        note = _note(address)
        free = time.time() - _SECONDS_VALID <= note.modified() <= time.time() and note.read() == link.name
        note.forget()
    except (Failure, OSError):
        # It can still be asked.
        return False
    return free


def _ask(of: Iterable[str]) -> None:
    for address in of:
        try:
            if addresses.find(address):
                continue
            # What an earlier start was answered does not count beside this one.
            _note(address).forget()
            # The device by the address alone: the configuration of portal-ip may have another one, and asks there.
            link, _ = placement.find(address, "", 0)
            link.require_working()
            require(address, link, Deadline(_SECONDS_TO_OBJECT))
            _note(address).replace(link.name)
        except (Failure, OSError):
            # The start asks for itself, and reports what is wrong.
            continue


def _note(address: str) -> Note:
    return Note(f"free-{address.replace(':', '-')}")
