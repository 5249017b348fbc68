# SPDX-License-Identifier: GPL-2.0-or-later
"""The shape of what the kernel says of DRBD and LIO: records, each field with its description."""

from __future__ import annotations

from twinsan.operate.facts.fact import Record, fact


class Peer(Record):
    """A volume's replica on a peer, as this node's DRBD knows it."""

    name: str = fact("the peer's host name; peer with DRBD 8.4, which does not say it")
    role: str = fact("Primary, Secondary or Unknown")
    connection: str = fact("the state of the connection; with DRBD 8.4 it may be that of the replication")
    connected: bool = fact("whether the connection is up")
    disk: str = fact("the state of its disk, such as UpToDate")
    replication: str = fact("the state of replication, such as Established or SyncSource")
    resyncing: bool = fact("whether a resync runs, or is about to")
    paused: bool = fact("whether a resync is paused")
    done_percent: float | None = fact("how much of a resync or verify is done")
    seconds_left: int | None = fact("how long a resync will take, by DRBD")
    out_of_sync_kib: int | None = fact("what a resync has to copy")
    in_flight_bytes: int | None = fact("sent and not yet confirmed by the peer: the lag of protocol A (DRBD 9)")
    congested: bool | None = fact("whether the connection cannot keep up (DRBD 9)")


class Volume(Record):
    """A volume of a DRBD resource on this node."""

    number: int = fact("its number in the resource")
    minor: int = fact("N of its device /dev/drbdN")
    disk: str = fact("the state of the local disk, such as UpToDate")
    quorum: bool | None = fact("whether it has DRBD's own quorum (DRBD 9)")
    peers: tuple[Peer, ...] = fact("its replicas on the peers")


class Replication(Record):
    """A DRBD resource that is up on this node."""

    drbd: str = fact("its name")
    role: str = fact("Primary or Secondary")
    suspended: tuple[str, ...] = fact(
        "why its I/O is frozen: any of user, no-data, fencing and quorum; empty if it is not"
    )
    ailment: str = fact("the most serious reason why it is not well, with what to type; empty if it is well")
    split_brain: bool | None = fact(
        "whether DRBD has found a split brain that is not healed; null if notes are unreadable"
    )
    volumes: tuple[Volume, ...] = fact("its volumes")


class LunUse(Record):
    """What an initiator has done with a LUN since it was mapped."""

    lun: int = fact("the number of the LUN")
    commands: int | None = fact("how many commands")
    read_mib: int | None = fact("how much was read")
    written_mib: int | None = fact("how much was written")


class Session(Record):
    """An initiator that the target admits, and its session, the last one if it has several."""

    initiator: str = fact("its iSCSI name")
    logged_in: bool = fact("whether it has a session")
    state: str | None = fact("the kernel's state of the connection, such as LOGGED_IN")
    address: str | None = fact("its IP address")
    parameters: dict[str, str] = fact("the iSCSI parameters that were negotiated; empty without a session")
    queue_depth: int | None = fact("how many commands it may have outstanding")
    commands: int | None = fact("command PDUs in the session")
    received_bytes: int | None = fact("data that it has written to the LUNs since they were mapped to it, in whole MiB")
    sent_bytes: int | None = fact("data that it has read in the session")
    digest_errors: int | None = fact("connections lost for a wrong digest")
    timeout_errors: int | None = fact("connections lost for a time-out")
    luns: tuple[LunUse, ...] = fact("the LUNs that it sees")


class Portal(Record):
    """An address that a target listens on."""

    address: str = fact("the IP address")
    port: int = fact("the TCP port")
    here: bool | None = fact("whether this node has the address")


class Target(Record):
    """An iSCSI target in this node's kernel."""

    target: str = fact("its IQN")
    enabled: bool = fact("whether it accepts logins; on a node that stands by it does not")
    portals: tuple[Portal, ...] = fact("what it listens on")
    sessions: tuple[Session, ...] = fact("the initiators that it admits")
    failed_logins: int | None = fact("logins that were refused since the target was made")


class Reservation(Record):
    """The persistent reservation of a LUN."""

    registrants: int = fact("how many initiators are registered")
    type: str | None = fact("the type of the reservation; null for none")
    holder: str | None = fact("the initiator that holds it; null for none")


class Lun(Record):
    """A LUN in this node's kernel."""

    target: str | None = fact("the IQN of its target; null if it is not shown by any")
    lun: int | None = fact("its number")
    resource: str | None = fact("its name in the cluster; null if that does not know it")
    device: str = fact("its block device")
    size_bytes: int | None = fact("its size")
    serial: str = fact("its unit serial")
    naa: str = fact("its NAA name, by which ESXi knows it")
    product: str = fact("vendor and product, as hosts see them")
    vaai: tuple[str, ...] = fact("the primitives that it has, of ats, xcopy, write_same and unmap")
    alua: str | None = fact("its ALUA state, such as active/optimized")
    reservation: Reservation | None = fact("who is registered and who holds a reservation")
    commands: int | None = fact("commands since it was made")
    read_mib: int | None = fact("read since it was made")
    written_mib: int | None = fact("written since it was made")
    resets: int | None = fact("resets by hosts since it was made")
