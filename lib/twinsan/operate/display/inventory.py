# SPDX-License-Identifier: GPL-2.0-or-later
"""The sections of a status: replication, LUNs, initiators, portals, fencing, nodes; each a table."""

from __future__ import annotations

from twinsan.operate.display import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from twinsan.operate.facts.cluster_shape import Cluster
    from twinsan.operate.facts.shape import Facts
    from twinsan.operate.facts.storage_shape import Lun, Peer, Portal, Session


class Section:
    """A table: its `title`, the `headings`, and the `rows`, each with whether it is ill. `note` follows it."""

    __slots__ = ("headings", "note", "rows", "title")

    def __init__(
        self, title: str, headings: tuple[str, ...], rows: Sequence[tuple[tuple[str, ...], bool]], note: str = ""
    ) -> None:
        self.title = title
        self.headings = headings
        self.rows = list(rows)
        self.note = note


def sections(facts: Facts) -> list[Section]:
    """Return the sections that have something to show."""
    found = [_replication(facts), _luns(facts), _initiators(facts), _portals(facts)]
    if facts.cluster is not None:
        found += [_nodes(facts.cluster, facts), _fencing(facts.cluster)]
    return [each for each in found if each.rows or each.note]


def _replication(facts: Facts) -> Section:
    rows = []
    for resource in facts.replication or ():
        for volume in resource.volumes:
            for peer in volume.peers:
                ill = volume.disk != "UpToDate" or peer.disk != "UpToDate" or not peer.connected or peer.resyncing
                name = f"{resource.drbd}/{volume.number}"
                disks = f"{volume.disk}/{peer.disk}"
                row = (name, f"drbd{volume.minor}", f"{resource.role}/{peer.role}", peer.connection, disks, _lag(peer))
                rows.append((row, ill or bool(resource.suspended)))
    frozen = [
        f"I/O of {each.drbd} is FROZEN ({', '.join(each.suspended)})"
        for each in facts.replication or ()
        if each.suspended
    ]
    headings = ("VOLUME", "DEVICE", "ROLES HERE/THERE", "CONNECTION", "DISKS HERE/THERE", "BEHIND")
    return Section("Replication", headings, rows, "; ".join(frozen))


def _lag(peer: Peer) -> str:
    """How far a replica is behind, and how long a resync takes."""
    parts = []
    if peer.out_of_sync_kib:
        parts.append(words.size(peer.out_of_sync_kib << 10))
    if peer.done_percent is not None:
        parts.append(f"{peer.done_percent:.0f} % done")
    if peer.seconds_left is not None and peer.resyncing:
        parts.append(f"{words.duration(peer.seconds_left)} left")
    if peer.paused:
        parts.append("paused")
    if peer.in_flight_bytes:
        parts.append(f"{words.size(peer.in_flight_bytes)} in flight")
    return ", ".join(parts) or "-"


def _luns(facts: Facts) -> Section:
    rows = [(_lun(each), each.target is None) for each in facts.luns]
    headings = ("LUN", "RESOURCE", "DEVICE", "SIZE", "NAA", "VAAI", "ALUA", "RESERVED", "READ", "WRITTEN")
    note = "" if rows or not facts.services else "this node shows no LUN: those of another node are seen there"
    return Section("LUNs", headings, rows, note)


def _lun(lun: Lun) -> tuple[str, ...]:
    return (
        "-" if lun.lun is None else str(lun.lun),
        lun.resource or "-",
        lun.device.removeprefix("/dev/"),
        words.size(lun.size_bytes),
        lun.naa.removeprefix("naa."),
        "all" if len(lun.vaai) == 4 else " ".join(lun.vaai) or "none",
        lun.alua or "?",
        _reserved(lun),
        words.mebibytes(lun.read_mib),
        words.mebibytes(lun.written_mib),
    )


def _reserved(lun: Lun) -> str:
    if lun.reservation is None:
        return "?"
    if not lun.reservation.registrants:
        return "-"
    return f"{lun.reservation.registrants} registered" + (f", {lun.reservation.type}" if lun.reservation.type else "")


def _initiators(facts: Facts) -> Section:
    rows = [(_session(each), False) for target in facts.targets if target.enabled for each in target.sessions]
    headings = ("INITIATOR", "SESSION", "FROM", "COMMANDS", "READ", "WRITTEN", "QUEUE", "BURST", "LUNS")
    return Section("Initiators", headings, rows)


def _session(session: Session) -> tuple[str, ...]:
    if not session.logged_in:
        return (session.initiator, "none", "-", "-", "-", "-", "-", "-", _numbers(session))
    return (
        session.initiator,
        (session.state or "there").lower().replace("_", " "),
        session.address or "?",
        words.number(session.commands),
        words.size(session.sent_bytes),
        words.size(session.received_bytes),
        words.number(session.queue_depth),
        words.size(int(burst)) if (burst := session.parameters.get("MaxBurstLength", "")).isdecimal() else "?",
        _numbers(session),
    )


def _numbers(session: Session) -> str:
    numbers = [str(each.lun) for each in session.luns]
    return " ".join(numbers) if len(numbers) < 9 else f"{len(numbers)} LUNs"


def _portals(facts: Facts) -> Section:
    rows = [
        ((_with_port(portal), each.target, "yes" if each.enabled else "no", "yes" if portal.here else "no"), False)
        for each in facts.targets
        for portal in each.portals
    ]
    return Section("Portals", ("PORTAL", "TARGET", "ACCEPTS LOGINS HERE", "ADDRESS HERE"), rows)


def _with_port(portal: Portal) -> str:
    return f"[{portal.address}]:{portal.port}" if ":" in portal.address else f"{portal.address}:{portal.port}"


def _nodes(cluster: Cluster, facts: Facts) -> Section:
    told = {each.node: each for each in facts.told}
    scores = {(each.node, each.resource): each.score for each in cluster.scores}
    rows = []
    for node in cluster.nodes:
        state = f"{node.state}, coordinator" if node.coordinator else node.state
        own = [f"{each.drbd} {scores.get((node.name, each.replica), 'none')}" for each in facts.services]
        portals = told[node.name].portals if node.name in told else {}
        ready = [f"{address}: {fault}" for address, fault in portals.items()]
        rows.append(((node.name, state, ", ".join(own), "; ".join(ready) or "-"), node.state != "online"))
    return Section("Nodes", ("NODE", "STATE", "PROMOTION SCORE", "COULD TAKE"), rows, " ".join(_quorum(cluster, facts)))


def _quorum(cluster: Cluster, facts: Facts) -> Iterator[str]:
    known = {True: "quorum: yes", False: "quorum: NO", None: "quorum: unknown"}
    yield f"{known[cluster.quorum]};"
    votes = facts.votes
    if votes is None:
        yield "third vote: unknown"
    elif not votes.third_vote:
        yield "third vote: none configured"
    else:
        there = {True: "there", False: "MISSING", None: "unknown"}[votes.third_vote_present]
        counted = f" ({votes.present} votes of {votes.needed} needed)" if votes.present is not None else ""
        yield f"third vote: {there}{counted}"


def _fencing(cluster: Cluster) -> Section:
    rows = []
    for device in cluster.fence_devices:
        answers = {True: "yes", False: "NO", None: "unknown"}[device.answers]
        took = f" ({device.monitor_seconds:.1f} s)" if device.monitor_seconds is not None and device.answers else ""
        target = " ".join(device.targets) or "?"
        row = (device.resource, device.agent, target, device.node or "stopped", f"{answers}{took}")
        rows.append((row, device.node is None or device.answers is False))
    return Section("Fencing", ("DEVICE", "AGENT", "TURNS OFF", "FROM", "ANSWERS"), rows, _last_fencing(cluster))


def _last_fencing(cluster: Cluster) -> str:
    if cluster.fencings is None:
        return "the last fencing: unknown"
    if not cluster.fencings:
        return "no node was fenced since the cluster started"
    last = cluster.fencings[0]
    when = f", {words.clock(last.at)}" if last.at is not None else ""
    return f"the last fencing: {last.action} of {last.node}, {last.status}{f' by {last.by}' if last.by else ''}{when}"
