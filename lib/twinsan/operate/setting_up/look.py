# SPDX-License-Identifier: GPL-2.0-or-later
"""Gather what this node tells of itself. Nothing is changed, loaded or started that was not running."""

from __future__ import annotations

import hashlib
import json
import os
import time
from xml.etree import ElementTree as ET

import twinsan
from twinsan.cluster import cib
from twinsan.drbd import setup
from twinsan.errors import DeadlinePassed, Failure, NotInstalled
from twinsan.host import command, kernel_files
from twinsan.lio import tree
from twinsan.operate.setting_up import disk, software
from twinsan.operate.setting_up.facts import Address, Candidate, Cluster, Facts, Service

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline

COROSYNC_CONF = "/etc/corosync/corosync.conf"

# Units that take DRBD's or LIO's work away from the cluster, or run it; and firewalls.
TAKE_AWAY = ("drbd", "rtslib-fb-targetctl", "target")
RUN_IT = ("corosync", "pacemaker", "sbd", "corosync-qdevice")
FIREWALLS = ("firewalld", "ufw")

# Where there has to be room.
_ROOM = ("/etc", "/var/lib", "/run")

# How long a Pacemaker that starts is waited for.
_SECONDS_FOR_CLUSTER = 45.0

_FOLDER = os.path.dirname(os.path.realpath(twinsan.__file__))
_BLOCK_DEVICES = "/sys/block"


def here(disks: list[str], deadline: Deadline, *, candidates: bool = False) -> Facts:
    """Return what this node tells of itself and of these disks; with `candidates`, also a list of all disks."""
    release = os.uname().release
    system = _os_release()
    active = {service.name: service for service in _services(deadline)}
    pacemaker = active.get("pacemaker")
    return Facts(
        node=os.uname().nodename,
        version=f"{twinsan.__version__} {digest()}",
        system=(system.get("ID", ""), *system.get("ID_LIKE", "").split()),
        system_name=system.get("PRETTY_NAME", "Linux"),
        kernel=release,
        time=time.time(),
        root=os.geteuid() == 0,
        programs=tuple(name for name in software.PROGRAMS if _has(name)),
        modules=tuple(_modules(release)),
        drbd=_drbd_version(deadline),
        services=tuple(active.values()),
        addresses=tuple(_addresses(deadline)),
        listening=tuple(sorted(_listening())),
        free_mb={folder: _free_mb(folder) for folder in _ROOM},
        corosync=kernel_files.text(COROSYNC_CONF) if os.path.exists(COROSYNC_CONF) else None,
        cluster=_cluster(deadline) if pacemaker is not None and pacemaker.active else None,
        events=_events(deadline),
        minors=dict(_minors()),
        targets=tuple(tree.targets()),
        bmc=_bmc(deadline) if candidates else "",
        candidates=tuple(_candidates(deadline)) if candidates else (),
        disks=tuple(disk.look(path, deadline) for path in disks),
    )


def digest() -> str:
    """Return a checksum of the library: two nodes with one checksum have the same version."""
    found = hashlib.sha256()
    for folder, folders, names in os.walk(_FOLDER):
        folders.sort()
        for name in sorted(names):
            if name.endswith(".py"):
                with open(os.path.join(folder, name), "rb") as file:
                    found.update(os.path.relpath(file.name, _FOLDER).encode() + b"\0" + file.read())
    return found.hexdigest()[:12]


def _has(program: str) -> bool:
    try:
        return bool(command.find(program))
    except NotInstalled:
        return False


def _os_release() -> dict[str, str]:
    lines = kernel_files.text("/etc/os-release").splitlines()
    return {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines)}


def _modules(release: str) -> Iterator[str]:
    """The modules that this kernel has, in itself or as files."""
    folder = f"/lib/modules/{release}"
    listed = kernel_files.text(f"{folder}/modules.dep") + kernel_files.text(f"{folder}/modules.builtin")
    files = {line.partition(":")[0].rpartition("/")[2].partition(".ko")[0] for line in listed.splitlines()}
    for name in software.MODULES:
        if name in files or os.path.exists(f"/sys/module/{name}"):
            yield name


def _drbd_version(deadline: Deadline) -> str:
    """The version of DRBD's module, such as 8.4.11, loaded or not; "" if it is unknown."""
    loaded = kernel_files.text(f"{setup.MODULE}/version").strip()
    if loaded:
        return loaded
    try:
        return command.run("modinfo", "-F", "version", "drbd", deadline=deadline, check=False).stdout.strip()
    except Failure:
        return ""


def _services(deadline: Deadline) -> Iterator[Service]:
    names = [f"{name}.service" for name in (*TAKE_AWAY, *RUN_IT, *FIREWALLS)]
    properties = "Id,LoadState,UnitFileState,ActiveState"
    try:
        printed = command.run("systemctl", "show", "-p", properties, *names, deadline=deadline, check=False).stdout
    except Failure:
        return
    for block in printed.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        if values.get("Id"):
            yield Service(
                values["Id"].rpartition(".")[0],
                values.get("LoadState") == "loaded",
                values.get("UnitFileState") == "enabled",
                values.get("ActiveState") in ("active", "activating", "reloading"),
            )


def _addresses(deadline: Deadline) -> Iterator[Address]:
    try:
        listed = json.loads(command.run("ip", "-json", "address", "show", deadline=deadline, check=False).stdout)
    except (Failure, ValueError):
        return
    for link in listed:
        for each in link.get("addr_info", ()):
            if each.get("scope") == "global":
                yield Address(link["ifname"], each["local"], each["prefixlen"])


def _listening() -> set[int]:
    """The TCP ports that somebody listens on (proc(5); state 0A)."""
    found = set()
    for name in ("tcp", "tcp6"):
        for line in kernel_files.text(f"/proc/net/{name}").splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                found.add(int(words[1].rpartition(":")[2], 16))
    return found


def _free_mb(folder: str) -> int:
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_bavail * found.f_frsize >> 20


def _cluster(deadline: Deadline) -> Cluster | None:
    """The cluster of a Pacemaker that runs or starts; None if it does not tell."""
    found: list[Cluster] = []

    def tells() -> bool:
        try:
            configuration = ET.fromstring(cib.query(deadline)).find("configuration")  # noqa: S314  the cluster's own
        except NotInstalled:
            raise
        except (Failure, ET.ParseError):
            return False
        if configuration is not None:
            nodes = tuple(node.get("uname", "") for node in configuration.iterfind("nodes/node"))
            found.append(Cluster(nodes, tuple(each.get("id", "") for each in configuration.iter("primitive"))))
        return bool(found)

    try:
        deadline.within(_SECONDS_FOR_CLUSTER).wait_until(tells, "Pacemaker tells its configuration", interval=1.0)
    except (DeadlinePassed, NotInstalled):
        return None
    return found[0]


def _events(deadline: Deadline) -> str:
    """The state of all DRBD resources. Asked only if the module is loaded: drbdsetup would load it."""
    if not setup.loaded():
        return ""
    try:
        return setup.run("events2", "--now", "--statistics", deadline=deadline, check=False).stdout
    except Failure:
        return ""


def _minors() -> Iterator[tuple[str, str]]:
    """The disk of each DRBD device, by its number."""
    for name in kernel_files.entries(_BLOCK_DEVICES):
        below = kernel_files.entries(f"{_BLOCK_DEVICES}/{name}/slaves") if name.startswith("drbd") else []
        if below:
            yield name[len("drbd") :], below[0]


def _bmc(deadline: Deadline) -> str:
    """The address of this node's BMC, by the first channel that has one; "" if it cannot be asked."""
    for channel in ("1", "2", "8"):
        try:
            printed = command.run("ipmitool", "lan", "print", channel, deadline=deadline.within(10), check=False).stdout
        except Failure:
            return ""
        for line in printed.splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "IP Address" and value.strip() != "0.0.0.0":
                return value.strip()
    return ""


def _candidates(deadline: Deadline) -> Iterator[Candidate]:
    columns = "PATH,SIZE,TYPE,FSTYPE,PTTYPE,MOUNTPOINT,MODEL"
    try:
        printed = command.run("lsblk", "--json", "--bytes", "--output", columns, deadline=deadline, check=False).stdout
        listed = json.loads(printed)["blockdevices"]
    except (Failure, ValueError, KeyError):
        return
    yield from _flat(listed)


def _flat(listed: list[dict[str, object]]) -> Iterator[Candidate]:
    for each in listed:
        below = each.get("children", [])
        size = int(str(each.get("size") or 0))
        if each.get("type") in ("disk", "part", "lvm", "raid1", "raid10", "mpath") and size:
            where = f"mounted on {each['mountpoint']}" if each.get("mountpoint") else ""
            content = where or str(each.get("fstype") or each.get("pttype") or "")
            yield Candidate(str(each["path"]), size, str(each["type"]), content, str(each.get("model") or "").strip())
        if isinstance(below, list):
            yield from _flat(below)
