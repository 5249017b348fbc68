# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD: the options of a resource that the cluster promotes."""

from __future__ import annotations

import re

from twinsan.operate.checks import drbd_files
from twinsan.operate.checks.finding import ERROR, WARNING, Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from twinsan.operate.checks.finding import Finding

NO_SECRET = Fault(
    "drbd-secret-missing",
    WARNING,
    "{where} has no shared-secret",
    why="who can send packets into the network of replication can take a node's place",
    mend='in its section net write: cram-hmac-alg sha256; shared-secret "..."; then on both: drbdadm adjust {where}',
)
SECRET_OF_MANUALS = Fault(
    "drbd-secret-known",
    ERROR,
    "{where} has the shared-secret of a manual",
    why="everybody knows it",
    mend="write another one into its file, copy that to the other node, then on both: drbdadm adjust {where}",
)
ASYNCHRONOUS = Fault(
    "drbd-asynchronous",
    ERROR,
    "{where} replicates with protocol {value}",
    why="a write is acknowledged before the other node has it: a failover loses what hosts take for written",
    mend="in its section net write: protocol C; then on both: drbdadm adjust {where}",
)
NOT_FENCING = Fault(
    "drbd-not-fencing",
    ERROR,
    "{where} has no fencing policy",
    why="a node that was cut off may be promoted with old data: the data is split",
    mend="write: fencing resource-and-stonith; (DRBD 9: in net, 8.4: in disk), then on both: drbdadm adjust {where}",
)
FENCES_RESOURCE_ONLY = Fault(
    "drbd-fences-resource-only",
    WARNING,
    "{where} has fencing {value}",
    why="writes go on while the other node may be about to take over: what is written then can be lost",
    mend="write: fencing resource-and-stonith; then on both: drbdadm adjust {where}",
)
NO_HANDLER = Fault(
    "drbd-handler-missing",
    ERROR,
    "{where} has no handler {handler}",
    why="{effect}",
    mend='in its section handlers write: {handler} "/usr/sbin/twinsan {handler}"; then on both: drbdadm adjust {where}',
)
OTHER_HANDLER = Fault(
    "drbd-handler-other",
    WARNING,
    "{where} has the handler {handler} {value}",
    why="drbd-vaai finishes the work of twinsan's handlers, and knows nothing of this one",
    mend='write: {handler} "/usr/sbin/twinsan {handler}"; then on both: drbdadm adjust {where}',
)
OLD_UNFENCING = Fault(
    "drbd-unfences-early",
    WARNING,
    "{where} removes its fence constraint by after-resync-target",
    why="DRBD calls that also where the other node is not complete yet; unfence-peer is called when it is",
    mend='write: unfence-peer "/usr/sbin/twinsan unfence-peer"; in place of it, then on both: drbdadm adjust {where}',
)
PROMOTES_ITSELF = Fault(
    "drbd-auto-promote",
    ERROR,
    "{where} has auto-promote, which is the default of DRBD 9",
    why="whoever opens the device for writing promotes it, behind the cluster's back",
    mend="in its section options write: auto-promote no; then on both: drbdadm adjust {where}",
)
TWO_PRIMARIES = Fault(
    "drbd-two-primaries",
    ERROR,
    "{where} has allow-two-primaries",
    why="two kernels that serve one disk share neither its locks nor its reservations: the data is destroyed",
    mend="take it out of the section net, then on both: drbdadm adjust {where}",
)
DISCARDS = Fault(
    "drbd-discards",
    ERROR,
    "{where} has {option} {value}",
    why="after a split brain DRBD throws the writes of one node away without a question",
    mend="take it out of the section net, then on both: drbdadm adjust {where}",
)
STARTS_PRIMARY = Fault(
    "drbd-starts-primary",
    ERROR,
    "{where} has become-primary-on",
    why="the service drbd promotes at boot, behind the cluster's back",
    mend="take it out of the section startup",
)
FAILS_IO = Fault(
    "drbd-fails-io",
    WARNING,
    "{where} has on-no-data-accessible {value}",
    why="hosts get an I/O error when the last disk is gone, and virtual machines keep it",
    mend="in its section options write: on-no-data-accessible suspend-io; then on both: drbdadm adjust {where}",
)
PASSES_ON = Fault(
    "drbd-passes-errors-on",
    WARNING,
    "{where} has on-io-error {value}",
    why="an error of the disk of one node reaches the hosts, although the other node has the data",
    mend="in its section disk write: on-io-error detach; then on both: drbdadm adjust {where}",
)
NO_FLUSHES = Fault(
    "drbd-no-flushes",
    WARNING,
    "{where} has {option} no",
    why="without a battery a power cut takes acknowledged writes out of the cache of the disk",
    mend="take it out of the section disk, unless both caches have a battery; then on both: drbdadm adjust {where}",
)
WAITS_FOR_EVER = Fault(
    "drbd-no-ko-count",
    WARNING,
    "{where} has ko-count 0",
    why="a peer whose disk does not answer freezes the I/O of the node that serves for ever",
    mend="in its section net write: ko-count 7; then on both: drbdadm adjust {where}",
)
SYNCER = Fault(
    "drbd-syncer",
    WARNING,
    "{where} has a section syncer",
    why="it is of DRBD 8.3: version 9 does not read the file, and 8.4 ignores its rate while c-plan-ahead is set",
    mend="write in the section disk: resync-rate, c-max-rate, al-extents; then on both: drbdadm adjust {where}",
)
QUORUM_TOO = Fault(
    "drbd-quorum-and-fencing",
    WARNING,
    "{where} has quorum {value} beside fencing",
    why="two nodes have no majority: the survivor has no quorum, and its I/O stays frozen or fails",
    mend="in its section options write: quorum off; then on both: drbdadm adjust {where}",
)
ZEROES = Fault(
    "drbd-writes-zeroes",
    WARNING,
    "{where} has discard-zeroes-if-aligned no",
    why="each UNMAP of a host becomes a write of zeros on the other node, and takes space in a thin pool",
    mend="take it out of the section disk, then on both: drbdadm adjust {where}",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

_OURS = "twinsan"
_EFFECTS = {
    "fence-peer": "I/O stays frozen when the other node is lost, and nothing keeps that node from being promoted",
    "unfence-peer": "the fence constraint stays when the replicas are equal again: the other node takes nothing over",
}
_SPLIT_BRAIN = ("after-sb-0pri", "after-sb-1pri", "after-sb-2pri")


def of_resource(
    name: str, resource: dict[str, Any], seen: dict[str, Any], node: str, *, ours: bool
) -> Iterator[Finding]:
    """Yield what is wrong with the options of a resource; `ours` says whether drbd-vaai manages it."""
    options: dict[str, str] = resource["options"]
    secret = options.get("net.shared-secret", "")
    if (not secret or "net.cram-hmac-alg" not in options) and options.get("net.tls", "no") == "no":
        yield NO_SECRET.at(name, node=node)
    elif secret == drbd_files.OF_MANUALS:
        yield SECRET_OF_MANUALS.at(name, node=node)
    several = resource["connections"] > 1 or len(resource["hosts"]) > 2
    yield from _fencing(name, options, node, ours=ours, by_quorum=several)
    is_9 = seen["drbd"].startswith("9") or "net.fencing" in options
    if is_9 and options.get("options.auto-promote", "yes") != "no":
        yield PROMOTES_ITSELF.at(name, node=node)
    if options.get("net.allow-two-primaries", "no") != "no":
        yield TWO_PRIMARIES.at(name, node=node)
    for option in _SPLIT_BRAIN:
        value = options.get(f"net.{option}", "disconnect")
        if value not in ("disconnect", "consensus"):
            yield DISCARDS.at(name, node=node, option=option, value=value)
    if "startup.become-primary-on" in options:
        yield STARTS_PRIMARY.at(name, node=node)
    yield from _io(name, options, node)
    if "syncer" in options:
        yield SYNCER.at(name, node=node)
    quorum = options.get("options.quorum", "off")
    if quorum != "off" and not several:
        yield QUORUM_TOO.at(name, node=node, value=quorum)


def _fencing(name: str, options: dict[str, str], node: str, *, ours: bool, by_quorum: bool) -> Iterator[Finding]:
    protocol = options.get("net.protocol", "C")
    if protocol != "C":
        yield ASYNCHRONOUS.at(name, node=node, value=protocol)
    policy = options.get("net.fencing", options.get("disk.fencing", "dont-care"))
    # With a third node, DRBD's own quorum can stand in for fencing.
    if policy == "dont-care" and by_quorum and options.get("options.quorum", "off") != "off":
        return
    if policy == "dont-care":
        yield NOT_FENCING.at(name, node=node)
        return
    if policy != "resource-and-stonith":
        yield FENCES_RESOURCE_ONLY.at(name, node=node, value=policy)
    old = "fence" in options.get("handlers.after-resync-target", "")
    if old:
        yield OLD_UNFENCING.at(name, node=node)
    for handler, effect in _EFFECTS.items():
        value = options.get(f"handlers.{handler}", "")
        if not value and not (old and handler == "unfence-peer"):
            yield NO_HANDLER.at(name, node=node, handler=handler, effect=effect)
        elif value and ours and not re.fullmatch(rf"(\S*/)?{_OURS} {handler}\b.*", value):
            yield OTHER_HANDLER.at(name, node=node, handler=handler, value=value)


def _io(name: str, options: dict[str, str], node: str) -> Iterator[Finding]:
    value = options.get("options.on-no-data-accessible", "io-error")
    if value != "suspend-io":
        yield FAILS_IO.at(name, node=node, value=value)
    value = options.get("disk.on-io-error", "detach")
    if value not in ("detach", "call-local-io-error"):
        yield PASSES_ON.at(name, node=node, value=value)
    for option in ("disk-flushes", "md-flushes"):
        if options.get(f"disk.{option}") == "no" or f"disk.no-{option}" in options:
            yield NO_FLUSHES.at(name, node=node, option=option)
    if options.get("net.ko-count") == "0":
        yield WAITS_FOR_EVER.at(name, node=node)
    if options.get("disk.discard-zeroes-if-aligned") == "no":
        yield ZEROES.at(name, node=node)
