# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan reservations``: who is registered with each LUN, who holds it, and where that is kept."""

from __future__ import annotations

import json
import os
import sys
from xml.etree import ElementTree as ET

from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.system import cib, command, configfs, lio, lock, naa, reservations, state, storage_object
from twinsan.system.reservation_store import Lost, Store

# SPC-3, table 107.
_TYPES = {
    1: "Write Exclusive",
    3: "Exclusive Access",
    5: "Write Exclusive, Registrants Only",
    6: "Exclusive Access, Registrants Only",
    7: "Write Exclusive, All Registrants",
    8: "Exclusive Access, All Registrants",
}
_HEADINGS = ("LUN", "INITIATOR", "KEY", "HOLDS", "KEPT IN")

_SECONDS = 20.0


class Lun:
    """A LUN: the name of its resource, and its unit serial; where it is served here, the place of its storage object.
    `resource` is the DRBD resource whose state volume it has, where that is named.
    """

    __slots__ = ("name", "path", "place", "resource", "serial")

    def __init__(self, name: str, serial: str, *, path: str = "", resource: str = "", place: str = "") -> None:
        self.name = name
        self.serial = serial
        self.path = path
        self.resource = resource
        self.place = place

    def store(self, *, clustered: bool) -> Store:
        """Where its reservations are kept."""
        return Store(self.serial, self.name, state.of(self.path, self.resource), _note, clustered=clustered)


class Kept:
    """What is reserved of a LUN: the registrations, None where they are unknown here, and where they are kept."""

    __slots__ = ("lun", "registrations", "where")

    def __init__(self, lun: Lun, registrations: list[reservations.Registration] | None, where: str) -> None:
        self.lun = lun
        self.registrations = registrations
        self.where = where

    @property
    def kind(self) -> int:
        """The type of the reservation; 0 for none."""
        return max((each.kind for each in self.registrations or ()), default=0)

    def holds(self, registration: reservations.Registration) -> bool:
        """Whether a registrant holds the reservation."""
        return bool(registration.kind) or self.kind in reservations.ALL_REGISTRANTS


def show(name: str | None, *, as_json: bool) -> int:
    """Print what is reserved of the LUN `name`, or of all; returns the exit status."""
    deadline = Deadline(_SECONDS)
    clustered, luns = _luns(deadline)
    found = [_kept(lun, clustered, deadline) for lun in luns if name in (None, lun.name)]
    print(json.dumps([_plain(each) for each in found], indent=2) if as_json else _table(found))
    return 0


def remove(initiator: str, name: str) -> int:
    """Take the registrations of an initiator with a LUN away, which nobody serves; returns the exit status."""
    deadline = Deadline(_SECONDS)
    clustered, luns = _luns(deadline)
    lun = next((each for each in luns if each.name == name), None)
    if lun is None:
        raise Failure(f"there is no LUN {name}; those that there are: {' '.join(each.name for each in luns) or 'none'}")
    with lock.Held(lio.LOCK, deadline):
        _require_stopped(lun, clustered, deadline)
        store = lun.store(clustered=clustered)
        text = store.recall(deadline)
        names = sorted({each.initiator for each in reservations.parse(text)})
        if initiator not in names:
            raise Failure(f"{initiator} is not registered with {name}; who is: {' '.join(names) or 'nobody'}")
        store.replace(reservations.without(text, initiator), deadline)
    print(f"{initiator} is not registered with {name} any more, by the {store.kept_in}. To serve the LUN again, type:")
    print(f"crm_resource --resource {name} --meta --delete-parameter target-role && crm_resource --cleanup -r {name}")
    return 0


def _luns(deadline: Deadline) -> tuple[bool, list[Lun]]:
    """Whether a cluster runs here, and the LUNs that it has or that this node serves by hand, by their names."""
    here = {lun.serial: lun for lun in _served()}
    try:
        configured = list(_configured(cib.query(deadline)))
    except (command.CommandFailed, Failure) as failure:
        _note(f"without the cluster: {failure}")
        return False, sorted(here.values(), key=lambda lun: lun.name)
    for lun in configured:
        served = here.pop(lun.serial, None)
        lun.place = served.place if served else ""
    return True, sorted([*configured, *here.values()], key=lambda lun: lun.name)


def _configured(text: str) -> list[Lun]:
    found = []
    configuration = ET.fromstring(text)  # noqa: S314  the cluster's own
    templates = {template.get("id"): template for template in configuration.iter("template")}
    for primitive in configuration.iter("primitive"):
        # What a primitive is stands in its template, if it has one; its own values go before the template's.
        template = templates.get(primitive.get("template"), primitive)
        if (template.get("provider"), template.get("type")) != ("twinsan", "lio-lun"):
            continue
        values = {**_parameters(template), **_parameters(primitive)}
        number = values.get("lun", "")
        serial = values.get("scsi_sn") or naa.serial(values.get("target_iqn", "").lower(), int(number or 0))
        resource = values.get("state_resource", "")
        found.append(Lun(primitive.get("id", "?"), serial, path=values.get("path", ""), resource=resource))
    return found


def _parameters(element: ET.Element) -> dict[str, str]:
    pairs = element.findall("instance_attributes/nvpair")
    return {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def _served() -> list[Lun]:
    """The LUNs of this node's kernel that agents made, which keep their reservations in a file."""
    found = []
    core = configfs.place("core")
    for adapter in configfs.names(core):
        for name in configfs.names(f"{core}/{adapter}"):
            place = f"{core}/{adapter}/{name}"
            serial = storage_object.serial(place)
            if serial and os.path.lexists(reservations.file(serial)):
                path = configfs.read(f"{place}/udev_path") or ""
                found.append(Lun(storage_object.notes(place).get("resource", name), serial, path=path, place=place))
    return found


def _kept(lun: Lun, clustered: bool, deadline: Deadline) -> Kept:
    store = lun.store(clustered=clustered)
    if lun.place:
        text = state.read(reservations.file(lun.serial)) or reservations.NONE
        where = store.kept_in if store.connected else "cluster" if clustered else "this node"
        return Kept(lun, reservations.parse(text), where)
    try:
        return Kept(lun, reservations.parse(store.recall(deadline)), store.kept_in)
    except Lost:
        return Kept(lun, None, "state volume, not here")


def _table(found: list[Kept]) -> str:
    rows = [_HEADINGS]
    for each in found:
        lines = _lines(each)
        rows += [(each.lun.name, *lines[0], each.where), *(("", *line, "") for line in lines[1:])]
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _lines(kept: Kept) -> list[tuple[str, str, str]]:
    """Initiator, key, and what it holds, of each registration."""
    if kept.registrations is None:
        return [("reserved: type this on the node that serves it", "", "")]
    name = _TYPES.get(kept.kind, f"type {kept.kind}")
    lines = [(each.initiator, f"0x{each.key:x}", name if kept.holds(each) else "-") for each in kept.registrations]
    return lines or [("-", "-", "-")]


def _plain(kept: Kept) -> dict[str, object]:
    """For JSON: names that stay."""
    registrations = [
        {"initiator": each.initiator, "session": each.session, "key": f"0x{each.key:x}", "holder": kept.holds(each)}
        for each in kept.registrations or ()
    ]
    return {
        "lun": kept.lun.name,
        "serial": kept.lun.serial,
        "kept_in": kept.where,
        "known": kept.registrations is not None,
        "type": kept.kind or None,
        "type_name": _TYPES.get(kept.kind),
        "registrations": registrations,
    }


def _require_stopped(lun: Lun, clustered: bool, deadline: Deadline) -> None:
    """Refuse to change what a kernel has in its memory: it lets nobody but the initiators change it, and would write
    its own over the change.
    """
    nodes = _running_on(lun.name, deadline) if clustered else []
    if lun.place and not nodes:
        nodes = [os.uname().nodename]
    if nodes:
        raise Failure(
            f"{lun.name} is served by {' '.join(nodes)}, whose kernel alone can change it; stop it, when its hosts can "
            f"bear a pause: crm_resource --resource {lun.name} --meta --set-parameter target-role --parameter-value "
            "Stopped; then type this again"
        )


def _running_on(name: str, deadline: Deadline) -> list[str]:
    result = command.run("crm_resource", "--locate", "--resource", name, deadline=deadline, check=False)
    lines = [line.partition(" is running on: ")[2] for line in result.stdout.splitlines()]
    return [line.split()[0] for line in lines if line.strip()]


def _note(text: str) -> None:
    print(f"twinsan: {text}", file=sys.stderr)
