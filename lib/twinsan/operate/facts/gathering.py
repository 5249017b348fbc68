# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask all sources side by side, each in a child of its own, and make the facts of what they have answered in time."""

from __future__ import annotations

import os
import pickle
import time

from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.errors import Failure, TooSlow
from twinsan.host import child
from twinsan.operate.facts import cluster, left_behind, overview, replication, services, storage, told, votes
from twinsan.operate.facts.cluster_shape import Cluster, Votes
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.facts.shape import Facts, NotSeen
from twinsan.operate.facts.storage_shape import Lun, Replication, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    Kind = TypeVar("Kind")

# All together. A source that has not answered by then is not seen; a command that looks has 5 s.
SECONDS = 4.0
# Kept by a child, to report before it is given up.
_SECONDS_TO_REPORT = 0.3

_CIBADMIN, _CRM_MON = "cibadmin", "crm_mon"
_CLUSTER, _DRBD, _LIO = "asking the cluster", "asking DRBD", "reading LIO"
_LIO_READER = "twinsan-lio"
_WHAT = {_CLUSTER: "the cluster", _DRBD: "DRBD on this node", _LIO: "LIO on this node"}


def gather(seconds: float = SECONDS) -> Facts:
    """Return what this node sees, within `seconds` and a little. Never raises Failure: what could not be seen is in
    `not_seen`.
    """
    begun, deadline = time.monotonic(), Deadline(seconds)
    own = Deadline(seconds - _SECONDS_TO_REPORT)
    # One child for each party that can hang by itself: a fork is dear, and so is one more program at the same time.
    reports = child.side_by_side(
        {
            _CLUSTER: _pickled(lambda: _ask_cluster(own)),
            _DRBD: _pickled(lambda: replication.look(own)),
            _LIO: _pickled(lambda: _read_lio(own)),
        },
        deadline,
    )
    # What a child of ours has sent.
    pieces = {name: [pickle.loads(each) for each in report.pieces] for name, report in reports.items()}  # noqa: S301
    unseen = _of_kind(pieces[_CLUSTER], NotSeen)
    for name, report in reports.items():
        # A child that was too slow to end has said before what it waited for in vain.
        told_before = isinstance(report.failure, TooSlow) and _of_kind(pieces[name], NotSeen)
        if report.failure is not None and not told_before:
            unseen.append(NotSeen(_WHAT[name], str(report.failure)))
    configuration, seen = _cluster(pieces[_CLUSTER], unseen)
    resources, luns = _of_kind(pieces[_DRBD], Replication), _of_kind(pieces[_LIO], Lun)
    return Facts(
        format=1,
        node=own_name(os.uname().nodename, [] if seen is None else [each.name for each in seen.nodes]),
        at=int(time.time()),
        seconds=round(time.monotonic() - begun, 2),
        not_seen=tuple(unseen),
        cluster=seen,
        votes=next(iter(_of_kind(pieces[_CLUSTER], Votes)[-1:]), None),
        services=tuple(services.find(configuration, seen, resources) if configuration is not None else ()),
        replication=tuple(resources) if reports[_DRBD].failure is None else None,
        targets=tuple(_of_kind(pieces[_LIO], Target)),
        luns=services.named(luns, configuration) if configuration is not None else tuple(luns),
        told=told.by_node(_of_kind(pieces[_CLUSTER], told.Answer)),
    )


def own_name(host: str, nodes: list[str]) -> str:
    """The cluster's name of this host, given those of its nodes: one of the two may have a domain."""
    short = host.partition(".")[0].lower()
    alike = [node for node in nodes if node.partition(".")[0].lower() == short]
    return host if host in nodes or not alike else alike[0]


def _pickled(look: Callable[[], Iterable[object]]) -> Callable[[], Iterator[bytes]]:
    return lambda: map(pickle.dumps, look())


def _of_kind(pieces: Iterable[object], kind: type[Kind]) -> list[Kind]:
    return [each for each in pieces if isinstance(each, kind)]


class _Printed:
    """What a program has printed: of `cibadmin` or `crm_mon`."""

    __slots__ = ("program", "text")

    def __init__(self, program: str, text: str) -> None:
        self.program = program
        self.text = text


def _ask_cluster(deadline: Deadline) -> Iterator[object]:
    """Yield what corosync and the cluster say, and what could not be asked. What the nodes have told comes last: it
    takes the names from the CIB, and more programs.
    """
    yield from _attempt(lambda: votes.look(deadline), "corosync's time-outs and votes")
    found = list(_attempt(lambda: [_Printed(_CIBADMIN, cib.query(deadline))], "the configuration of the cluster"))
    yield from found
    yield from _attempt(lambda: [_Printed(_CRM_MON, overview.query(deadline))], "the state of the cluster")
    for printed in _of_kind(found, _Printed):
        yield from told.ask(Configuration(printed.text), deadline)


def _read_lio(deadline: Deadline) -> Iterator[object]:
    left_behind.refuse_another(_LIO_READER, deadline)
    yield from storage.look()


def _attempt(look: Callable[[], Iterable[object]], what: str) -> Iterator[object]:
    try:
        yield from look()
    except (Failure, OSError) as failure:
        yield NotSeen(what, str(failure))


def _cluster(pieces: list[object], unseen: list[NotSeen]) -> tuple[Configuration | None, Cluster | None]:
    """The configuration, and the cluster's facts if crm_mon has answered, too; adds to `unseen`."""
    texts = {each.program: each.text for each in _of_kind(pieces, _Printed)}
    configuration = None
    try:
        if _CIBADMIN in texts:
            configuration = Configuration(texts[_CIBADMIN])
            if _CRM_MON in texts:
                return configuration, cluster.join(configuration, overview.Overview(texts[_CRM_MON]), time.time())
    except Failure as failure:
        unseen.append(NotSeen(_WHAT[_CLUSTER], str(failure)))
    return configuration, None
