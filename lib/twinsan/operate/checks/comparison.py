# SPDX-License-Identifier: GPL-2.0-or-later
"""What both nodes see of themselves, compared with each other and with the configuration of the cluster."""

from __future__ import annotations

from twinsan.errors import Failure
from twinsan.host import command
from twinsan.operate.checks import hosts, paths, replicas, storage, votes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from twinsan.deadline import Deadline
    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.finding import Finding
    from twinsan.operate.checks.report import Report

_SECONDS_FOR_PING = 1.0


def try_large_packets(facts: dict[str, dict[str, Any]], deadline: Deadline) -> None:
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


def compare(configuration: Configuration | None, facts: dict[str, dict[str, Any]], report: Report) -> bool:
    """Add what the rules find in the facts. Returns False where one did not find what it looks for in them: they are of
    another version.
    """
    rules: list[Callable[[], Iterable[Finding]]] = [lambda: votes.find(facts), lambda: paths.find(facts)]
    if configuration is not None:
        given = configuration
        rules += [
            lambda: replicas.find(given, facts),
            lambda: hosts.find(given, facts),
            lambda: storage.find(given, facts),
        ]
    understood = True
    for rule in rules if facts else ():
        try:
            report.add(list(rule()))
        except (KeyError, TypeError, ValueError, AttributeError):
            understood = False
    return understood
