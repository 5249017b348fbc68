# SPDX-License-Identifier: GPL-2.0-or-later
"""The pair as it is: the cluster's configuration, this node, and the other one over ssh, looked at side by side.

What is imported for one of these is imported there: the other node is asked at once, and works meanwhile.
"""

from __future__ import annotations

import json
import os
import time

from twinsan.errors import Failure, Reason
from twinsan.host import child, kernel_files
from twinsan.operate.checks import corosync_conf
from twinsan.operate.checks.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from twinsan.deadline import Deadline
    from twinsan.operate.checks.configuration import Configuration

# A look that has seen enough tells it before it is given up.
_SECONDS_TO_TELL = 0.3

# Where the cluster keeps its configuration while it does not run.
_SAVED = "/var/lib/pacemaker/cib/cib.xml"
_COROSYNC = "/etc/corosync/corosync.conf"

_HERE = "looking at this node"
OTHER_VERSION = Reason(Failure, "what it answers is of another version of twinsan", "make install there, and here")
NO_PEER = Reason(Failure, "corosync.conf names no other node", "see: crm_node --list")


def check(deadline: Deadline) -> Report:
    """Return what is wrong with the pair. Never raises Failure: what could not be seen until then is in the report."""
    report = Report()
    conf = corosync_conf.parse(kernel_files.text(_COROSYNC))
    configurations: list[Configuration] = []
    seen: list[object] = []
    until = deadline.within(deadline.remaining() - _SECONDS_TO_TELL)
    ask = _question(_peer(conf), report, until)

    def look_at_the_others() -> None:
        try:
            configurations.extend(_cluster(conf, report, until))
        except Exception as defect:  # noqa: BLE001  all else is told
            report.not_seen("all that is wrong with the configuration", f"{type(defect).__name__}: {defect}")
        seen.extend(ask())

    # Only a look at this node can hang in the kernel.
    answers = child.side_by_side({_HERE: lambda: [facts_as_json(until).encode()]}, deadline, look_at_the_others)
    if answers[_HERE].failure is not None:
        report.not_seen("this node", answers[_HERE].failure)
    from twinsan.operate.checks import comparison

    facts = dict(_whole([*map(json.loads, answers[_HERE].pieces), *seen], report))
    comparison.try_large_packets(facts, deadline)
    if not comparison.compare(configurations[0] if configurations else None, facts, report):
        report.not_seen("some of the other node", OTHER_VERSION.text())
    return report


def facts_as_json(deadline: Deadline) -> str:
    """Return what this node sees of itself, for the other node."""
    from twinsan.operate.checks import host_facts

    return json.dumps(host_facts.collect(deadline))


def _peer(conf: dict[str, str]) -> str:
    """The name of the other node, by corosync.conf; "" if it names none."""
    listed = corosync_conf.nodes(conf)
    others = [each.get("name", "") for each in listed if each.get("name") != os.uname().nodename]
    return next((name for name in others if name and not name.startswith("-")), "")


def _cluster(conf: dict[str, str], report: Report, deadline: Deadline) -> Iterator[Configuration]:
    """Yield the configuration, if it can be read, and report what is wrong with it."""
    from twinsan.cluster import cib
    from twinsan.operate import packages

    what = "the configuration of the cluster"
    try:
        try:
            text = cib.query(deadline.within(deadline.remaining() / 2))
        except Failure as failure:
            text = kernel_files.text(_SAVED)
            if not text:
                raise
            report.not_seen("the cluster as it runs, so this is its configuration as it was saved", failure)
        packages.find()
        from twinsan.cluster.values import seconds
        from twinsan.operate.checks import cluster, outcome, services, votes
        from twinsan.operate.checks.configuration import Configuration

        configuration = Configuration.read(text.encode(), what)
    except (Failure, OSError) as failure:
        report.not_seen(what, failure)
        return
    yield configuration
    watchdog = seconds(services.sbd([])["watchdog"]) or 0.0
    report.join(cluster.read(configuration, third_vote=votes.third_vote(conf), watchdog=watchdog))
    report.join(outcome.of_pair(configuration, deadline))


def _question(peer: str, report: Report, until: Deadline) -> Callable[[], Iterator[object]]:
    """Begin to ask the other node what it sees of itself. Returns a function that waits for that and yields it, or
    reports why there is none.
    """
    if not peer:
        report.not_seen("the other node", NO_PEER.text())
        return lambda: iter(())
    from twinsan.operate import remote

    what = f"the other node, {peer}"
    words = ("twinsan", "check", "--facts", "--seconds", str(max(1, int(until.remaining()))))
    asked = time.time()
    try:
        answer = remote.Node(peer).start(*words, deadline=until)
    except (Failure, OSError) as failure:
        report.not_seen(what, failure)
        return lambda: iter(())

    def wait() -> Iterator[object]:
        try:
            yield _with_difference(answer(until).stdout, asked)
        except (Failure, OSError) as failure:
            report.not_seen(what, failure)

    return wait


def _with_difference(answer: str, asked: float) -> object:
    """The facts of the other node, with how far its clock is from this one's: it was read between the question and the
    answer. Raises Failure if they are no facts.
    """
    answered = time.time()
    try:
        facts = json.loads(answer)
        now = float(facts["clock"]["now"])
        facts["clock"]["apart"] = max(asked - now, now - answered, 0.0)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OTHER_VERSION() from None  # noqa: RSE102  a Reason, which makes the exception
    return facts


def _whole(looks: list[Any], report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each node sees of itself, by its name, this one first; reports what it has not seen, or is not whole."""
    from twinsan.operate.checks import host_facts

    for seen in looks:
        if not host_facts.is_whole(seen):
            report.not_seen("the other node", OTHER_VERSION.text())
            continue
        name = str(seen["node"] or seen["host"])
        for told in seen["unseen"]:
            what, why = told if isinstance(told, list) and len(told) == 2 else ("something", told)
            report.not_seen(f"{what} on {name}", why)
        yield name, seen
