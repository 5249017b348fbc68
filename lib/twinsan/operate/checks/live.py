# SPDX-License-Identifier: GPL-2.0-or-later
"""The pair as it is: the cluster's configuration, this node, and the other one over ssh, looked at side by side."""

from __future__ import annotations

import json
import os
import pickle
import time

from twinsan.cluster import cib
from twinsan.cluster.values import seconds
from twinsan.errors import Failure, Reason
from twinsan.host import child, command, kernel_files
from twinsan.operate import remote
from twinsan.operate.checks import (
    cluster,
    corosync_conf,
    host_facts,
    hosts,
    paths,
    replicas,
    services,
    storage,
    votes,
)
from twinsan.operate.checks.configuration import Configuration
from twinsan.operate.checks.report import Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from twinsan.deadline import Deadline
    from twinsan.operate.checks.finding import Finding

_SECONDS_FOR_PING = 1.0
# A child that has seen enough tells it before its parent gives it up.
_SECONDS_TO_TELL = 0.3

# Where the cluster keeps its configuration while it does not run.
_SAVED = "/var/lib/pacemaker/cib/cib.xml"
_COROSYNC = "/etc/corosync/corosync.conf"

_CLUSTER, _HERE, _THERE = (
    "asking the cluster for its configuration",
    "looking at this node",
    "asking the other node",
)
OTHER_VERSION = Reason(Failure, "what it answers is of another version of twinsan", "make install there, and here")
NO_PEER = Reason(Failure, "corosync.conf names no other node", "see: crm_node --list")


def check(deadline: Deadline) -> Report:
    """Return what is wrong with the pair. Never raises Failure: what could not be seen until then is in the report."""
    report = Report()
    peer = _peer()
    works = {_CLUSTER: lambda: _cluster(deadline), _HERE: lambda: _here(deadline)}
    if peer:
        works[_THERE] = lambda: _there(peer, deadline)
    else:
        report.not_seen("the other node", NO_PEER.text())
    answers = child.side_by_side(works, deadline)
    names = {_CLUSTER: "the configuration of the cluster", _HERE: "this node", _THERE: f"the other node, {peer}"}
    for name, answer in answers.items():
        if answer.failure is not None:
            report.not_seen(names[name], answer.failure)
    configuration = None
    for piece in answers[_CLUSTER].pieces:
        # What a child of ours has sent.
        told = pickle.loads(piece)  # noqa: S301
        if isinstance(told, Report):
            report.join(told)
        else:
            configuration = Configuration.read(told, "the configuration of the cluster")
    facts = dict(_facts(answers, report))
    _try_large_packets(facts, deadline)
    _compare(configuration, facts, report)
    return report


def facts_as_json(deadline: Deadline) -> str:
    """Return what this node sees of itself, for the other node."""
    return json.dumps(host_facts.collect(deadline))


def _peer() -> str:
    """The name of the other node, by corosync.conf; "" if it names none."""
    listed = corosync_conf.nodes(corosync_conf.parse(kernel_files.text(_COROSYNC)))
    others = [each.get("name", "") for each in listed if each.get("name") != os.uname().nodename]
    return next((name for name in others if name and not name.startswith("-")), "")


def _cluster(deadline: Deadline) -> Iterator[bytes]:
    """Yield the configuration, then what is wrong with it."""
    try:
        text = cib.query(deadline.within(deadline.remaining() / 2)).encode()
    except Failure as failure:
        text = kernel_files.text(_SAVED).encode()
        if not text:
            raise
        told = Report()
        told.not_seen("the cluster as it runs, so this is its configuration as it was saved", failure)
        yield pickle.dumps(told)
    yield pickle.dumps(text)
    configuration = Configuration.read(text, "the configuration of the cluster")
    conf = corosync_conf.parse(kernel_files.text(_COROSYNC))
    watchdog = seconds(services.sbd()["watchdog"]) or 0.0
    vote = votes.third_vote(conf)
    yield pickle.dumps(cluster.read(configuration, third_vote=vote, watchdog=watchdog))
    yield pickle.dumps(cluster.simulate(configuration, deadline.within(deadline.remaining() - _SECONDS_TO_TELL)))


def _here(deadline: Deadline) -> Iterator[bytes]:
    yield json.dumps(host_facts.collect(deadline.within(deadline.remaining() - _SECONDS_TO_TELL))).encode()


def _there(peer: str, deadline: Deadline) -> Iterator[bytes]:
    """Ask the other node; its clock is compared with the time of the question and of the answer."""
    asked = time.time()
    bound = deadline.within(deadline.remaining() - _SECONDS_TO_TELL)
    words = ("twinsan", "check", "--facts", "--seconds", str(max(1, int(bound.remaining()))))
    answer = remote.Node(peer).run(*words, deadline=bound).stdout
    answered = time.time()
    try:
        facts = json.loads(answer)
        now = float(facts["clock"]["now"])
        facts["clock"]["apart"] = max(asked - now, now - answered, 0.0)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OTHER_VERSION() from None  # noqa: RSE102  a Reason, which makes the exception
    yield json.dumps(facts).encode()


def _facts(answers: dict[str, Any], report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each node sees of itself, by its name, this one first."""
    for look in (_HERE, _THERE):
        for piece in answers[look].pieces if look in answers else ():
            seen = json.loads(piece)
            if not host_facts.is_whole(seen):
                report.not_seen("the other node", OTHER_VERSION.text())
                continue
            name = str(seen["node"] or seen["host"])
            for told in seen["unseen"]:
                what, why = told if isinstance(told, list) and len(told) == 2 else ("something", told)
                report.not_seen(f"{what} on {name}", why)
            yield name, seen


def _try_large_packets(facts: dict[str, dict[str, Any]], deadline: Deadline) -> None:
    """Send packets of the whole MTU to the other node, if that is more than the ordinary one, and note those that the
    network does not carry.
    """
    if len(facts) != 2:
        return
    own = next(iter(facts.values()))
    for address, mtu in paths.large(facts):
        words = ("-M", "do", "-c", "1", "-W", "1", "-s", str(mtu - paths.HEADERS), address)
        try:
            small = command.run(
                "ping", "-c", "1", "-W", "1", address, deadline=deadline.within(_SECONDS_FOR_PING), check=False
            )
            if not small.ok:
                continue
            whole = command.run("ping", *words, deadline=deadline.within(_SECONDS_FOR_PING), check=False)
        except Failure:
            continue
        if not whole.ok:
            own["carried"][address] = mtu


def _compare(configuration: Configuration | None, facts: dict[str, dict[str, Any]], report: Report) -> None:
    """Add what the rules find in the facts. One that does not find what it looks for in them met another version."""
    rules: list[Callable[[], Iterable[Finding]]] = [lambda: votes.find(facts), lambda: paths.find(facts)]
    if configuration is not None:
        given = configuration
        rules += [
            lambda: replicas.find(given, facts),
            lambda: hosts.find(given, facts),
            lambda: storage.find(given, facts),
        ]
    for rule in rules if facts else ():
        try:
            report.add(list(rule()))
        except (KeyError, TypeError, ValueError, AttributeError):
            report.not_seen("some of the other node", OTHER_VERSION.text())
