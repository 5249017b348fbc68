# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps that put a new disk in place of another. Each looks anew whether it is done, so that all can be typed again
after an interruption.
"""

from __future__ import annotations

from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.drbd.events2 import GONE_DISKS
from twinsan.errors import DeadlinePassed, Failure, NotInstalled, Reason
from twinsan.host import command
from twinsan.operate.disks import replacement_checks
from twinsan.operate.setting_up import nodes, replication, services
from twinsan.operate.setting_up.steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Volume as Present
    from twinsan.operate.disks.replacement import Looked
    from twinsan.operate.remote import Node
    from twinsan.site.model import Volume

NOT_DETACHED = Reason(
    DeadlinePassed, "{replica} has let its disk go on {node}", "see: drbdadm status {resource}; dmesg"
)
NOT_ATTACHED = Reason(
    Failure,
    "{replica} does not take its new disk {disk}: {complaint}",
    "see: drbdadm status {resource}; dmesg; then type this again",
)
OTHER_DISK = Reason(
    Failure,
    "{replica} has the disk {configured} by DRBD's files, and {disk} by the site file",
    "put {disk} into DRBD's file, on both nodes; see: drbdadm dump {replica}",
)

_SECONDS_TO_DETACH = 60.0
# It reads all of the meta data.
_SECONDS_TO_READ = 300.0
_SECONDS_TO_ATTACH = 60.0
# How long the cluster has, until the resource is brought up without it: it may be in maintenance mode.
_SECONDS_FOR_CLUSTER = 45.0
_UNSETTLED = (*GONE_DISKS, "Attaching", "Negotiating")


def of(looked: Looked) -> list[Step]:
    """Return all steps, in their order."""
    found: list[Step] = [Files(looked)]
    for volume in looked.to_do:
        found.append(Detach(looked, volume))
        if _may_be_wiped(looked, volume):
            found.append(Wipe(looked, volume))
        found.append(Metadata(looked, volume))
    return [*found, Attach(looked)]


class Files(Step):
    """DRBD's file of the resource names the new disk, on both nodes."""

    def __init__(self, looked: Looked) -> None:
        self._looked = looked
        paths = " ".join(volume.disks[looked.here.name] for volume in looked.to_do)
        self.what = f"Put {paths} into {looked.path_of_file} on both nodes"

    def is_done(self) -> bool:
        return not self._lacking()

    def do(self) -> str:
        looked, path = self._looked, self._looked.path_of_file
        for node in self._lacking():
            replication.put_file(node, path, looked.wanted(node), looked.files[node.name])
        return ""

    def _lacking(self) -> list[Node]:
        """The nodes whose file has another disk, and is the site's otherwise. Who has written a file by hand has put
        the new disk into it by hand.
        """
        looked = self._looked
        both = (looked.here, looked.other)
        if any(replacement_checks.foreign_changes(looked, node.name) for node in both):
            return []
        return [node for node in both if looked.changes(node) and _read(looked, node) != looked.wanted(node)]


def _read(looked: Looked, node: Node) -> str | None:
    return node.read_text(looked.path_of_file, deadline=Deadline(nodes.SECONDS))


class Detach(Step):
    """DRBD lets the old disk go. A Primary goes on through the other node's."""

    def __init__(self, looked: Looked, volume: Volume) -> None:
        self._looked = looked
        self._volume = volume
        self.what = f"Detach the old disk of {looked.name_of(volume)}"

    def is_done(self) -> bool:
        present = _present(self._looked, self._volume)
        return present is None or present.disk == "Diskless"

    def do(self) -> str:
        looked, replica = self._looked, self._looked.name_of(self._volume)
        self._require_copy()
        present = _present(looked, self._volume)
        # To a disk that does not answer any more, DRBD waits for nothing then.
        force = ["--force"] if present is not None and present.disk in GONE_DISKS else []
        nodes.run(looked.here, "drbdadm", "detach", *force, replica)
        wanted = NOT_DETACHED.text(replica=replica, node=looked.here.name, resource=looked.resource.name)
        Deadline(_SECONDS_TO_DETACH).wait_until(self.is_done, wanted, interval=0.5)
        return ""

    def _require_copy(self) -> None:
        """Check once more, now that it is done, that the other node has all data. Raises Failure."""
        looked, number = self._looked, self._volume.number
        state = setup.query(looked.resource.name, Deadline(nodes.SECONDS))
        connected = [each for each in state.connections if each.connected] if state else []
        if not any(each.has_all_of(number) for each in connected):
            raise replacement_checks.NO_COPY(
                other=looked.other.name,
                replica=looked.name_of(self._volume),
                why="it is not connected",
                resource=looked.resource.name,
            )


def _may_be_wiped(looked: Looked, volume: Volume) -> bool:
    """Whether there is anything on a disk that may be overwritten. What an interrupted run has created stays."""
    disk = looked.disk(volume)
    named = f"{looked.here.name}:{disk.path}"
    return named in looked.overwrite and bool(disk.content) and not looked.is_fresh(volume)


class Wipe(Step):
    """What may be overwritten goes."""

    def __init__(self, looked: Looked, volume: Volume) -> None:
        self._looked = looked
        self._disk = looked.disk(volume)
        self.what = f"Overwrite what is on {looked.here.name}:{self._disk.path}"

    def is_done(self) -> bool:
        return False

    def do(self) -> str:
        services.wipe(self._looked.here, self._disk.path, self._disk.size)
        return ""


class Metadata(Step):
    """DRBD's meta data on the new disk. Never by force: drbdmeta(8) asks if it sees data on a disk, and its question is
    answered by nobody.
    """

    def __init__(self, looked: Looked, volume: Volume) -> None:
        self._looked = looked
        self._volume = volume
        self._path = volume.disks[looked.here.name]
        self.what = f"Create DRBD's meta data on {looked.here.name}:{self._path}"

    def is_done(self) -> bool:
        present = _present(self._looked, self._volume)
        attached = present is not None and present.disk not in GONE_DISKS
        return attached or "drbd" in nodes.signatures(self._looked.here, self._path)

    def do(self) -> str:
        looked, replica = self._looked, self._looked.name_of(self._volume)
        # What is overwritten is what DRBD's file names.
        configured = nodes.run(looked.here, "drbdadm", "sh-ll-dev", replica).stdout.strip()
        if configured != self._path:
            raise OTHER_DISK(replica=replica, configured=configured, disk=self._path)
        replication.create_metadata(looked.here, looked.resource, self._volume)
        return ""


class Attach(Step):
    """DRBD takes the new disks, and begins to copy. A resource that is down or not connected, because it had no disk at
    the start, is for the cluster to start: its failure is forgotten.
    """

    def __init__(self, looked: Looked) -> None:
        self._looked = looked
        self.what = "Attach " + " ".join(map(looked.name_of, looked.to_do))

    def is_done(self) -> bool:
        return not self._lacking()

    def do(self) -> str:
        for volume in self._lacking():
            self._try(volume)
        if not self._is_connected():
            self._start()
        for volume in self._lacking():
            self._attach(volume)
        return ""

    def _lacking(self) -> list[Volume]:
        found = []
        for volume in self._looked.to_do:
            present = _present(self._looked, volume)
            if present is None or present.disk in _UNSETTLED:
                found.append(volume)
        return found

    def _is_connected(self) -> bool:
        resource = setup.query(self._looked.resource.name, Deadline(nodes.SECONDS))
        return resource is not None and any(each.connected for each in resource.connections)

    def _start(self) -> None:
        looked = self._looked
        name, node = looked.resource.called("p_drbd"), looked.here.name
        try:
            words = ("crm_resource", "--cleanup", "--resource", name, "--node", node)
            nodes.run(looked.here, *words, seconds=_SECONDS_FOR_CLUSTER)
            Deadline(_SECONDS_FOR_CLUSTER).wait_until(self._is_connected, "the cluster has started it", interval=1.0)
        except (command.CommandFailed, NotInstalled, DeadlinePassed):
            nodes.run(looked.here, "drbdadm", "adjust", looked.resource.name, check=False)

    def _try(self, volume: Volume) -> command.Result:
        """Attach one volume. `drbdadm attach RESOURCE` stops at the first one that has its disk."""
        replica = self._looked.name_of(volume)
        return nodes.run(self._looked.here, "drbdadm", "attach", replica, seconds=_SECONDS_TO_READ, check=False)

    def _attach(self, volume: Volume) -> None:
        looked, replica = self._looked, self._looked.name_of(volume)
        result = self._try(volume)

        def attached() -> bool:
            present = _present(looked, volume)
            return present is not None and present.disk not in _UNSETTLED

        try:
            Deadline(_SECONDS_TO_ATTACH if result.ok else 1.0).wait_until(attached, "it is attached", interval=0.5)
        except DeadlinePassed as passed:
            complaint = str(passed) if result.ok else result.complaint
            disk, name = volume.disks[looked.here.name], looked.resource.name
            raise NOT_ATTACHED(replica=replica, disk=disk, complaint=complaint, resource=name) from None


def _present(looked: Looked, volume: Volume) -> Present | None:
    """A volume as DRBD of this node has it now; None if it is down."""
    resource = setup.query(looked.resource.name, Deadline(nodes.SECONDS))
    return next((each for each in resource.volumes if each.number == volume.number), None) if resource else None
