# SPDX-License-Identifier: GPL-2.0-or-later
"""corosync: its links, its secrecy, its votes and its times; in its file, and as it runs."""

from __future__ import annotations

from twinsan.operate.checks import corosync_conf
from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.checks.finding import Finding

ONE_LINK = Fault(
    "one-link",
    WARNING,
    "corosync has one link between the nodes",
    why="one cable or switch that fails costs a fenced server",
    mend="add a ring1_addr in another network for each node: man 5 corosync.conf, transport knet",
)
SAME_NETWORK = Fault(
    "links-in-one-network",
    WARNING,
    "two links of corosync are in the same network, {where}",
    why="they probably share a switch, which then costs a fenced server",
    mend="give the second link an address in another network: man 5 corosync.conf",
)
NO_CRYPTO = Fault(
    "corosync-not-secret",
    WARNING,
    "corosync does not authenticate its packets",
    why="who can send packets into one of its networks can fence a server",
    mend="in its section totem write crypto_cipher: aes256 and crypto_hash: sha256; corosync-keygen; copy both files",
)
NO_KEY = Fault(
    "corosync-key-missing",
    ERROR,
    "there is no /etc/corosync/authkey",
    why="corosync does not start, because corosync.conf asks for secrecy",
    mend="scp -p /etc/corosync/authkey from the other node",
)
TOKEN_SHORT = Fault(
    "token-short",
    WARNING,
    "corosync's token is {value} ms",
    why="a server that is busy for so long is fenced",
    mend="in its section totem write token: 3000, then: corosync-cfgtool -R",
)
TOKEN_LONG = Fault(
    "token-long",
    WARNING,
    "corosync's token is {value} ms",
    why="each failover after a power cut begins so much later",
    mend="in its section totem write token: 3000, then: corosync-cfgtool -R",
)
CONSENSUS_LONG = Fault(
    "consensus-long",
    NOTE,
    "corosync's consensus is {value} ms",
    why="of two nodes none is left to agree with: 1000 is enough, and each failover after a power cut waits longer",
    mend="in its section totem write consensus: 1000, then: corosync-cfgtool -R",
)
NO_TWO_NODE = Fault(
    "two-node-missing",
    ERROR,
    "two nodes have neither two_node nor a third vote",
    why="the survivor has no quorum: it starts nothing and fences nobody",
    mend="in the section quorum write two_node: 1, or add a device: examples/corosync-qnetd.conf",
)
TWO_NODE_AND_DEVICE = Fault(
    "two-node-and-device",
    ERROR,
    "corosync has two_node beside a third vote",
    why="each node goes on alone whatever the third machine says, and both fence each other",
    mend="take two_node out of the section quorum, then: corosync-cfgtool -R",
)
TIMES_DIFFER = Fault(
    "times-differ",
    WARNING,
    "{key} is {running} in the running corosync, and {value} in its file",
    why="a restart changes how long a failover takes",
    mend="corosync-cfgtool -R, or restart corosync on one node after the other",
)
DIFFERENT = Fault(
    "corosync-files-differ",
    ERROR,
    "{where} is not the same on both nodes",
    why="the next start of corosync on one of them forms a cluster of its own",
    mend="scp -p {where} from the node whose file is right; then: corosync-cfgtool -R",
)
NAMES_DIFFER = Fault(
    "corosync-name-differs",
    WARNING,
    "corosync.conf has no node of the name {host}, which is what uname -n prints",
    why="DRBD and twinsan know the node by the one name, the cluster by the other",
    mend="write name: {host} in its nodelist on both nodes, or: hostnamectl set-hostname",
)
LATE_VOTE = Fault(
    "vote-late",
    WARNING,
    "the third vote is up to {late:g} s late: timeout is {value} ms",
    why="a takeover after a power cut waits for it",
    mend="in the section device write timeout: 3000 and sync_timeout: 10000, then: corosync-cfgtool -R",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

_SHORTEST_TOKEN, _LONGEST_TOKEN = 1000, 10000
_DEFAULT_TOKEN = 3000
_FILES = ("/etc/corosync/corosync.conf", "/etc/corosync/authkey")

# corosync-qnetd gives a node up after 1.5 heartbeats of 0.8 timeouts.
_GIVEN_UP = 1.2
_DEFAULT_TIMEOUT_OF_DEVICE = 10000


def third_vote(values: dict[str, str]) -> bool | None:
    """Whether there is a third vote; None if corosync.conf could not be read."""
    return None if not values else "quorum.device.model" in values


def find(facts: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Yield what is wrong with corosync."""
    digests = {seen["files"].get(_FILES[0], {}).get("digest", "") for seen in facts.values()}
    for number, (node, seen) in enumerate(facts.items()):
        values = seen["corosync"]
        if values and (number == 0 or len(digests) > 1):
            yield from of_file(values, "" if len(digests) == 1 else node)
        if values and seen["host"] not in [each.get("name", "") for each in corosync_conf.nodes(values)]:
            yield NAMES_DIFFER.at("corosync.conf", node=node, host=seen["host"])
        if _secret(values) and _FILES[1] not in seen["files"]:
            yield NO_KEY.at("/etc/corosync/authkey", node=node)
        yield from _running(values, seen["corosync_running"] or {}, node)
    if len(facts) == 2:
        one, two = (seen["files"] for seen in facts.values())
        for path in _FILES:
            if path in one and path in two and one[path]["digest"] != two[path]["digest"]:
                yield DIFFERENT.at(path)


def _secret(values: dict[str, str]) -> bool:
    """Whether packets are authenticated; encryption alone is not possible."""
    return values.get("totem.secauth") == "on" or values.get("totem.crypto_hash", "none") != "none"


def of_file(values: dict[str, str], node: str) -> Iterator[Finding]:
    """Yield what is wrong with a corosync.conf."""
    nodes = corosync_conf.nodes(values)
    links = [corosync_conf.links(each) for each in nodes]
    if nodes and min(map(len, links)) < 2:
        yield ONE_LINK.at("corosync.conf", node=node)
    for one in links[:1]:
        networks = [address.rpartition(".")[0] or address.rpartition("::")[0] for address in one]
        shared = {network for network in networks if network and networks.count(network) > 1}
        if shared:
            yield SAME_NETWORK.at(f"{min(shared)}.", node=node)
    if not _secret(values):
        yield NO_CRYPTO.at("corosync.conf", node=node)
    yield from _times(values, node)
    device = "quorum.device.model" in values
    two_node = values.get("quorum.two_node") == "1"
    if len(nodes) == 2 and not device and not two_node:
        yield NO_TWO_NODE.at("corosync.conf", node=node)
    if device and two_node:
        yield TWO_NODE_AND_DEVICE.at("corosync.conf", node=node)


def _times(values: dict[str, str], node: str) -> Iterator[Finding]:
    token = _number(values.get("totem.token", ""), _DEFAULT_TOKEN)
    consensus = _number(values.get("totem.consensus", ""), int(1.2 * token))
    if token < _SHORTEST_TOKEN:
        yield TOKEN_SHORT.at("corosync.conf", node=node, value=token)
    if token > _LONGEST_TOKEN:
        yield TOKEN_LONG.at("corosync.conf", node=node, value=token)
    if consensus >= token and len(corosync_conf.nodes(values)) == 2:
        yield CONSENSUS_LONG.at("corosync.conf", node=node, value=consensus)
    if "quorum.device.model" in values:
        timeout = _number(values.get("quorum.device.timeout", ""), _DEFAULT_TIMEOUT_OF_DEVICE)
        late = _GIVEN_UP * timeout - token - consensus
        if late > 1000:
            yield LATE_VOTE.at("corosync.conf", node=node, value=timeout, late=late / 1000)


def _running(values: dict[str, str], running: dict[str, str], node: str) -> Iterator[Finding]:
    for key in ("totem.token", "totem.consensus"):
        used = running.get(f"runtime.config.{key}", "")
        written = values.get(key, "")
        if used and written and used != written:
            yield TIMES_DIFFER.at("corosync", node=node, key=key, running=used, value=written)


def _number(text: str, default: int) -> int:
    return int(text[:9]) if text.isascii() and text.isdecimal() else default
