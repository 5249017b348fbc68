# SPDX-License-Identifier: GPL-2.0-or-later
"""A pair that the agents of ClusterLabs and LINBIT run, put together from all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from twinsan.errors import Misconfigured, Reason
from twinsan.operate.adoption import (
    addresses,
    clusterlabs,
    corosync,
    drbd_file,
    fencing,
    remarks,
    replicas,
    secrets,
    takeover,
)
from twinsan.operate.adoption.found import Found, Node, Replica, Served
from twinsan.site import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.operate.adoption.cib import Cib
    from twinsan.operate.adoption.found import Notes, Target

_DRBD = ("ocf:linbit:drbd", "ocf:heartbeat:drbd")

NOTHING = Reason(
    Misconfigured,
    "{source} has no iSCSITarget and no iSCSILogicalUnit of ocf:heartbeat",
    "for a target of targetcli type: twinsan adopt --saveconfig",
)
OURS = Reason(Misconfigured, "{source} has resources of ocf:twinsan already", "its site file is the one it was made of")


@dataclass
class Sources:
    """What is known beside the cluster's configuration: texts, "" for none, and the networks of this node. `confirm`
    asks the kernel of this node.
    """

    drbd: str = ""
    drbd_name: str = "drbdadm dump-xml"
    corosync: str = ""
    interfaces: tuple[str, ...] = ()
    confirm: Callable[[list[Target], Notes], None] | None = None


def read(cib: Cib, source: str, known: Sources) -> tuple[Found, takeover.Old]:
    """Return what serves, and what of the configuration the take-over removes. Raises Misconfigured if nothing does."""
    if any(each.agent.startswith("ocf:twinsan:") for each in cib.primitives):
        raise OURS(source=source)
    if not cib.of(clusterlabs.TARGET, clusterlabs.LUN):
        raise NOTHING(source=source)
    found = Found(source)
    notes = found.notes
    conf = corosync.Conf(known.corosync)
    found.name = conf.name or cib.properties.get("cluster-name", "")
    found.witness = conf.witness
    found.interfaces = [*addresses.known(cib), *known.interfaces]
    _keep_times(found, conf)
    dumped = replicas.read(known.drbd, known.drbd_name) if known.drbd else []
    found.nodes = _nodes(cib, conf, dumped)
    targets = clusterlabs.targets(cib, notes)
    if known.confirm is not None:
        known.confirm(targets, notes)
    clusterlabs.admit(targets, notes)
    own = {link for node in found.nodes for link in node.links}
    own |= {address for replica in dumped for address in replica.addresses.values()}
    addresses.assign(cib, targets, own, notes)
    found.fencing = fencing.read(cib, found.nodes, notes)
    found.served = [_served(target, cib, dumped, notes) for target in targets]
    _name(found, cib)
    _keep_secrets(found, cib)
    old = _old(cib, found)
    remarks.note_all(found, cib, old)
    return found, old


def _keep_times(found: Found, conf: corosync.Conf) -> None:
    sane = model.Policy()
    if conf.token not in (0, sane.token_ms):
        found.policy["token_ms"] = conf.token
    # A pair needs less than corosync takes by default, which is more than the token; its file stays as it is.
    if 0 < conf.consensus < (conf.token or sane.token_ms) and conf.consensus != sane.consensus_ms:
        found.policy["consensus_ms"] = conf.consensus


def _nodes(cib: Cib, conf: corosync.Conf, dumped: list[Replica]) -> list[Node]:
    """The nodes of the cluster with their links; those of corosync or DRBD if the configuration names none."""
    names = cib.nodes or [node.name for node in conf.nodes] or [name for each in dumped[:1] for name in each.addresses]
    links = {node.name: node.links for node in conf.nodes}
    return [Node(name, list(links.get(name, []))) for name in dict.fromkeys(names)]


def _served(target: Target, cib: Cib, dumped: list[Replica], notes: Notes) -> Served:
    """Find the DRBD resource of a target: that of its disks, or the one that constraints tie to it."""
    below = [replicas.of_path(disk.path, dumped) for disk in target.disks]
    named = list(dict.fromkeys(name for name, _, _ in below if name))
    for disk, (name, _, _) in zip(target.disks, below):
        if name and name != named[0]:
            remedy = "serve it by a target of its own: a site has one target for each DRBD resource"
            notes.lose(disk.place, f"its disk is of DRBD resource {name}, and that of others of {named[0]}", remedy)
        elif disk.path and not disk.path.startswith("/dev/drbd"):
            remedy = "a LUN of a site is a volume of DRBD. Serve the volume itself, or configure lio-lun by hand"
            notes.lose(disk.place, f"its path is {disk.path}", remedy)
    linked = cib.linked(target.place) if target.place else set()
    if not named:
        clones = [each for each in cib.of(*_DRBD) if each.top in linked] or cib.of(*_DRBD)
        named = list(dict.fromkeys(each.values.get("drbd_resource", "") for each in clones))
        named = named if len(named) == 1 else []
    resource = named[0] if named else ""
    replica = next((each for each in dumped if each.name == resource), None)
    if replica:
        drbd_file.check(replica, notes)
    return Served(target, resource, replica)


def _name(found: Found, cib: Cib) -> None:
    """Give each resource a name of its own in the site file, and a suffix where names in the cluster would clash."""
    taken: set[str] = set()
    for number, served in enumerate(found.served, 1):
        if served.resource in taken:
            remedy = "give one of them disks of another DRBD resource: a site has one target for each"
            found.notes.lose(served.target.place, f"a second target for DRBD resource {served.resource}", remedy)
            # No such name of DRBD: the site file is refused until that is done.
            served.resource = f"{served.resource} ({number})"
        taken.add(served.resource)
        plain = "".join(each if each.isascii() and each.isalnum() else "_" for each in served.resource)[:25]
        suffixes = ["", "_san", *(f"_san{each}" for each in range(2, 10))]
        if len(found.served) > 1:
            suffixes = [f"_{plain}", *(f"_san{each}_{plain}" for each in ("", *range(2, 10)))]
        used = {each.suffix for each in found.served[: number - 1]}
        served.suffix = next(
            (each for each in suffixes if not (_new_names(served, each) & cib.ids or each in used - {""})), suffixes[-1]
        )


def _new_names(served: Served, suffix: str) -> set[str]:
    """The names in the cluster of all that serves a resource."""
    parts = ["p_drbd", "ms_drbd", "c_target", "p_target", "g_san", "p_portal"]
    parts += [f"p_portal{number}" for number in range(2, len(served.target.addresses) + 1)]
    parts += [f"p_lun{disk.number}" for disk in served.target.disks]
    return {f"{part}{suffix}" for part in parts}


def _keep_secrets(found: Found, cib: Cib) -> None:
    """Tell how each CHAP secret gets into its file."""
    places = {each.name: each for each in cib.of(clusterlabs.TARGET)}
    for served in found.served:
        primitive = places.get(served.target.place)
        if primitive is not None and "incoming_password_file" in served.target.values:
            path = f"{secrets.CHAP}{served.suffix}"
            served.target.values["incoming_password_file"] = path
            name = "incoming_password"
            found.secrets.append(secrets.of_resource(primitive.name, name, primitive.values.get(name, ""), path))


def _old(cib: Cib, found: Found) -> takeover.Old:
    targets = [served.target for served in found.served]
    names = {address.place for target in targets for address in target.addresses}
    names |= {each.name for each in addresses.portblocks(cib, targets)}
    resources = {served.resource for served in found.served}
    below = [each for each in cib.of(*_DRBD) if each.values.get("drbd_resource", "") in resources]
    names |= {each.name for each in (*cib.of(clusterlabs.TARGET, clusterlabs.LUN), *below)}
    members = [each for each in cib.primitives if each.name in names]
    return takeover.Old(cib, members, below, [node.name for node in found.nodes])
