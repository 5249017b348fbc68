# SPDX-License-Identifier: GPL-2.0-or-later
"""The state of a DRBD resource, from what ``drbdsetup events2 --now --statistics`` prints.

DRBD 8.4 and 9 print the same grammar. 8.4 lacks some fields, calls every peer "peer", and prints all resources
whichever was asked for; 9 prints volumes in any order. Parsing starts no program and reads no file.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


# The states of a disk that is gone, or is going.
GONE_DISKS = ("Diskless", "Failed", "Detaching")


class PeerVolume:
    """A volume's replica on a peer, as far as this node knows it."""

    __slots__ = ("client", "disk", "done", "number", "out_of_sync", "replication", "resync_suspended", "seconds_left")

    def __init__(self, fields: dict[str, str]) -> None:
        self.number = int(fields.get("volume", "0"))
        self.replication = fields.get("replication", "Off")
        self.disk = fields.get("peer-disk", "DUnknown")
        self.client = fields.get("peer-client") == "yes"
        self.resync_suspended = fields.get("resync-suspended", "no")
        # Percent done and seconds left of a running resync or verify; "" and None if this version prints none.
        self.done = fields.get("done", "")
        self.seconds_left = _number(fields, "eta")
        # KiB out of sync: what a resync still has to copy, or what has changed here since the peer was lost.
        self.out_of_sync = _number(fields, "out-of-sync")

    @property
    def resyncing(self) -> bool:
        """Whether a resync runs, or is about to."""
        return self.replication not in _RESTING

    @property
    def paused(self) -> bool:
        """Whether a resync waits until somebody, here or on the peer, lets it go on."""
        return self.replication.startswith("PausedSync") or self.resync_suspended != "no"

    @property
    def brings_data(self) -> bool:
        """Whether a resync from the peer to this node runs, or is about to."""
        return self.resyncing and not self.paused and not self.replication.endswith(("S", "Source"))


class Connection:
    """The connection to one peer."""

    __slots__ = ("congested", "in_flight", "name", "role", "state", "volumes")

    def __init__(self, fields: dict[str, str]) -> None:
        self.name = fields.get("conn-name", "peer")
        self.state = fields.get("connection", "StandAlone")
        self.role = fields.get("role", "Unknown")
        # Whether it cannot keep up, and what was sent without an answer, in 512 bytes; None on 8.4.
        self.congested = fields["congested"] == "yes" if "congested" in fields else None
        self.in_flight = _number(fields, "ap-in-flight")
        self.volumes: list[PeerVolume] = []

    @property
    def connected(self) -> bool:
        """Whether the connection is up. On 8.4, `state` is then the state of replication, such as SyncSource."""
        return self.state not in _NOT_CONNECTED

    @property
    def peer(self) -> str:
        """The peer's name; "the peer" on 8.4, which prints no name."""
        return "the peer" if self.name == "peer" else self.name

    @property
    def diskless(self) -> bool:
        """Whether the peer is diskless on purpose, like a tie-breaker."""
        return bool(self.volumes) and all(volume.client for volume in self.volumes)

    def has_all_of(self, number: int) -> bool:
        """Whether the peer's replica of a volume is complete."""
        replica = self.volume(number)
        return replica is not None and replica.disk == "UpToDate"

    def volume(self, number: int) -> PeerVolume | None:
        """The peer's replica of a volume; None if none is known."""
        return next((volume for volume in self.volumes if volume.number == number), None)


class Volume:
    """A volume of the resource on this node."""

    __slots__ = ("client", "disk", "minor", "number", "pending", "quorum")

    def __init__(self, fields: dict[str, str]) -> None:
        self.number = int(fields.get("volume", "0"))
        self.minor = int(fields.get("minor", "0"))
        self.disk = fields.get("disk", "Diskless")
        # Diskless on purpose.
        self.client = fields.get("client") == "yes"
        # None on 8.4, which has no quorum.
        self.quorum = fields["quorum"] == "yes" if "quorum" in fields else None
        # How many requests the local disk has not answered yet.
        self.pending = _number(fields, "lower-pending") or 0


class Resource:
    """A resource that is up: the kernel has it."""

    __slots__ = ("connections", "force_io_failures", "name", "role", "suspended", "volumes")

    def __init__(self, fields: dict[str, str]) -> None:
        self.name = fields["name"]
        self.role = fields.get("role", "Unknown")
        suspended = fields.get("suspended", "no")
        # Why I/O is frozen: any of user, no-data, fencing, quorum.
        self.suspended = () if suspended == "no" else tuple(suspended.split(","))
        self.force_io_failures = fields.get("force-io-failures") == "yes"
        self.volumes: list[Volume] = []
        self.connections: list[Connection] = []

    @property
    def primary(self) -> bool:
        """Whether this node may write."""
        return self.role == "Primary"

    @property
    def alone(self) -> bool:
        """Whether a configured peer is not connected."""
        return not all(connection.connected for connection in self.connections)

    @property
    def in_sync(self) -> bool:
        """Whether all replicas, this one and each peer's, are connected and equal."""
        replicas = [replica for volume in self.volumes for _, replica in self.replicas(volume)]
        return (
            not self.alone
            and all(volume.disk == "UpToDate" for volume in self.volumes)
            and all(replica.client or replica.disk == "UpToDate" for replica in replicas)
            and not any(replica.resyncing for replica in replicas)
        )

    @property
    def complete(self) -> bool:
        """Whether this node has all data of every volume."""
        return bool(self.volumes) and all(volume.disk == "UpToDate" for volume in self.volumes)

    @property
    def being_completed(self) -> bool:
        """Whether a resync that runs brings all that this node lacks."""
        behind = [volume for volume in self.volumes if volume.disk != "UpToDate"]
        return bool(behind) and all(
            any(replica.brings_data for _, replica in self.replicas(volume)) for volume in behind
        )

    @property
    def complete_peers(self) -> list[Connection]:
        """The connected peers that have all data of every volume."""
        numbers = [volume.number for volume in self.volumes]
        return [peer for peer in self.connections if peer.connected and numbers and all(map(peer.has_all_of, numbers))]

    @property
    def minors(self) -> list[int]:
        """The numbers of the devices /dev/drbdN, in the order of the volumes."""
        return [volume.minor for volume in self.volumes]

    @property
    def speaks_8_4(self) -> bool:
        """Whether drbdsetup wants this resource's minor numbers, as in 8.4, instead of its name. The module's version
        does not decide this: a module of 9 can serve configurations of 8.4.
        """
        return bool(self.volumes) and all(volume.quorum is None for volume in self.volumes)

    def replicas(self, volume: Volume) -> Iterator[tuple[Connection, PeerVolume]]:
        """The replicas of a volume on peers that are connected."""
        for connection in self.connections:
            replica = connection.volume(volume.number)
            if connection.connected and replica is not None:
                yield connection, replica

    def has_data_on_a_peer(self, volume: Volume) -> bool:
        """Whether a connected peer has all data of a volume."""
        return any(replica.disk == "UpToDate" for _, replica in self.replicas(volume))

    def name_of(self, volume: Volume) -> str:
        """A volume's name for the operator: the resource's name, with the volume number if it has several volumes."""
        return self.name if len(self.volumes) == 1 else f"{self.name}/{volume.number}"


_NOT_CONNECTED = frozenset((
    "StandAlone", "Disconnecting", "Unconnected", "Timeout", "BrokenPipe", "NetworkFailure", "ProtocolError",
    "TearDown", "Connecting", "WFConnection",
))  # fmt: skip


# States of replication in which nothing is copied. A verify only reads.
_RESTING = frozenset(("Off", "Established", "VerifyS", "VerifyT"))


def parse(text: str, name: str) -> Resource | None:
    """Return the state of the resource `name`; None if the kernel does not have it."""
    resource: Resource | None = None
    connections: dict[str, Connection] = {}
    replicas: list[dict[str, str]] = []
    for kind, fields in _objects(text, name):
        if kind == "resource":
            resource = Resource(fields)
        elif resource is None:
            continue
        elif kind == "device":
            resource.volumes.append(Volume(fields))
        elif kind == "connection":
            connections[_peer(fields)] = Connection(fields)
        elif kind == "peer-device":
            replicas.append(fields)
    if resource is None:
        return None
    for fields in replicas:
        if _peer(fields) in connections:
            connections[_peer(fields)].volumes.append(PeerVolume(fields))
    resource.connections = list(connections.values())
    resource.volumes.sort(key=lambda volume: volume.number)
    return resource


def names(text: str) -> list[str]:
    """Return the names of all resources, in the order of the text."""
    return [fields["name"] for kind, fields in _objects(text) if kind == "resource" and "name" in fields]


def owners(text: str, minors: Collection[int]) -> list[str]:
    """Return the names of the resources that have a device with one of these minor numbers, each name once."""
    devices = (fields for kind, fields in _objects(text) if kind == "device")
    found = {fields.get("name", ""): None for fields in devices if _number(fields, "minor") in minors}
    return [name for name in found if name]


def _objects(text: str, name: str | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (kind, fields) for each object of the resource `name`, or of all resources if `name` is None."""
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3 or words[0] != "exists":
            continue
        fields = dict(word.partition(":")[::2] for word in words[2:])
        if name is None or fields.get("name") == name:
            yield words[1], fields


def _number(fields: dict[str, str], key: str) -> int | None:
    text = fields.get(key, "")
    return int(text) if text.isdecimal() and text.isascii() else None


def _peer(fields: dict[str, str]) -> str:
    return fields.get("peer-node-id", "0")
