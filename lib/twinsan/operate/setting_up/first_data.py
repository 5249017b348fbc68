# SPDX-License-Identifier: GPL-2.0-or-later
"""The first data of a new resource: whose replica is the one that counts, and whether it has to be copied."""

from __future__ import annotations

import json

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command
from twinsan.operate.setting_up import nodes, replication
from twinsan.operate.setting_up.steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd import events2
    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.nodes import Pair
    from twinsan.site.model import Resource, Volume

    State = events2.Resource

NOT_NEW = Reason(
    Failure,
    "no node has all data of {resource}, and it is not new: one was Primary before, or lost its disk",
    "look who has the newest: drbdadm status {resource}; then, there: drbdadm primary --force {resource}",
)
OTHER_FILE_SYSTEM = Reason(
    Failure,
    "the state volume {device} has {content} on it",
    "if that can go for ever, where {resource} is Primary: wipefs --all {device}",
)
NOT_UP_TO_DATE = Reason(DeadlinePassed, "{node} has all data of {resource}", "see: drbdadm status {resource}; dmesg")
NOT_SECONDARY = Reason(
    DeadlinePassed,
    "{resource} is Secondary again on {node}",
    "see who has it open: lsblk {devices}; then: drbdadm secondary {resource}",
)
COPYING = Reason(
    Failure, "{node} copies {volumes} to {other} in the background, and the data is redundant when that has ended"
)

# The identifier of the data that create-md writes (drbd.h: UUID_JUST_CREATED). The lowest bit says Primary.
_JUST_CREATED = 4

# How long both nodes read their disks to see whether there is anything to copy. To read for longer costs the time that
# the copy takes in the background.
_SECONDS_TO_READ = 60.0
_SECONDS = 60.0


class FirstData(Step):
    """One replica is declared complete, and a file system is made on the state volume.

    Both replicas count as equal if each byte of both was read and is zero. Otherwise DRBD copies all of one to the
    other: of a disk that was discarded or looks empty nobody knows what it reads as.
    """

    def __init__(self, pair: Pair, resource: Resource, file_system: str) -> None:
        self._pair = pair
        self._resource = resource
        self._kind = file_system
        state = f", and {file_system} on its state volume" if resource.state else ""
        self.what = f"First promotion of {resource.name}{state}"

    def is_done(self) -> bool:
        if self._pair.served:
            return True
        states = self._states()
        if states is None or any(state.primary for state in states):
            return False
        complete = [node for node, state in zip(self._pair.nodes, states) if state.complete]
        return bool(complete) and self._has_file_system(complete[0])

    def do(self) -> str:
        states = self._states()
        if states is None:
            raise replication.NOT_CONNECTED(
                resource=self._resource.name, port=self._resource.port, addresses="the nodes"
            )
        leader = self._leader(states)
        if not self._state(leader).complete:
            self._require_new(leader)
            self._declare_equal(leader)
        self._promote(leader)
        if self._resource.state and not self._has_file_system(leader):
            device = self._resource.state.device
            nodes.run(leader, f"mkfs.{self._kind}", "-q", device, seconds=120)
        self._demote(leader)
        return self._what_is_copied(leader)

    def _states(self) -> tuple[State, State] | None:
        """The state on each node; None if it is not up on both."""
        try:
            one, other = self._pair.on_both(lambda node: nodes.replica(node, self._resource.name))
        except command.CommandFailed:
            return None
        return None if one is None or other is None else (one, other)

    def _state(self, node: Node) -> State:
        found = nodes.replica(node, self._resource.name)
        if found is None:
            raise NOT_UP_TO_DATE(node=node.name, resource=self._resource.name)
        return found

    def _leader(self, states: tuple[State, State]) -> Node:
        """The node whose data counts: one that has all, at best as Primary; else the one that has more, and of new
        replicas the preferred node.
        """

        def rank(index: int) -> tuple[int, bool, bool, int]:
            state, node = states[index], self._pair.nodes[index]
            lacking = sum(volume.disk != "UpToDate" for volume in state.volumes)
            return (lacking, not state.primary, node.name != self._resource.preferred, index)

        return self._pair.nodes[min((0, 1), key=rank)]

    def _require_new(self, leader: Node) -> None:
        """Check that of the volumes that the leader lacks no replica has ever had data, on either node: force would
        declare the leader's complete. Raises Failure.
        """
        for volume in self._incomplete(leader):
            for node in self._pair.nodes:
                if not is_new(node, self._resource, volume):
                    raise NOT_NEW(resource=self._resource.name)

    def _incomplete(self, node: Node) -> list[Volume]:
        numbers = {volume.number for volume in self._state(node).volumes if volume.disk != "UpToDate"}
        return [volume for volume in self._resource.volumes if volume.number in numbers]

    def _declare_equal(self, leader: Node) -> None:
        """Declare volumes equal that are zero on both nodes, so that DRBD copies nothing."""
        volumes = self._incomplete(leader)
        zero = self._pair.on_both(lambda node: are_zero(node, [volume.disks[node.name] for volume in volumes]))
        equal = [volume for volume, *zeros in zip(volumes, *zero) if all(zeros)]
        for volume in equal:
            nodes.run(leader, "drbdsetup", "new-current-uuid", str(volume.minor), "--clear-bitmap")
        if equal:
            numbers = {volume.number for volume in equal}
            self._wait_until_complete(leader, numbers)

    def _promote(self, leader: Node) -> None:
        name = self._resource.name
        state = self._state(leader)
        if not state.primary:
            force = [] if state.complete else ["--force"]
            nodes.run(leader, "drbdadm", "primary", *force, name)
        self._wait_until_complete(leader, {volume.number for volume in self._resource.volumes})

    def _wait_until_complete(self, leader: Node, numbers: set[int]) -> None:
        def complete() -> bool:
            volumes = self._state(leader).volumes
            return all(volume.disk == "UpToDate" for volume in volumes if volume.number in numbers)

        wanted = NOT_UP_TO_DATE.text(node=leader.name, resource=self._resource.name)
        Deadline(_SECONDS).wait_until(complete, wanted, interval=0.5)

    def _demote(self, leader: Node) -> None:
        """Make the leader Secondary. udev may look at the new file system for a moment, and has it open then."""
        name = self._resource.name
        devices = " ".join(volume.device for volume in self._resource.volumes)
        wanted = NOT_SECONDARY.text(resource=name, node=leader.name, devices=devices)
        Deadline(_SECONDS).wait_until(
            lambda: nodes.run(leader, "drbdadm", "secondary", name, check=False).ok, wanted, interval=1.0
        )

    def _has_file_system(self, node: Node) -> bool:
        """Whether the state volume has its file system. Looks at the disk below, as a Secondary cannot be read. Raises
        Failure for another one.
        """
        state = self._resource.state
        if state is None:
            return True
        found = nodes.signatures(node, state.disks[node.name]) - {"drbd"}
        if found & {"btrfs", "xfs"}:
            return True
        if found:
            raise OTHER_FILE_SYSTEM(device=state.device, content=" ".join(found), resource=self._resource.name)
        return False

    def _what_is_copied(self, leader: Node) -> str:
        state = self._state(leader)
        volumes = [
            state.name_of(volume)
            for volume in state.volumes
            if any(replica.disk != "UpToDate" for _, replica in state.replicas(volume))
        ]
        if not volumes:
            return ""
        other = next(node.name for node in self._pair.nodes if node is not leader)
        return COPYING.text(node=leader.name, other=other, volumes=" ".join(volumes))


def is_new(node: Node, resource: Resource, volume: Volume) -> bool:
    """Whether a replica has never had data. Raises Failure."""
    return replication.generation(node, resource, volume) & ~1 == _JUST_CREATED


def are_zero(node: Node, disks: list[str]) -> list[bool]:
    """Whether each byte of each of these disks is zero, as far as there was time to read it."""
    if not disks:
        return []
    words = ["--zero", "--seconds", str(int(_SECONDS_TO_READ)), *disks]
    printed = nodes.run(node, "twinsan", "inventory", *words, seconds=_SECONDS_TO_READ + 60).stdout
    found: dict[str, bool | None] = json.loads(printed)["zero"]
    return [found.get(disk) is True for disk in disks]
