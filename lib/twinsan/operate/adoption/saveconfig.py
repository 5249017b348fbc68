# SPDX-License-Identifier: GPL-2.0-or-later
"""The targets of a file that targetcli has saved (saveconfig.json).

rtslib-fb has no reader for it that leaves the kernel alone: its restore makes each object in configfs as it reads it,
and RTSRoot alone loads modules and writes dbroot. So the file is read as the JSON that it is.
"""

from __future__ import annotations

import json

from twinsan.errors import Misconfigured, Reason
from twinsan.operate.adoption import access, addresses, clusterlabs, found, saved_attributes
from twinsan.operate.adoption.found import Address, Disk, Found, Target
from twinsan.operate.adoption.saved import inner, objects, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.found import Notes
    from twinsan.operate.adoption.saved import Saved

# Where distributions have it.
PLACES = ("/etc/target/saveconfig.json", "/etc/rtslib-fb-target/saveconfig.json")

NO_JSON = Reason(
    Misconfigured, "{source} is not what targetcli saves: {error}", "save it with: targetcli saveconfig FILE"
)
NO_TARGET = Reason(
    Misconfigured, "{source} has no iSCSI target", "save it on the server that serves: targetcli saveconfig FILE"
)

_ONE_GROUP = "twinsan serves one portal group with tag 1. Hosts that know another tag have to discover the target again"
_NO_DISK = "serve a block device instead, and move the data by the hosts to it"
_READONLY = "lio-lun serves a disk that can be written. Leave it out, or keep its hosts from writing"
_WILDCARD = (
    "a portal of a pair is an address that moves. If hosts know the server by an address, give that to the site file, "
    "and the server another one"
)
_MOVES = "portal-ip brings it up: take it out of the network configuration of the server when you take over"
_ISER = "iSER is not supported: hosts go on with TCP"

# What is served without the name of its backstore as the product.
_KERNELS_PRODUCT = {"block": "IBLOCK", "fileio": "FILEIO"}
_PRODUCT_LENGTH = 15


def read(text: str, source: str) -> Found:
    """Return what a file saves. Raises Misconfigured for what is no such file, or has no target of iSCSI."""
    try:
        saved = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NO_JSON(source=source, error=error) from None
    if not isinstance(saved, dict):
        raise NO_JSON(source=source, error="it is no object")
    made = Found(source)
    storage = {
        f"/backstores/{word(each, 'plugin')}/{word(each, 'name')}": each for each in objects(saved, "storage_objects")
    }
    targets = [
        (number, each) for number, each in enumerate(objects(saved, "targets")) if word(each, "fabric") == "iscsi"
    ]
    for number, each in targets:
        groups = objects(each, "tpgs")
        for place, group in enumerate(groups):
            if place and not objects(group, "luns"):
                continue
            target = _target(word(each, "wwn"), group, storage, made.notes)
            made.served.append(found.Served(target, "", None))
            access.grant(target, group, f'c["targets"][{number}]["tpgs"][{place}]', made, source)
    if not made.served:
        raise NO_TARGET(source=source)
    return made


def _target(iqn: str, group: Saved, storage: dict[str, Saved], notes: Notes) -> Target:
    target = Target(iqn.lower(), iqn)
    if word(group, "tag") not in ("1", ""):
        notes.lose(iqn, f"portal group {word(group, 'tag')}", _ONE_GROUP)
    for portal in objects(group, "portals"):
        ip, port = addresses.canonical(word(portal, "ip_address").strip("[]")), word(portal, "port") or "3260"
        if ip in ("0.0.0.0", "::"):
            notes.lose(iqn, f"portal {ip}:{port}, on all addresses", _WILDCARD)
        else:
            target.addresses.append(Address(ip, port, place=iqn))
            notes.lose(iqn, f"portal {ip}:{port} is an address of the server", _MOVES)
        if word(portal, "iser") == "1":
            notes.change(f"{iqn}: portal {ip}:{port} has iSER", _ISER)
    for lun in objects(group, "luns"):
        named = word(lun, "storage_object")
        target.disks.append(_disk(word(lun, "index"), named, storage.get(named, {}), notes))
        if word(lun, "alua_tg_pt_gp_name") not in ("", "default_tg_pt_gp"):
            remedy = "twinsan serves by the default group: all paths are active"
            notes.lose(named, f"ALUA group {word(lun, 'alua_tg_pt_gp_name')}", remedy)
    parameters = saved_attributes.of_target(group, iqn, notes)
    target.values.update(parameters)
    return target


def _disk(number: str, named: str, storage: Saved, notes: Notes) -> Disk:
    plugin, name = word(storage, "plugin"), word(storage, "name")
    disk = Disk(number, word(storage, "dev"), named, serial=word(storage, "wwn"))
    attributes = inner(storage, "attributes")
    aliased = clusterlabs.is_on(word(attributes, "emulate_model_alias"))
    disk.product = name[:_PRODUCT_LENGTH].strip() if aliased else _KERNELS_PRODUCT.get(plugin, "")
    if plugin not in _KERNELS_PRODUCT:
        notes.lose(named, f"a backstore of type {plugin or 'unknown'}", _NO_DISK)
    if word(storage, "readonly") == "1":
        notes.lose(named, "it is read-only", _READONLY)
    disk.primitives = saved_attributes.primitives(attributes)
    rotates = word(attributes, "is_nonrot")
    disk.rotates = rotates != "1" if rotates else None
    saved_attributes.check(attributes, named, notes)
    return disk
