# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said of what was found: what stays the same for hosts, what changes, and what happens to other resources."""

from __future__ import annotations

from twinsan.lio import naa
from twinsan.operate.adoption import clusterlabs, fencing, replicas

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.cib import Cib
    from twinsan.operate.adoption.found import Found, Notes, Served
    from twinsan.operate.adoption.takeover import Old

# Why other resources are left alone, or not needed any more.
_LEFT = "no part of the SAN: it stays as it is"
_NO_LUN = "no LUN. If nothing uses it, it can keep the persistent reservations: state, in the site file"
_NOT_NEEDED = {
    "portblock": "not needed: portal-ip starts last and stops first, so nothing has to be blocked",
    "SendArp": "not needed: portal-ip announces its address",
    "drbd-attr": "not needed: drbd-vaai publishes its score itself",
    "Filesystem": "no part of the SAN; if it is there for portblock's tickle_dir, it is not needed any more",
    "target": "not needed, and it has to go: it makes the targets of targetcli's own file",
    "rtslib-fb-targetctl": "not needed, and it has to go: it makes the targets of targetcli's own file",
}
_IN_THE_WAY = "it would be deleted with {top}. Take it out of that first, if it is still needed; {why}"
_STOPPED = "it stays stopped until you start it; the new one starts"


def note_all(found: Found, cib: Cib, old: Old) -> None:
    """Note what stays the same for hosts, what changes, and what happens to all other resources."""
    notes = found.notes
    for served in found.served:
        keep_identity(served, notes)
        _note_volumes(served, notes)
    _note_members(old, notes)
    _note_others(cib, old, notes)
    _note_properties(cib, notes)
    note_changes(notes)


def _note_members(old: Old, notes: Notes) -> None:
    for each in old.members:
        if each.conditional:
            notes.lose(
                each.name, "a rule decides on its parameters", "see which values hold, and correct the site file"
            )
        if each.meta.get("target-role", "").lower() == "stopped":
            notes.change(f"{each.name} is stopped", _STOPPED)
        if each.kind == "portblock":
            clusterlabs.note_parameters("portal-ip", each, notes)
        elif each in old.replicas:
            clusterlabs.note_parameters("drbd-vaai", each, notes)


def _note_volumes(served: Served, notes: Notes) -> None:
    """Note the volumes of a DRBD resource that are no LUN."""
    replica = served.replica
    lun_volumes = [replicas.of_path(disk.path, [replica])[2] for disk in served.target.disks] if replica else []
    for volume in replica.volumes if replica else []:
        if volume not in lun_volumes:
            notes.leave(f"volume {volume.number} of {served.resource} ({volume.device})", _NO_LUN)


def _note_others(cib: Cib, old: Old, notes: Notes) -> None:
    strangers = old.strangers()
    fenced = fencing.devices(cib)
    for each in cib.primitives:
        why = _NOT_NEEDED.get(each.kind, _LEFT)
        if each in strangers:
            notes.lose(each.name, f"{each.agent} in {each.top}", _IN_THE_WAY.format(top=each.top, why=why))
        elif each not in old.members and each not in fenced:
            notes.leave(f"{each.name} ({each.agent})", why)


def _note_properties(cib: Cib, notes: Notes) -> None:
    if cib.is_fencing_off:
        notes.lose("property stonith-enabled", "fencing is off", "the new configuration needs it: it is deleted there")
    if cib.properties.get("no-quorum-policy") == "ignore":
        remedy = "give corosync.conf two_node: 1; then: crm_attribute --name no-quorum-policy --delete"
        notes.lose("property no-quorum-policy", "ignore", remedy)


def keep_identity(served: Served, notes: Notes) -> None:
    """Note what stays the same for hosts."""
    target = served.target
    source = target.place or "the disks"
    notes.keep("target", f"{target.iqn}, portal group 1", source)
    for address in target.addresses:
        notes.keep("portal", f"{address.ip}:{address.port}", address.place or source)
    for disk in target.disks:
        where = f"{disk.place}, as the kernel has it" if disk.for_sure else disk.place
        what = f"LUN {disk.number}"
        notes.keep(what, f"serial {disk.serial} = {naa.name(disk.serial)}", where)
        notes.keep(what, f"vendor {disk.vendor}, product {disk.product}, with {' '.join(disk.primitives)}", where)
    for name, value in target.values.items():
        notes.keep(name, str(value), source)


def note_changes(notes: Notes) -> None:
    """Note what changes with every take-over."""
    notes.change(
        "limits of WRITE SAME and UNMAP, commands in flight, iSCSI parameters that are not given",
        "they are those of twinsan's manual pages. Hosts read them when they log in or rescan, and keep to them",
    )
    notes.change(
        "UNMAP, if a disk is without it",
        "the disk stays as hosts know it. To have it later, without a restart: the parameters vaai, vaai_preferred",
    )
    notes.change(
        "persistent reservations", "hosts register anew. For reservations that survive, add a state volume (state)"
    )
