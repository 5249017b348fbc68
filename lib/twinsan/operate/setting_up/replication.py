# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD of a pair: its files with a secret of the pair's own, its meta data on the disks, and the connection."""

from __future__ import annotations

import re
import secrets

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command
from twinsan.operate.setting_up import disk_checks, nodes
from twinsan.operate.setting_up.cluster_checks import plain
from twinsan.operate.setting_up.steps import Step
from twinsan.site import drbd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.operate.setting_up.nodes import Pair
    from twinsan.site.model import Resource, Volume

OTHER_FILE = Reason(
    Failure,
    "{path} of {node} is not what the site makes",
    "if it is not needed any more: ssh root@{node} mv {path} {path}.old; to keep it, correct the site file",
)
NOT_READ = Reason(
    Failure, "DRBD on {node} does not take {path}: {complaint}", "mend what it names, then type the command again"
)
NO_METADATA = Reason(
    Failure,
    "{resource} got no meta data of DRBD on {node}: {complaint}",
    "type it on {node}: drbdadm create-md {resource}",
)
NOT_CONNECTED = Reason(
    DeadlinePassed,
    "{resource} is connected and has its disks",
    "see on both: drbdadm status {resource}; dmesg; and whether TCP port {port} is open between {addresses}",
)

FOLDER = "/etc/drbd.d"

# What matches the secret of a file, and the words of the shipped file in place of one.
_SECRET = re.compile(r'(\bshared-secret\s+)("[^"\n]*"|[^;\n]+)(;)')
_SECONDS_TO_CONNECT = 60.0
_SECONDS_FOR_METADATA = 300.0


def texts(pair: Pair) -> dict[tuple[str, str], str | None]:
    """Return what is in DRBD's file of each resource on each node; None where there is none."""
    found: dict[tuple[str, str], str | None] = {}

    def read(node: Node) -> None:
        for resource in pair.site.resources:
            found[node.name, resource.name] = node.read_text(_path(resource), deadline=Deadline(60))

    pair.on_both(read)
    return found


def ours(pair: Pair, read: dict[tuple[str, str], str | None]) -> frozenset[tuple[str, str]]:
    """Return the nodes and resources whose file is as the site makes it, whatever its comments and its secret."""
    made = {resource.name: _without_secret(_template(pair, resource)) for resource in pair.site.resources}
    return frozenset(key for key, text in read.items() if text is not None and _without_secret(text) == made[key[1]])


def check(pair: Pair, read: dict[tuple[str, str], str | None], found: Findings) -> None:
    """Add files that would be replaced. One whose resource is up, with the disks of the site, is taken as it is."""
    for (name, resource), text in read.items():
        has = pair.facts_of(pair.node(name))
        up = any(disk_checks.is_up(each, has) for each in pair.site.resources if each.name == resource)
        if text is not None and (name, resource) not in pair.ours and not up:
            found.add(name, OTHER_FILE, path=f"{FOLDER}/{resource}.res")


class Files(Step):
    """DRBD's file of each resource, the same on both nodes, with one secret."""

    def __init__(self, pair: Pair, read: dict[tuple[str, str], str | None]) -> None:
        self._pair = pair
        self._read = read
        listed = " ".join(_path(resource) for resource in pair.site.resources)
        self.what = f"Write {listed}, with a new secret"

    def is_done(self) -> bool:
        return not any(self._lacking(resource) for resource in self._pair.site.resources)

    def do(self) -> str:
        for resource in self._pair.site.resources:
            lacking = self._lacking(resource)
            text = self._text(resource) if lacking else ""
            for node in lacking:
                put_file(node, _path(resource), text, self._read[node.name, resource.name])
        return ""

    def _lacking(self, resource: Resource) -> list[Node]:
        """The nodes that need the file. A node on which the resource is up keeps its own."""
        wanted = self._secret(resource)
        return [
            node
            for node in self._pair.nodes
            if not self._keeps(node, resource) and not (wanted and self._has(node, resource, wanted))
        ]

    def _keeps(self, node: Node, resource: Resource) -> bool:
        return bool(self._read[node.name, resource.name]) and disk_checks.is_up(resource, self._pair.facts_of(node))

    def _has(self, node: Node, resource: Resource, wanted: str) -> bool:
        key = (node.name, resource.name)
        return key in self._pair.ours and secret(self._read[key] or "") == wanted

    def _secret(self, resource: Resource) -> str:
        """The secret that a node has already: one where the resource is up, else this one, else the other; "" for
        none. It is kept, as the other node may have been told it before.
        """
        nodes = sorted(self._pair.nodes, key=lambda node: (not self._keeps(node, resource), not node.is_here))
        known = [secret(self._read[node.name, resource.name] or "") for node in nodes]
        return next(filter(None, known), "")

    def _text(self, resource: Resource) -> str:
        own = self._secret(resource) or secrets.token_hex(16)
        return _template(self._pair, resource).replace(drbd.NO_SECRET, own)


class Metadata(Step):
    """DRBD's meta data at the end of each disk that has none. Never by force: drbdmeta(8) asks if it sees data on a
    disk, and its question is answered by nobody.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        names = [node.name for node in pair.site.nodes]
        disks = [f"{name}:{path}" for name in names for path in disk_checks.paths(pair.site, name)]
        self.what = f"Create DRBD's meta data on {' '.join(disks)}"

    def is_done(self) -> bool:
        return not any(self._pair.on_both(self._lacking))

    def do(self) -> str:
        self._pair.on_both(self._create)
        return ""

    def _lacking(self, node: Node) -> list[tuple[Resource, Volume]]:
        return [
            (resource, volume)
            for resource in self._not_up(node)
            for volume in resource.volumes
            if "drbd" not in nodes.signatures(node, volume.disks[node.name])
        ]

    def _not_up(self, node: Node) -> list[Resource]:
        has = self._pair.facts_of(node)
        return [resource for resource in self._pair.site.resources if not disk_checks.is_up(resource, has)]

    def _create(self, node: Node) -> None:
        for resource, volume in self._lacking(node):
            create_metadata(node, resource, volume)


def put_file(node: Node, path: str, text: str, before: str | None) -> None:
    """Replace a file of DRBD on a node. If DRBD does not take it, the text `before` is put back (None: no file), for a
    file that DRBD cannot read keeps it from reading all others. Raises Failure then.
    """
    node.put(path, text, deadline=Deadline(nodes.SECONDS), mode=0o600)
    result = nodes.run(node, "drbdadm", "sh-nop", check=False)
    if result.ok:
        return
    if before is None:
        nodes.run(node, "rm", "-f", path)
    else:
        node.put(path, before, deadline=Deadline(nodes.SECONDS), mode=0o600)
    raise NOT_READ(node=node.name, path=path, complaint=result.complaint)


def create_metadata(node: Node, resource: Resource, volume: Volume) -> None:
    """Create the meta data of a volume on a node. Raises Failure."""
    name = f"{resource.name}/{volume.number}"
    result = nodes.run(node, "drbdadm", "create-md", name, seconds=_SECONDS_FOR_METADATA, check=False)
    if not result.ok:
        told = " ".join(f"{result.stdout} {result.stderr}".split())
        raise NO_METADATA(node=node.name, resource=name, complaint=told[-300:])


class Connect(Step):
    """The resources are up on both nodes, and connected."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.what = "Bring up and connect " + " ".join(resource.name for resource in pair.site.resources)

    def is_done(self) -> bool:
        return all(
            disk_checks.is_up(resource, has) for resource in self._pair.site.resources for has in self._pair.facts
        ) and all(map(self._connected, self._pair.site.resources))

    def do(self) -> str:
        for resource in self._pair.site.resources:
            self._pair.on_both(lambda node, name=resource.name: nodes.run(node, "drbdadm", "adjust", name))  # type: ignore[misc]
        for resource in self._pair.site.resources:
            addresses = " and ".join(node.replication for node in self._pair.site.nodes)
            wanted = NOT_CONNECTED.text(resource=resource.name, port=resource.port, addresses=addresses)
            deadline = Deadline(_SECONDS_TO_CONNECT)
            deadline.wait_until(lambda each=resource: self._connected(each), wanted, interval=0.5)  # type: ignore[misc]
        return ""

    def _connected(self, resource: Resource) -> bool:
        found = self._pair.on_both(lambda node: nodes.replica(node, resource.name))
        return all(
            each is not None
            and not each.alone
            and all(volume.disk not in ("Diskless", "Attaching", "Negotiating") for volume in each.volumes)
            for each in found
        )


def generation(node: Node, resource: Resource, volume: Volume) -> int:
    """Return the identifier of the data of a volume on a node. Raises Failure."""
    result = nodes.run(node, "drbdadm", "get-gi", f"{resource.name}/{volume.number}")
    first = result.stdout.strip().partition(":")[0]
    if not re.fullmatch("[0-9A-Fa-f]{16}", first):
        raise command.CommandFailed(result)
    return int(first, 16)


def secret(text: str) -> str:
    """Return the secret of a resource file, as it is written there; "" for none, or the words of the shipped file."""
    found = _SECRET.search(plain(text))
    own = found[2].strip() if found else ""
    return "" if own.strip('"') in ("", drbd.NO_SECRET) else own


def _template(pair: Pair, resource: Resource) -> str:
    version = "9" if any(has.drbd.startswith("9") for has in pair.facts) else "8.4"
    return drbd.text(resource, pair.site, version)


def _without_secret(text: str) -> str:
    return _SECRET.sub(r"\1x\3", plain(text))


def _path(resource: Resource) -> str:
    return f"{FOLDER}/{resource.name}.res"
