# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks over LIO's tree: the storage objects below core/, the targets and portal groups below iscsi/."""

from __future__ import annotations

from twinsan.lio import configfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# The directory of ALUA's logical unit groups, which is among the adapters.
_NO_ADAPTER = "alua"

# The kernel's prefix for portal groups. A target has attributes and other directories beside them.
_GROUP_PREFIX = "tpgt_"


def storage_objects() -> Iterator[str]:
    """The configfs paths of all storage objects (core/ADAPTER/NAME), in order, whoever made them."""
    core = configfs.place("core")
    for adapter in configfs.names(core):
        if adapter == _NO_ADAPTER:
            continue
        for name in configfs.names(f"{core}/{adapter}"):
            place = f"{core}/{adapter}/{name}"
            # Without `enable` it is an attribute of the adapter.
            if configfs.exists(f"{place}/enable"):
                yield place


def targets() -> list[str]:
    """The iSCSI names of all targets. The fabric has directories of its own beside them."""
    return [name for name in configfs.names(configfs.place("iscsi")) if name.startswith(("iqn.", "eui.", "naa."))]


def portal_groups(iqn: str | None = None) -> Iterator[str]:
    """The configfs paths of all portal groups (iscsi/IQN/tpgt_TAG), in order; of one target if `iqn` is given."""
    for target in configfs.names(configfs.place("iscsi")) if iqn is None else [iqn]:
        place = configfs.place("iscsi", target)
        yield from (f"{place}/{name}" for name in configfs.names(place) if name.startswith(_GROUP_PREFIX))
