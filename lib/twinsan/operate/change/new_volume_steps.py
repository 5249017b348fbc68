# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps that give a resource that serves new volumes. Each looks first, and leaves out what is done."""

from __future__ import annotations

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.operate.change import additions, volumes
from twinsan.operate.setting_up import disk_checks, first_data, nodes, replication, services
from twinsan.operate.setting_up.steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.drbd.events2 import Resource as Replica
    from twinsan.operate.change.additions import Additions
    from twinsan.operate.change.volumes import New
    from twinsan.operate.remote import Node
    from twinsan.site.model import Resource

FILE_CHANGED = Reason(
    Failure, "{path} of {node} has changed meanwhile, so it stays as it is", "look at it, then type this again"
)
NOT_CONNECTED = Reason(
    DeadlinePassed,
    "{volume} is connected and has its disk on both nodes",
    "see on both: drbdadm status {resource}; dmesg",
)
NOT_COMPLETE = Reason(DeadlinePassed, "{node} has all data of {volume}", "see there: drbdadm status {resource}; dmesg")
NOT_UP = Reason(Failure, "{resource} is not up on {node}", "see there: drbdadm status {resource}; dmesg")

# In which a volume neither has data nor is about to have any.
_TRANSIENT = ("Diskless", "Attaching", "Negotiating", "DUnknown")
_SECONDS = 60.0


class Each(Step):
    """A step that does something with each of the volumes, or with their resources."""

    def __init__(self, found: Additions) -> None:
        self.found = found
        self.names = " ".join(each.name for each in found.new)

    def is_done(self) -> bool:
        return all(map(self.is_so, self.found.new))

    def do(self) -> str:
        told = [self.make_so(each) for each in self.found.new if not self.is_so(each)]
        return "; ".join(filter(None, told))

    def is_so(self, each: New) -> bool:
        """Whether there is nothing to do for this volume."""
        raise NotImplementedError

    def make_so(self, each: New) -> str:
        """Do it for this volume. Returns what should be known of it."""
        raise NotImplementedError

    def replica(self, node: Node, resource: Resource) -> Replica:
        """The state of a resource on a node."""
        found = nodes.replica(node, resource.name)
        if found is None:
            raise NOT_UP(node=node.name, resource=resource.name)
        return found

    def leader(self, each: New) -> Node:
        """The node whose replica counts."""
        return self.found.leaders[each.resource.name]


class Wipe(Step):
    """What is on the disks that were named with --overwrite goes."""

    def __init__(self, found: Additions) -> None:
        self._disks = found.to_wipe()
        self.what = f"Overwrite what is on {', '.join(f'{node.name}:{path}' for node, path, _ in self._disks)}"

    def is_done(self) -> bool:
        return not self._disks

    def do(self) -> str:
        for node, path, size in self._disks:
            services.wipe(node, path, size)
        return ""


class Read(Each):
    """It is known whether the disks are equal. As long as DRBD does not have them, nobody waits while they are read."""

    def __init__(self, found: Additions) -> None:
        super().__init__(found)
        self.what = f"Read the disks of {self.names}, for at most a minute each: is every byte zero?"

    def is_so(self, each: New) -> bool:
        return each.name in self.found.equal

    def make_so(self, each: New) -> str:
        equal = all(self.found.pair.on_both(lambda node: self._is_zero(node, each)))
        self.found.equal[each.name] = equal
        self.found.remember(each, additions.EQUAL if equal else additions.UNEQUAL)
        return f"{each.name}: {'yes, nothing has to be copied' if equal else 'no, or not known'}"

    def _is_zero(self, node: Node, each: New) -> bool:
        """Whether a disk is zero; with meta data on it, whether it was when a command that was interrupted has read it,
        and nobody but DRBD has written to it since.
        """
        disk = self.found.disk(node, each)
        if self.found.is_begun(node, each):
            return self.found.remembered(each) == additions.EQUAL and set(disk.signatures) == {"drbd"}
        return all(first_data.are_zero(node, [disk.path]))


class Files(Step):
    """DRBD's files have the volumes, on both nodes; all else of them stays."""

    def __init__(self, found: Additions) -> None:
        self._found = found
        places = dict.fromkeys(place for place, _ in found.files.values())
        self.what = f"Write {' '.join(places)}"
        # What was there before, by node and resource.
        self.before: dict[tuple[str, str], str] = {}

    def is_done(self) -> bool:
        return not any(self._lacks(node, resource) for node in self._found.pair.nodes for resource in self._resources)

    def do(self) -> str:
        for resource in self._resources:
            for node in self._found.pair.nodes:
                if self._lacks(node, resource):
                    self._put(node, resource)
        return ""

    def put_back(self) -> None:
        """Give the nodes the files again that were there before."""
        for (name, resource), text in self.before.items():
            place, _ = self._found.files[name, resource]
            self._found.pair.node(name).put(place, text, deadline=Deadline(_SECONDS), mode=0o600)

    @property
    def _resources(self) -> list[Resource]:
        return self._found.resources

    def _lacks(self, node: Node, resource: Resource) -> bool:
        return not all(self._found.is_in_file(node, each) for each in self._found.of(resource))

    def _put(self, node: Node, resource: Resource) -> None:
        place, text = self._found.files[node.name, resource.name]
        if node.read_text(place, deadline=Deadline(_SECONDS)) != text:
            raise FILE_CHANGED(path=place, node=node.name)
        self.before[node.name, resource.name] = text
        replication.put_file(node, place, self._found.wanted(node, resource), text)


class Metadata(Each):
    """DRBD's meta data is on the disks. Never by force: see replication.Metadata."""

    def __init__(self, found: Additions) -> None:
        super().__init__(found)
        self.what = f"Create DRBD's meta data for {self.names}"

    def is_so(self, each: New) -> bool:
        return not any(self.found.pair.on_both(lambda node: self._lacks(node, each)))

    def make_so(self, each: New) -> str:
        def create(node: Node) -> None:
            if self._lacks(node, each):
                replication.create_metadata(node, each.resource, each.volume)

        self.found.pair.on_both(create)
        return ""

    def _lacks(self, node: Node, each: New) -> bool:
        if disk_checks.is_attached(each.volume, self.found.pair.facts_of(node)):
            return False
        return "drbd" not in nodes.signatures(node, each.volume.disks[node.name])


class Connect(Each):
    """The volumes are up on both nodes, and connected."""

    def __init__(self, found: Additions) -> None:
        super().__init__(found)
        self.what = f"Bring up and connect {self.names}"

    def is_so(self, each: New) -> bool:
        return all(self.found.pair.on_both(lambda node: self._is_connected(node, each)))

    def make_so(self, each: New) -> str:
        name = each.resource.name
        self.found.pair.on_both(lambda node: nodes.run(node, "drbdadm", "adjust", name))
        wanted = NOT_CONNECTED.text(volume=each.name, resource=name)
        Deadline(_SECONDS).wait_until(lambda: self.is_so(each), wanted, interval=0.2)
        return ""

    def _is_connected(self, node: Node, each: New) -> bool:
        replica = self.replica(node, each.resource)
        own = next((volume for volume in replica.volumes if volume.number == each.volume.number), None)
        if own is None or own.disk in _TRANSIENT or replica.alone:
            return False
        there = [connection.volume(own.number) for connection in replica.connections]
        return all(one is not None and one.disk not in _TRANSIENT and one.replication != "Off" for one in there)


class FirstData(Each):
    """The volumes have data: both disks are declared equal, or the leader's is copied to the other."""

    def __init__(self, found: Additions) -> None:
        super().__init__(found)
        self.what = f"Give {self.names} their first data"

    def is_so(self, each: New) -> bool:
        return volumes.has_data(self.replica(self.leader(each), each.resource), each.volume.number)

    def make_so(self, each: New) -> str:
        leader, other = self.leader(each), self.found.other(each.resource)
        for node in self.found.pair.nodes:
            if not first_data.is_new(node, each.resource, each.volume):
                raise first_data.NOT_NEW(resource=each.name)
        if self.found.equal[each.name]:
            nodes.run(leader, "drbdsetup", "new-current-uuid", str(each.volume.minor), "--clear-bitmap")
            self._wait(leader, each)
            self._wait(other, each)
            return ""
        self._force(leader, each)
        self._wait(leader, each)
        return first_data.COPYING.text(node=leader.name, other=other.name, volumes=each.name)

    def _force(self, leader: Node, each: New) -> None:
        """Declare the leader's replica complete. All other volumes are, so force does nothing to them."""
        name = each.resource.name
        if self.replica(leader, each.resource).speaks_8_4:
            nodes.run(leader, "drbdsetup", "primary", str(each.volume.minor), "--force")
        else:
            nodes.run(leader, "drbdadm", "primary", "--force", name)
        if name not in self.found.primary:
            nodes.run(leader, "drbdadm", "secondary", name)

    def _wait(self, node: Node, each: New) -> None:
        def complete() -> bool:
            replica = self.replica(node, each.resource)
            return any(one.number == each.volume.number and one.disk == "UpToDate" for one in replica.volumes)

        wanted = NOT_COMPLETE.text(node=node.name, volume=each.name, resource=each.resource.name)
        Deadline(_SECONDS).wait_until(complete, wanted, interval=0.2)


class Promote(Each):
    """The volumes have the role of their resource: DRBD 8.4 makes new ones as Secondary."""

    def __init__(self, found: Additions) -> None:
        super().__init__(found)
        self.what = f"Make {self.names} Primary where the resource is"

    def is_so(self, each: New) -> bool:
        if each.resource.name not in self.found.primary:
            return True
        leader = self.leader(each)
        if not self.replica(leader, each.resource).speaks_8_4:
            return True
        return not nodes.run(leader, "drbdadm", "role", each.name).stdout.startswith("Secondary")

    def make_so(self, each: New) -> str:
        nodes.run(self.leader(each), "drbdsetup", "primary", str(each.volume.minor))
        return ""
