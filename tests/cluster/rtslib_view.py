# SPDX-License-Identifier: GPL-2.0-or-later
"""A target as rtslib-fb has it: `read`, `save`, `restore` and `remove`. Runs in a guest, for test_rtslib.

Usage: rtslib_view.py VERB IQN [FILE]. Prints its answer as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rtslib_fb import NodeACL, RTSRoot
from rtslib_fb.node import CFSNode
from rtslib_fb.tcm import StorageObject

_DBROOT = "/sys/kernel/config/target/dbroot"


def _root() -> RTSRoot:
    """LIO's tree. RTSRoot would write the folder that its distribution prefers into dbroot, which moves the place of
    persistent reservations; so it is made to prefer what is there.
    """
    RTSRoot._preferred_dbroot = Path(_DBROOT).read_text(encoding="ascii").strip()
    return RTSRoot()


def read(iqn: str) -> dict[str, Any]:
    """All that rtslib knows of a target with one portal group."""
    (target,) = (target for target in _root().targets if target.wwn == iqn)
    (group,) = target.tpgs
    return {
        "group": group.tag,
        "enabled": group.enable,
        "attributes": _attributes(group),
        "parameters": {name: group.get_parameter(name) for name in group.list_parameters(readable=True)},
        "portals": sorted(f"{portal.ip_address}:{portal.port}" for portal in group.network_portals),
        "luns": {str(lun.lun): _storage(lun.storage_object) for lun in group.luns},
        "initiators": {acl.node_wwn: _access(acl) for acl in group.node_acls},
    }


def _storage(storage: StorageObject) -> dict[str, Any]:
    return {
        "name": storage.name,
        "plugin": storage.plugin,
        "device": storage.udev_path,
        "serial": storage.wwn,
        "status": storage.status,
        "attributes": _attributes(storage),
    }


def _access(acl: NodeACL) -> dict[str, Any]:
    return {
        "chap": [acl.chap_userid, acl.chap_password, acl.chap_mutual_userid, acl.chap_mutual_password],
        "authenticate_target": acl.authenticate_target,
        "queue_depth": int(acl.tcq_depth),
        # By its number there: the number in the portal group, and whether it is read-only.
        "luns": {str(mapped.mapped_lun): [mapped.tpg_lun.lun, mapped.write_protect] for mapped in acl.mapped_luns},
    }


def _attributes(node: CFSNode) -> dict[str, str]:
    return {name: node.get_attribute(name) for name in node.list_attributes(readable=True)}


def save(_iqn: str, file: str) -> None:
    """Save the whole tree, as `targetcli saveconfig` does."""
    _root().save_to_file(file)


def restore(iqn: str, file: str) -> list[str]:
    """Make a target, and the storage objects that are its LUNs, as a file has them; returns what could not be set."""
    return list(_root().restore(_part(iqn, file), clear_existing=False))


def remove(iqn: str, file: str) -> None:
    """Take away what `restore` made, or a part of it."""
    root = _root()
    for target in [target for target in root.targets if target.wwn == iqn]:
        target.delete()
    names = [storage["name"] for storage in _part(iqn, file)["storage_objects"]]
    for storage in [storage for storage in root.storage_objects if storage.name in names]:
        storage.delete()


def _part(iqn: str, file: str) -> dict[str, Any]:
    """What a file has of one target."""
    saved = json.loads(Path(file).read_text(encoding="ascii"))
    targets = [target for target in saved["targets"] if target["wwn"] == iqn]
    paths = {lun["storage_object"] for target in targets for group in target["tpgs"] for lun in group["luns"]}
    storage = [each for each in saved["storage_objects"] if f"/backstores/{each['plugin']}/{each['name']}" in paths]
    return {"targets": targets, "storage_objects": storage}


if __name__ == "__main__":
    verbs: dict[str, Callable[..., object]] = {"read": read, "save": save, "restore": restore, "remove": remove}
    print(json.dumps(verbs[sys.argv[1]](*sys.argv[2:])))
