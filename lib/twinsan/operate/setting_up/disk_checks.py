# SPDX-License-Identifier: GPL-2.0-or-later
"""The disks of a site: whether both nodes have them, free, empty, and of one kind."""

from __future__ import annotations

from twinsan.drbd import events2
from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.operate.setting_up import node_checks, software

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.setting_up.disk import Disk
    from twinsan.operate.setting_up.facts import Facts
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.site.model import Lun, Resource, Site, Volume

NO_DISK = Reason(
    Failure, "{path} of {node} is no disk that can be used: {fault}", "lsblk lists the disks of {node}; correct {key}"
)
READ_ONLY = Reason(Failure, "{path} of {node} is read-only", "see: blockdev --report {path}")
IN_USE = Reason(
    Failure, "{path} of {node} is in use: {users}", "end that, or name another disk in {key}; see: lsblk {path}"
)
SAME_DISK = Reason(
    Failure, "{path} of {node} is the same disk as {other}", "name another disk in {key}; see: lsblk {path}"
)
NOT_EMPTY = Reason(
    Failure, "{path} of {node} ({size}) has {content} on it", "if that can go for ever: --overwrite {node}:{path}"
)
TOO_SMALL = Reason(
    Failure,
    "{path} of {node} has {size}, too little for the state volume: {kind} needs {needed} MiB",
    "name a larger disk, partition or logical volume in {key}",
)
SIZES_DIFFER = Reason(
    Failure,
    "{path} of {node} is {larger}, its counterpart of {other} {smaller}: more than a tenth of it stays unused",
    "name disks of one size in {key}, or a partition or logical volume of that size",
)
REST_UNUSED = Reason(Failure, "{path} of {node} is larger than its counterpart: {unused} of it stays unused")
BLOCKS_DIFFER = Reason(
    Failure,
    "{path} of {node} has blocks of {blocks} bytes, its counterpart of {other} of {its_blocks}: a disk for initiators "
    "that changes in a failover",
    "name disks of one kind in {key}",
)
KINDS_DIFFER = Reason(
    Failure,
    "{path} of {node} {kind}, its counterpart of {other} does not: the pair is as slow as the slower one",
)
NO_DISCARD = Reason(
    Failure,
    "{path} of {node} cannot discard, so the LUN cannot have UNMAP, which its parameter vaai requires",
    'name a disk that can, or write in {key}: vaai = ["ats", "xcopy", "write_same"]',
)
UP_OTHERWISE = Reason(
    Failure,
    "DRBD runs {resource} on {node} with other disks than the site has: {disks}",
    "for a new LUN of a pair that serves: twinsan apply SITE; else correct the site file, or end it there: drbdadm "
    "down {resource}",
)
CHANGED = Reason(
    Failure,
    "{path} of {node} is not as it was when {node} was looked at first",
    "see what uses it: lsblk {path}; then type the command again",
)
NO_SUCH_WORDS = Reason(Misconfigured, "--overwrite {word} names no disk of the site", "its disks: {words}")

# More of the larger disk than this would be lost.
_PART_UNUSED = 0.1


def check(
    site: Site, facts: tuple[Facts, Facts], overwrite: frozenset[str], ours: frozenset[tuple[str, str]], found: Findings
) -> None:
    """Add what is wrong with the disks. `overwrite` are the words that name those that may be overwritten, `ours` the
    nodes and DRBD resources whose file is there as the site has it. `facts` are in the order of the site's nodes.
    """
    for has in facts:
        _check_paths(site, has, found)
    for resource in site.resources:
        for has in facts:
            if is_up(resource, has) and not _has_its_disks(resource, has):
                disks = " ".join(has.minors.get(str(volume.minor), "none") for volume in resource.volumes)
                found.add(has.node, UP_OTHERWISE, resource=resource.name, disks=disks)
        for volume in resource.volumes:
            for has in facts:
                if not is_up(resource, has):
                    check_one(volume, has, overwrite, (has.node, resource.name) in ours, found)
            _check_both(volume, facts, found)
        for lun in resource.luns:
            _check_discard(lun, facts, found)
        _check_state(resource, facts, found)


def check_new(
    site: Site,
    volumes: list[tuple[Resource, Volume]],
    facts: tuple[Facts, Facts],
    overwrite: frozenset[str],
    ours: frozenset[tuple[str, str, int]],
    found: Findings,
) -> None:
    """Add what is wrong with the disks of volumes that resources get while they serve. `ours` are those that were begun
    before: the node, the resource and the number. What DRBD has attached already is not looked at.
    """
    for has in facts:
        _check_paths(site, has, found)
    for resource, volume in volumes:
        for has in facts:
            if not is_attached(volume, has):
                is_ours = (has.node, resource.name, volume.number) in ours
                check_one(volume, has, overwrite, is_ours, found)
        _check_both(volume, facts, found)
        for lun in resource.luns:
            if lun.volume is volume:
                _check_discard(lun, facts, found)


def is_attached(volume: Volume, has: Facts) -> bool:
    """Whether DRBD of a node has a volume with its disk."""
    return f"drbd{volume.minor}" in has.disk(volume.disks[has.node]).holders


def require_unchanged(
    site: Site, before: tuple[Facts, Facts], now: tuple[Facts, Facts], ours: frozenset[tuple[str, str]]
) -> None:
    """Check that the disks that may be written to are the ones that were looked at, with what was on them: an answer
    may take hours. A program that an interrupted run has left behind may make a replica meanwhile. Raises Failure.
    """
    for had, has in zip(before, now):
        paths = [*site.fencing.devices]
        for resource in site.resources:
            if not is_up(resource, had):
                is_ours = (had.node, resource.name) in ours
                paths += [
                    path for path in _disks_of(resource, had.node) if not (is_ours and is_replica(has.disk(path)))
                ]
        for path in paths:
            if has.disk(path) != had.disk(path):
                raise CHANGED(path=path, node=had.node)


def to_wipe(
    site: Site, facts: tuple[Facts, Facts], overwrite: frozenset[str], ours: frozenset[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """The disks that have something on them that may be overwritten: for each the node's name and its path. A replica
    that is there already is none, whatever was typed: the same line may be typed again.
    """
    for resource in site.resources:
        for has in facts:
            for volume in resource.volumes if not is_up(resource, has) else ():
                disk = has.disk(volume.disks[has.node])
                if f"{has.node}:{disk.path}" not in overwrite or not disk.content:
                    continue
                if not ((has.node, resource.name) in ours and is_replica(disk)):
                    yield has.node, disk.path


def is_replica(disk: Disk) -> bool:
    """Whether a disk has meta data of DRBD."""
    return "drbd" in disk.signatures


def paths(site: Site, node: str) -> list[str]:
    """The disks of a node that hold replicas."""
    return [path for resource in site.resources for path in _disks_of(resource, node)]


def words(site: Site) -> list[str]:
    """What can be given to --overwrite: node and path of each disk, also of the common ones of SBD."""
    return [f"{node.name}:{path}" for node in site.nodes for path in (*paths(site, node.name), *site.fencing.devices)]


def require_words(site: Site, overwrite: frozenset[str]) -> None:
    """Check that each of the words of --overwrite names a disk of a site. Raises Misconfigured."""
    known = words(site)
    for word in sorted(overwrite - set(known)):
        raise NO_SUCH_WORDS(word=word, words=" ".join(known))


def is_up(resource: Resource, has: Facts) -> bool:
    """Whether the kernel of a node has a DRBD resource of this name."""
    return events2.parse(has.events, resource.name) is not None


def _has_its_disks(resource: Resource, has: Facts) -> bool:
    """Whether the resource that is up has the devices and the disks of the site; one without disk has no other."""
    up = events2.parse(has.events, resource.name)
    if up is None or set(up.minors) != {volume.minor for volume in resource.volumes}:
        return False
    for volume in resource.volumes:
        holders = has.disk(volume.disks[has.node]).holders
        if str(volume.minor) in has.minors and f"drbd{volume.minor}" not in holders:
            return False
    return True


def _disks_of(resource: Resource, node: str) -> list[str]:
    return [volume.disks[node] for volume in resource.volumes]


def _check_paths(site: Site, has: Facts, found: Findings) -> None:
    """No disk may be named twice, by two of its paths."""
    named = [(volume.disks[has.node], key_of(volume)) for resource in site.resources for volume in resource.volumes]
    first: dict[str, str] = {}
    for path, key in [*named, *((device, "fencing.devices") for device in site.fencing.devices)]:
        number = has.disk(path).number
        if number and number in first:
            found.add(has.node, SAME_DISK, path=path, other=first[number], key=key)
        first.setdefault(number, path)


def check_one(volume: Volume, has: Facts, overwrite: frozenset[str], ours: bool, found: Findings) -> None:
    """Add what is wrong with the disk that a node is to have for a volume. `ours` is whether meta data of DRBD on it is
    the pair's own.
    """
    disk = has.disk(volume.disks[has.node])
    values = {"path": disk.path, "key": f"{key_of(volume)}"}
    if disk.fault:
        found.add(has.node, NO_DISK, fault=disk.fault, **values)
        return
    if disk.read_only:
        found.add(has.node, READ_ONLY, **values)
    users = [f"{holder} on top of it" for holder in disk.holders] + list(disk.users)
    if users:
        found.add(has.node, IN_USE, users=", ".join(users), **values)
    elif disk.content and f"{has.node}:{disk.path}" not in overwrite and not (ours and is_replica(disk)):
        found.add(has.node, NOT_EMPTY, content=disk.content, size=in_words(disk.size), **values)


def _check_both(volume: Volume, facts: tuple[Facts, Facts], found: Findings) -> None:
    pairs = sorted(((has.disk(volume.disks[has.node]), has.node) for has in facts), key=lambda each: each[0].size)
    (smaller, other), (larger, node) = pairs
    if smaller.fault or larger.fault:
        return
    values = {"path": larger.path, "other": other, "key": key_of(volume)}
    unused = larger.size - smaller.size
    if unused > larger.size * _PART_UNUSED:
        found.add(node, SIZES_DIFFER, larger=in_words(larger.size), smaller=in_words(smaller.size), **values)
    elif unused:
        found.remark(node, REST_UNUSED, unused=in_words(unused), **values)
    if larger.block_size != smaller.block_size:
        found.add(node, BLOCKS_DIFFER, blocks=larger.block_size, its_blocks=smaller.block_size, **values)
    for (one, one_name), (another, another_name) in ((pairs[0], pairs[1]), (pairs[1], pairs[0])):
        values = {"path": one.path, "other": another_name}
        if one.rotational and not another.rotational:
            found.remark(one_name, KINDS_DIFFER, kind="rotates", **values)
        if one.discards and not another.discards:
            found.remark(one_name, KINDS_DIFFER, kind="can discard", **values)


def _check_discard(lun: Lun, facts: tuple[Facts, Facts], found: Findings) -> None:
    """A LUN that requires UNMAP does not start the first time where a disk cannot discard."""
    required = lun.parameters.get("vaai", "unmap").split()
    if "unmap" not in required or lun.parameters.get("emulate_tpu") in ("no", "0"):
        return
    for has in facts:
        disk = has.disk(lun.volume.disks[has.node])
        if not disk.fault and not disk.discards:
            found.add(has.node, NO_DISCARD, path=disk.path, key=".".join(map(str, lun.path)))


def _check_state(resource: Resource, facts: tuple[Facts, Facts], found: Findings) -> None:
    kind = node_checks.file_system(facts)
    if resource.state is None or not kind:
        return
    needed = software.FILE_SYSTEMS[kind]
    for has in facts:
        disk = has.disk(resource.state.disks[has.node])
        if not disk.fault and disk.size < needed << 20:
            size, key = in_words(disk.size), key_of(resource.state)
            found.add(has.node, TOO_SMALL, path=disk.path, size=size, kind=kind, needed=needed, key=key)


def key_of(volume: Volume) -> str:
    """Return the key of the site file that names the disks of a volume."""
    return ".".join(map(str, (*volume.path, "disk")))


def in_words(size: int) -> str:
    """Return a size in bytes as people read it."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"
