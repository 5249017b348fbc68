# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask all sources side by side, each in a child of its own, and make the facts of what they have answered in time."""

from __future__ import annotations

import os
import pickle
import time

from twinsan.cluster import cib as cluster_cib
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host import child
from twinsan.operate.facts import cluster, overview, replication, services, storage, told, votes
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
# For one program. What is asked after it has the rest.
_SECONDS_FOR_PROGRAM = 2.5

_CIB, _OVERVIEW, _DRBD, _LIO, _VOTES = (
    "asking the cluster for its configuration",
    "asking crm_mon for the state of the cluster",
    "asking DRBD",
    "reading LIO",
    "asking corosync",
)
_WHAT = {
    _CIB: "the configuration of the cluster",
    _OVERVIEW: "the state of the cluster",
    _DRBD: "DRBD on this node",
    _LIO: "LIO on this node",
    _VOTES: "corosync's time-outs and votes",
}


def gather(seconds: float = SECONDS) -> Facts:
    """Return what this node sees, within `seconds` and a little. Never raises Failure: what could not be seen is in
    `not_seen`.
    """
    begun, deadline = time.monotonic(), Deadline(seconds)
    reports = child.side_by_side(
        {
            _CIB: _pickled(lambda: _ask_cluster(deadline)),
            _OVERVIEW: _pickled(lambda: [overview.query(deadline.within(_SECONDS_FOR_PROGRAM))]),
            _DRBD: _pickled(lambda: replication.look(deadline.within(_SECONDS_FOR_PROGRAM))),
            _LIO: _pickled(storage.look),
            _VOTES: _pickled(lambda: votes.look(deadline.within(_SECONDS_FOR_PROGRAM))),
        },
        deadline,
    )
    # What a child of ours has sent.
    pieces = {name: [pickle.loads(each) for each in report.pieces] for name, report in reports.items()}  # noqa: S301
    unseen = [NotSeen(_WHAT[name], str(each.failure)) for name, each in reports.items() if each.failure is not None]
    unseen += _of_kind(pieces[_CIB], NotSeen)
    configuration, seen = _cluster(pieces[_CIB], pieces[_OVERVIEW], unseen)
    resources, luns = _of_kind(pieces[_DRBD], Replication), _of_kind(pieces[_LIO], Lun)
    return Facts(
        format=1,
        node=os.uname().nodename,
        at=int(time.time()),
        seconds=round(time.monotonic() - begun, 2),
        not_seen=tuple(unseen),
        cluster=seen,
        votes=next(iter(_of_kind(pieces[_VOTES], Votes)[-1:]), None),
        services=tuple(services.find(configuration, seen, resources) if configuration is not None else ()),
        replication=tuple(resources) if reports[_DRBD].failure is None else None,
        targets=tuple(_of_kind(pieces[_LIO], Target)),
        luns=services.named(luns, configuration) if configuration is not None else tuple(luns),
        told=told.by_node(_of_kind(pieces[_CIB], told.Answer)),
    )


def _pickled(look: Callable[[], Iterable[object]]) -> Callable[[], Iterator[bytes]]:
    return lambda: map(pickle.dumps, look())


def _of_kind(pieces: Iterable[object], kind: type[Kind]) -> list[Kind]:
    return [each for each in pieces if isinstance(each, kind)]


def _ask_cluster(deadline: Deadline) -> Iterator[object]:
    """Yield the CIB, and what the nodes have told, which takes the names from it."""
    text = cluster_cib.query(deadline.within(_SECONDS_FOR_PROGRAM))
    yield text
    # Before the parent gives this child up.
    yield from told.ask(Configuration(text), deadline.within(deadline.remaining() - 0.3))


def _cluster(
    texts: list[object], overviews: list[object], unseen: list[NotSeen]
) -> tuple[Configuration | None, Cluster | None]:
    """The configuration, and the cluster's facts if crm_mon has answered, too; adds to `unseen`."""
    configuration = None
    try:
        for text in _of_kind(texts, str):
            configuration = Configuration(text)
            for printed in _of_kind(overviews, str):
                return configuration, cluster.join(configuration, overview.Overview(printed))
    except Failure as failure:
        unseen.append(NotSeen("the cluster", str(failure)))
    return configuration, None
