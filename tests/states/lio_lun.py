# SPDX-License-Identifier: GPL-2.0-or-later
"""What lio-lun answers in every state of a LUN. Its target runs. Places are those below /sys/kernel/config/target."""

from __future__ import annotations

from tests.states.lio_iscsi_target import ONE, TWO
from tests.states.state import RUN, state
from twinsan.lio import configfs
from twinsan.lio.lun import Lun

IQN = "iqn.2003-01.org.example:luns"
TPG = f"iscsi/{IQN}/tpgt_1"
TARGET = {"iqn": IQN, "portals": "10.77.0.60", "allowed_initiators": f"{ONE} {TWO}"}

# Two block devices of 16 MiB.
DISK, OTHER_DISK = f"{RUN}/disk", f"{RUN}/other"
SIZE = 16 << 20
USUAL = {"target_iqn": IQN, "lun": "1", "path": DISK}

_LUN = Lun(IQN, 1, DISK)
_NAME = _LUN.storage.name
_ADAPTER = _LUN.storage.adapter.removeprefix(f"{configfs.root}/")
_STORAGE = f"{_ADAPTER}/{_NAME}"
_UNIT = f"{TPG}/lun/lun_1"
_MAPPINGS = [f"{TPG}/acls/{initiator}/lun_1" for initiator in (ONE, TWO)]

# What a start does, as far as somebody has come with it.
_EMPTY = (f"mkdir {_ADAPTER}", f"mkdir {_STORAGE}")
_WITH_DEVICE = (*_EMPTY, f"write {_STORAGE}/udev_path {DISK}", f"write {_STORAGE}/control udev_path={DISK},readonly=0")
_ENABLED = (*_WITH_DEVICE, f"write {_STORAGE}/enable 1")
_EXPORTED = (f"mkdir {_UNIT}", f"link {_STORAGE} {_UNIT}/{_NAME}")
_MAPPED = tuple(step for place in _MAPPINGS for step in (f"mkdir {place}", f"link {_UNIT} {place}/{_NAME}"))

# Somebody else's backstore.
_STRANGE_ADAPTER = "core/iblock_260918"
_STRANGE = f"{_STRANGE_ADAPTER}/strange"


def _strange(device: str) -> tuple[str, ...]:
    return (
        f"mkdir {_STRANGE_ADAPTER}", f"mkdir {_STRANGE}", f"write {_STRANGE}/control udev_path={device},readonly=0",
        f"write {_STRANGE}/enable 1",
    )  # fmt: skip


_NO_UNMAP = "ats xcopy write_same"

_NO_STRANGER = (f"rmdir {_STRANGE}", f"rmdir {_STRANGE_ADAPTER}")
# For what is waited for in vain.
_SHORT = {"CRM_meta_timeout": "4000"}

STATES = [
    state(
        "nothing is there",
        probe="7", monitor="7", level10="7", level20="7", validate="0", unknown="3 unknown action", reload="7",
        start="0", stop="0",
    ),
    state(
        "it runs", "start",
        probe="0", monitor="0", level10="0", level20="0", validate="0", reload="0", start="0", stop="0",
    ),
    state(
        "LIO is not loaded, and cannot be",
        probe="7", monitor="7", level20="7", start="5 target_core_mod cannot be loaded", stop="0", host="bare",
    ),
    state(
        "nobody's user asks", "as nobody",
        monitor="7", reload="4 reload-agent needs root", start="4 start needs root", stop="4 stop needs root",
    ),
    # Wrong values.
    state(
        "a value is wrong, and nothing runs", given={"emulate_caw": "maybe"},
        probe="7", monitor="6 emulate_caw", validate="6 emulate_caw", reload="6 emulate_caw", start="6 emulate_caw",
        stop="0",
    ),
    state(
        "a value is wrong, and it runs", "start", given={"vendor_id": "too long a vendor"},
        probe="0", monitor="190 goes on as it was configured before", level10="190 vendor_id", level20="190 vendor_id",
        validate="6 vendor_id", reload="190 goes on as it was configured before", start="6 vendor_id", stop="0",
    ),
    state(
        "what is allowed is no difference", "start", given={"accepted_differences": "all"},
        probe="0", monitor="190 FIELD=VALUE", validate="6 accepted_differences",
        reload="190 accepted_differences", start="6 accepted_differences", stop="0",
    ),
    state(
        "a parameter is given that was one once", "start", given={"accepted_fingerprint": "01234567"},
        probe="0", monitor="0", level10="0", validate="0", reload="0", start="0", stop="0",
    ),
    state(
        "its number is none", given={"lun": "first"},
        probe="7", monitor="6 lun", validate="6 lun", start="6 lun", stop="0",
    ),
    state(
        "a primitive is unknown", given={"vaai": "ats locking"},
        probe="7", monitor="6 vaai takes", validate="6 vaai takes", start="6 vaai takes", stop="0",
    ),
    state(
        "a primitive is both required and preferred, and it runs", "start", given={"vaai_preferred": "unmap"},
        probe="0", monitor="190 both name unmap", reload="190 both name unmap", start="6 both name unmap", stop="0",
    ),
    state(
        "a primitive is required and switched off", given={"vaai": "ats", "emulate_caw": "no"},
        probe="7", monitor="6 emulate_caw=no switches it off", start="6 emulate_caw=no switches it off", stop="0",
    ),
    # Another host.
    state(
        "the device cannot discard, and has to", f"thick {DISK}", tidy=(f"thin {DISK}",),
        probe="7", monitor="7", validate="0", reload="7", start="2 unmap is required by parameter vaai", stop="0",
    ),
    state(
        "the device cannot discard, and had better", f"thick {DISK}", tidy=(f"thin {DISK}",),
        given={"vaai": _NO_UNMAP, "vaai_preferred": "unmap"}, then=f"190 is off: {DISK} cannot discard",
        probe="7", monitor="7", start="0", stop="0",
    ),
    state(
        "the device cannot discard, and need not", f"thick {DISK}", tidy=(f"thin {DISK}",), given={"vaai": _NO_UNMAP},
        probe="7", monitor="7", start="0", stop="0",
    ),
    state(
        "the device is missing", given={"path": f"{RUN}/none", **_SHORT},
        probe="7", monitor="7", validate="0", start=f"1 device {RUN}/none is not there", stop="0",
    ),
    state(
        "what is named is no block device", "secret 600 fedcba9876543210", given={"path": f"{RUN}/secret"},
        tidy=("secret 600",), probe="7", monitor="7", start="2 is no block device", stop="0",
    ),
    state(
        "the device is smaller than it has to be", given={"size": str(SIZE + 4096)},
        probe="7", monitor="7", start=f"2 has {SIZE} bytes here instead of {SIZE + 4096}", stop="0",
    ),
    state(
        "the device is larger than is configured", given={"size": "4096"},
        probe="7", monitor="7", start="0", stop="0", then=f"190 has grown to {SIZE} bytes from 4096",
    ),
    state(
        "its target is missing", "target stop", given=_SHORT, tidy=("target start",),
        probe="7", monitor="7", reload="7", start="1 start its lio-iscsi-target first", stop="0",
    ),
    # Half made.
    state(
        "there is nothing but its adapter", f"mkdir {_ADAPTER}",
        probe="7", monitor="7", reload="7", start="0", stop="0",
    ),
    state(
        "its backstore has no device", *_EMPTY,
        probe="1 is not enabled", monitor="1 is not enabled", start="0", stop="0",
    ),
    state(
        "its backstore is not enabled", *_WITH_DEVICE,
        probe="1 is not enabled", monitor="1 is not enabled", start="0", stop="0",
    ),
    state(
        "its backstore is no LUN", *_ENABLED,
        probe="1 is no LUN of the target", monitor="1 is no LUN of the target", start="0", stop="0",
    ),
    state(
        "its number is taken, by no backstore", *_ENABLED, f"mkdir {_UNIT}",
        probe="1 is no LUN of the target", monitor="1 is no LUN of the target", start="0", stop="0",
    ),
    state(
        "nobody sees it", *_ENABLED, *_EXPORTED,
        probe=f"1 is not shown to {ONE} and 1 more", monitor=f"1 is not shown to {ONE} and 1 more", start="0", stop="0",
    ),
    state(
        "an initiator does not see it", "start", f"unlink {_MAPPINGS[0]}/{_NAME}", f"rmdir {_MAPPINGS[0]}",
        probe=f"1 is not shown to {ONE}", monitor=f"1 is not shown to {ONE}", reload="0", start="0", stop="0",
    ),
    state(
        "it was unlinked while initiators saw it", "start", f"unlink {_UNIT}/{_NAME}",
        probe="1 is no LUN of the target", monitor="1 is no LUN of the target", reload="0", start="0", stop="0",
    ),
    state(
        "it was unlinked and linked again while initiators saw it", "start", f"unlink {_UNIT}/{_NAME}",
        f"link {_STORAGE} {_UNIT}/{_NAME}",
        probe=f"1 is not shown to {ONE} and 1 more", monitor=f"1 is not shown to {ONE} and 1 more", reload="0",
        start="0", stop="0",
    ),
    state(
        "its target was taken away", "start", "target stop", tidy=("target start",),
        probe="1 is no LUN of the target", monitor="1 is no LUN of the target", stop="0",
    ),
    state(
        "its target is disabled", "start", f"write {TPG}/enable 0",
        probe="0", monitor="0", level10="0", start="0", stop="0",
    ),
    # In somebody's way.
    state(
        "another backstore has its number", *_strange(OTHER_DISK), f"mkdir {_UNIT}", f"link {_STRANGE} {_UNIT}/strange",
        given=_SHORT, tidy=(f"unlink {_UNIT}/strange", f"rmdir {_UNIT}", *_NO_STRANGER),
        probe="7", monitor="7", start="1 is taken by backstore strange", stop="0",
    ),
    state(
        "another backstore has its device", *_strange(DISK), given=_SHORT, tidy=_NO_STRANGER,
        probe="7", monitor="7", start=f"1 device {DISK} is in use", stop="0",
    ),
    state(
        "another backstore has its identity", *_strange(OTHER_DISK),
        f"write {_STRANGE}/wwn/vpd_unit_serial 0123456789abcdef0123456789", tidy=_NO_STRANGER,
        given={"scsi_sn": "0123456789abcdef0123456789"},
        probe="7", monitor="7", start="1 backstore strange on this node has the identity", stop="0",
    ),
    # Not as configured.
    state(
        "it serves another device", "start", given={"path": OTHER_DISK},
        probe=f"1 serves {DISK} instead of {OTHER_DISK}", monitor=f"1 serves {DISK} instead of {OTHER_DISK}",
        reload="1 cannot become another disk", start="0", stop="0",
    ),
    state(
        "compare-and-write is off", "start", f"write {_STORAGE}/attrib/emulate_caw 0",
        probe="0", monitor="0", level10="190 emulate_caw is 0 instead of 1", level20="190 emulate_caw", reload="0",
        start="0", stop="0",
    ),
    state(
        "a limit is another", "start", f"write {_STORAGE}/attrib/max_unmap_lba_count 8192",
        monitor="0", level10="190 max_unmap_lba_count is 8192 instead of 65536", reload="0", start="0", stop="0",
    ),
    state(
        "it has more than it shall have", "start", given={"vaai": "ats"},
        monitor="0", level10="190 max_write_same_len is 65536 instead of 0; to repair it", reload="0",
        start="0", stop="0",
    ),
    state(
        "a preferred primitive is off, and could be had", "start", f"write {_STORAGE}/attrib/emulate_3pc 0",
        given={"vaai": "ats write_same unmap", "vaai_preferred": "xcopy"},
        monitor="0", level10="190 xcopy, which parameter vaai_preferred names, is off", reload="0", start="0", stop="0",
    ),
    state(
        "hosts are told finer pieces to unmap than the device discards", given={"unmap_granularity": "1"},
        then=f"190 hosts are told to unmap 1 blocks at a time, and {DISK} discards 8", start="0", stop="0",
    ),
    state(
        "it has another serial", *_ENABLED,
        f"write {_STORAGE}/wwn/vpd_unit_serial 0123456789abcdef0123456789", *_EXPORTED, *_MAPPED,
        probe="0", monitor="0", level10="190 0123456789abcdef0123456789 instead of", reload="1 another disk",
        start="0", stop="0",
    ),
    state(
        "a stranger sees it", "start", given={"allowed_initiators": ONE},
        monitor="0", level10=f"190 it is shown to {TWO} as well", reload="0", start="0", stop="0",
    ),
    state(
        "it is meant for somebody whom the target does not admit", "start",
        given={"allowed_initiators": f"{ONE} {ONE}-more"},
        probe=f"190 does not admit {ONE}-more", monitor=f"190 does not admit {ONE}-more", reload="0", start="0",
        stop="0", then=f"190 does not admit {ONE}-more",
    ),
    state(
        "it is meant for nobody whom the target admits", given={"allowed_initiators": f"{ONE}-more"},
        start="0", stop="0", then=f"190 nobody sees it: its target does not admit {ONE}-more",
    ),
    # The device.
    state(
        "the device has grown", "start", f"resize {DISK} {2 * SIZE}", tidy=(f"resize {DISK} {SIZE}",),
        probe="190 has grown", monitor=f"190 has grown to {2 * SIZE} bytes from {SIZE}", reload="0", start="0",
        stop="0",
    ),
    state(
        "the device is gone", "start", f"hide {DISK}", tidy=(f"show {DISK}",),
        given=_SHORT, probe=f"190 device {DISK} is not there", monitor=f"190 device {DISK} is not there",
        level20=f"190 device {DISK} is not there", start=f"1 device {DISK} is not there", stop="0",
    ),
    state(
        "the device does not answer", "freezable", "start", "freeze", given=_SHORT, tidy=("no-freezable",),
        probe="0", monitor="0", level10="0", level20=f"190 reading {DISK} hangs in the kernel", stop="0",
    ),
]  # fmt: skip
