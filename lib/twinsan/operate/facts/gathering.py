# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask all sources side by side, and make the facts of what they have answered in time."""

from __future__ import annotations

import os
import pickle
import time

from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host import child
from twinsan.operate.facts import cluster, left_behind, overview, replication, services, storage, told, votes
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.facts.shape import Facts, NotSeen
from twinsan.operate.facts.storage_shape import Lun, Replication, Target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from twinsan.host import command
    from twinsan.operate.facts.cluster_shape import Cluster, Votes

    Kind = TypeVar("Kind")

# All together. A source that has not answered by then is not seen; a command that looks has 5 s.
SECONDS = 4.0
# Kept by a child, to report before it is given up.
_SECONDS_TO_REPORT = 0.3

_LIO = "reading LIO"
_LIO_READER = "twinsan-lio"
_CIB, _STATE = "the configuration of the cluster", "the state of the cluster"
_DRBD_HERE, _LIO_HERE = "DRBD on this node", "LIO on this node"


def gather(seconds: float = SECONDS) -> Facts:
    """Return what this node sees, within `seconds` and a little. Never raises Failure: what could not be seen is in
    `not_seen`.
    """
    begun, deadline = time.monotonic(), Deadline(seconds)
    own = Deadline(seconds - _SECONDS_TO_REPORT)
    asked = _Programs(own)
    # What is read in this process could hang with it; only reading LIO can. A program that hangs is given up.
    reports = child.side_by_side({_LIO: lambda: map(pickle.dumps, _read_lio(own))}, deadline, asked.ask)
    # What a child of ours has sent.
    pieces = [pickle.loads(each) for each in reports[_LIO].pieces]  # noqa: S301
    unseen = asked.not_seen
    if reports[_LIO].failure is not None:
        unseen.append(NotSeen(_LIO_HERE, str(reports[_LIO].failure)))
    configuration, seen, luns = asked.configuration, asked.cluster, _of_kind(pieces, Lun)
    return Facts(
        format=1,
        node=own_name(os.uname().nodename, [] if seen is None else [each.name for each in seen.nodes]),
        at=int(time.time()),
        seconds=round(time.monotonic() - begun, 2),
        not_seen=tuple(unseen),
        cluster=seen,
        votes=asked.votes,
        services=tuple(services.find(configuration, seen, asked.replication or ())) if configuration else (),
        replication=asked.replication,
        targets=tuple(_of_kind(pieces, Target)),
        luns=services.named(luns, configuration) if configuration else tuple(luns),
        told=told.by_node(asked.told),
    )


def own_name(host: str, nodes: list[str]) -> str:
    """The cluster's name of this host, given those of its nodes: one of the two may have a domain."""
    short = host.partition(".")[0].lower()
    alike = [node for node in nodes if node.partition(".")[0].lower() == short]
    return host if host in nodes or not alike else alike[0]


def _of_kind(pieces: Iterable[object], kind: type[Kind]) -> list[Kind]:
    return [each for each in pieces if isinstance(each, kind)]


def _read_lio(deadline: Deadline) -> Iterator[object]:
    left_behind.refuse_another(_LIO_READER, deadline)
    yield from storage.look()


class _Programs:
    """What programs say of the cluster and of DRBD, all asked at the same time; and what could not be seen."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self.not_seen: list[NotSeen] = []
        self.configuration: Configuration | None = None
        self.cluster: Cluster | None = None
        self.votes: Votes | None = None
        self.replication: tuple[Replication, ...] | None = None
        self.told: list[told.Answer] = []

    def ask(self) -> None:
        """Ask, and wait for the answers. What the nodes have told is asked last: it takes the names from the CIB."""
        configuration = self._try(cib.start_query, _CIB)
        state = self._try(overview.start_query, _STATE)
        # It may hang, and must not take the time of the others.
        patience = self._deadline.within(self._deadline.remaining() / 2)
        self.replication = self._try(lambda: tuple(replication.look(patience)), _DRBD_HERE)
        self._try(self._see_votes, "corosync's time-outs and votes")
        questions: list[told.Answer | told.Question | NotSeen] = []
        if configuration is not None:
            printed = self._try(lambda: configuration.result(self._deadline).stdout, _CIB)
            self.configuration = None if printed is None else self._try(lambda: Configuration(printed), "the cluster")
        if self.configuration is not None:
            questions += told.ask(self.configuration)
        if state is not None:
            self._try(lambda: self._see_state(state), _STATE)
        for each in questions:
            answer = each.answer(self._deadline) if isinstance(each, told.Question) else each
            if isinstance(answer, NotSeen):
                self.not_seen.append(answer)
            else:
                self.told.append(answer)

    def _see_votes(self) -> None:
        for known in votes.look(self._deadline):
            self.votes = known

    def _see_state(self, program: command.Started) -> None:
        text = overview.text(program.result(self._deadline, check=False))
        if self.configuration is not None:
            self.cluster = cluster.join(self.configuration, overview.Overview(text), time.time())

    def _try(self, look: Callable[[], Kind], what: str) -> Kind | None:
        """What a look returns; None if it failed, also by a defect, which is noted."""
        try:
            return look()
        except (Failure, OSError) as failure:
            because = str(failure)
        except Exception as defect:  # noqa: BLE001  all else is seen
            because = f"{type(defect).__name__}: {defect}"
        self.not_seen.append(NotSeen(what, because))
        return None
