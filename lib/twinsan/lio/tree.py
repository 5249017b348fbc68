# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks over LIO's tree: the storage objects below core/, the targets and portal groups below iscsi/."""

from __future__ import annotations

from twinsan.lio import configfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# The folder of ALUA's logical unit groups, which stands among the adapters.
_NO_ADAPTER = "alua"

# How the kernel names the places of portal groups. A target has attributes and folders beside them.
_GROUP_PREFIX = "tpgt_"


def storage_objects() -> Iterator[str]:
    """The places of all storage objects (core/ADAPTER/NAME), in order, whoever made them."""
    core = configfs.place("core")
    for adapter in configfs.names(core):
        if adapter == _NO_ADAPTER:
            continue
        for name in configfs.names(f"{core}/{adapter}"):
            place = f"{core}/{adapter}/{name}"
            # What has none is an attribute of the adapter.
            if configfs.exists(f"{place}/enable"):
                yield place


def targets() -> list[str]:
    """The iSCSI names of all targets. The fabric has folders of its own beside them."""
    return [name for name in configfs.names(configfs.place("iscsi")) if name.startswith(("iqn.", "eui.", "naa."))]


def portal_groups(iqn: str | None = None) -> Iterator[str]:
    """The places of all portal groups (iscsi/IQN/tpgt_TAG), in order; those of one target where `iqn` names it."""
    for target in configfs.names(configfs.place("iscsi")) if iqn is None else [iqn]:
        place = configfs.place("iscsi", target)
        yield from (f"{place}/{name}" for name in configfs.names(place) if name.startswith(_GROUP_PREFIX))
