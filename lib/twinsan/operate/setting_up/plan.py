# SPDX-License-Identifier: GPL-2.0-or-later
"""Look at both nodes, judge what was found, and list the steps."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from twinsan.deadline import Deadline
from twinsan.operate import remote
from twinsan.operate.setting_up import (
    cluster,
    cluster_checks,
    disk_checks,
    facts,
    fencing,
    first_data,
    node_checks,
    passwords,
    replication,
    services,
    serving,
)
from twinsan.operate.setting_up.findings import Findings
from twinsan.operate.setting_up.nodes import Pair
from twinsan.site import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.operate.setting_up.steps import Step
    from twinsan.site.model import Site


@dataclass
class Looked:
    """What was found on both nodes. `files` are DRBD's files there; the clocks are at least `seconds_apart`."""

    pair: Pair
    files: dict[tuple[str, str], str | None]
    seconds_apart: float
    findings: Findings = field(default_factory=Findings)


def look(site: Site, site_file: str, nodes: tuple[Node, Node], overwrite: frozenset[str]) -> Looked:
    """Look at both nodes, and change nothing. Raises Failure if one cannot be asked."""
    ordered = sorted(nodes, key=lambda node: [each.name for each in site.nodes].index(node.name))
    here = next(node for node in ordered if node.is_here)
    asked = remote.on_each(ordered, lambda node: _ask(site, node))
    pair = Pair(
        site=passwords.with_secret(site),
        site_file=site_file,
        nodes=(ordered[0], ordered[1]),
        here=here,
        facts=(asked[0][0], asked[1][0]),
        overwrite=overwrite,
    )
    files = replication.texts(pair)
    pair.ours = replication.ours(pair, files)
    return Looked(pair, files, _seconds_apart(asked))


def require_unchanged(looked: Looked) -> None:
    """Look at the disks again, before the first change. Raises Failure if one is not as it was."""
    pair = looked.pair
    one, other = pair.on_both(lambda node: _ask(pair.site, node)[0])
    disk_checks.require_unchanged(pair.site, pair.facts, (one, other), pair.ours)


def check(looked: Looked, known: Mapping[str, str]) -> None:
    """Judge what was found: fills the findings."""
    pair, found = looked.pair, looked.findings
    node_checks.check(pair.site, pair.facts, looked.seconds_apart, found)
    cluster_checks.check(pair.site, pair.site_file, pair.facts, found)
    replication.check(pair, looked.files, found)
    disk_checks.check(pair.site, pair.facts, pair.overwrite, pair.ours, found)
    fencing.check(pair, known, found)


def steps(looked: Looked, known: Mapping[str, str]) -> list[Step]:
    """Return all steps, in their order."""
    pair = looked.pair
    kind = node_checks.file_system(pair.facts)
    wipe = services.Wipe(pair)
    found: list[Step] = [] if wipe.is_done() else [wipe]
    found += [services.TakeAway(pair), services.LoadModule(pair), replication.Files(pair, looked.files)]
    found += [replication.Metadata(pair), replication.Connect(pair)]
    found += [first_data.FirstData(pair, resource, kind) for resource in pair.site.resources]
    found.append(cluster.Files(pair))
    if pair.site.fencing.by != model.IPMI:
        found.append(fencing.Sbd(pair))
    if pair.site.witness:
        found.append(fencing.ThirdVote(pair))
    if passwords.keeps_password(pair.site):
        found.append(passwords.Passwords(pair, known))
    return [*found, cluster.Start(pair), cluster.Leftovers(pair), serving.Load(pair), serving.Serve(pair)]


def _ask(site: Site, node: Node) -> tuple[Facts, float, float]:
    """What a node tells, and by how much its clock is ahead of ours: at least, and at most."""
    before = time.time()
    disks = [*disk_checks.paths(site, node.name), *site.fencing.devices]
    told = facts.ask(node, disks, Deadline(facts.SECONDS))
    return told, told.time - time.time(), told.time - before


def _seconds_apart(asked: list[tuple[Facts, float, float]]) -> float:
    (_, one_least, one_most), (_, other_least, other_most) = asked
    return max(0.0, one_least - other_most, other_least - one_most)
