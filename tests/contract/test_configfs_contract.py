# SPDX-License-Identifier: GPL-2.0-or-later
"""What the kernel answers to the operations that the agents rely on; the fake of the unit tests has to answer the same.

Run by pytest, it tries them on the fake. Run as a program, on a kernel, as root, with nothing but Python:

    modprobe -a target_core_mod target_core_iblock iscsi_target_mod
    python3 tests/contract/test_configfs_contract.py /dev/BLOCKDEVICE

which wants a device that nobody uses and that can discard. It prints all steps as JSON and ends with 1 where an
answer was not the expected one. What it makes it removes.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Union

    from tests.unit.fake_configfs import Kernel

    System = Union[ModuleType, Kernel]

IQN = "iqn.2003-01.org.example:contract"
TPG = f"iscsi/{IQN}/tpgt_1"
ACL = f"{TPG}/acls/iqn.1998-01.com.example:initiator"
HBA = "core/iblock_260917"
STORE = f"{HBA}/contract"
OTHER = f"{HBA}/other"

# An operation and its answers: "ok", an errno, or for `read` the value; with "|" where kernels differ.
STEPS = (
    (f"mkdir {HBA}", "ok"),
    (f"mkdir {HBA}", "EEXIST"),
    (f"mkdir {STORE}", "ok"),
    (f"read {STORE}/enable", "0"),
    (f"write {STORE}/enable 1", "EINVAL"),
    (f"write {STORE}/udev_path DEVICE", "ok"),
    (f"read {STORE}/udev_path", "DEVICE"),
    (f"write {STORE}/control udev_path=DEVICE,readonly=0", "ok"),
    (f"write {STORE}/enable 1", "ok"),
    (f"read {STORE}/enable", "1"),
    (f"write {STORE}/enable 1", "EEXIST"),
    (f"write {STORE}/enable 0", "EINVAL"),
    (f"write {STORE}/wwn/vpd_unit_serial 0123456789abcdef0123456789abcdef", "ok"),
    (f"read {STORE}/wwn/vpd_unit_serial", "T10 VPD Unit Serial Number: 0123456789abcdef0123456789abcdef"),
    (f"write {STORE}/wwn/vendor_id NINECHARS", "EOVERFLOW"),
    (f"write {STORE}/wwn/vendor_id ACME", "ok"),
    (f"read {STORE}/wwn/vendor_id", "ACME"),
    (f"write {STORE}/wwn/product_id SEVENTEENLETTERS.", "EOVERFLOW"),
    (f"write {STORE}/wwn/product_id twinsan", "ok"),
    (f"read {STORE}/attrib/emulate_caw", "1"),
    (f"write {STORE}/attrib/emulate_caw 2", "EINVAL"),
    (f"write {STORE}/attrib/emulate_tpu 1", "ok"),
    (f"write {STORE}/attrib/emulate_tpws 1", "ok"),
    (f"write {STORE}/attrib/emulate_write_cache 1", "EINVAL"),
    (f"write {STORE}/attrib/force_pr_aptpl 1", "ok"),
    (f"write {STORE}/attrib/max_write_same_len 65536", "ok"),
    (f"write {STORE}/attrib/max_unmap_lba_count 65536", "ok"),
    (f"write {STORE}/attrib/unmap_granularity 2048", "ok"),
    (f"read {STORE}/attrib/unmap_granularity", "2048"),
    (f"write {STORE}/attrib/no_such_attribute 1", "ENOENT"),
    (f"mkdir {OTHER}", "ok"),
    (f"write {OTHER}/control udev_path=DEVICE,readonly=0", "ok"),
    (f"write {OTHER}/enable 1", "EBUSY"),
    ("make iscsi", "ok"),
    (f"mkdir iscsi/{IQN}", "ok"),
    (f"mkdir {TPG}", "ok"),
    (f"read {TPG}/enable", "0"),
    (f"write {TPG}/attrib/default_cmdsn_depth 513", "EINVAL"),
    (f"write {TPG}/attrib/default_cmdsn_depth 128", "ok"),
    (f"write {TPG}/param/MaxBurstLength 1048576", "ok"),
    (f"read {TPG}/param/MaxBurstLength", "1048576"),
    (f"write {TPG}/param/MaxBurstLength much", "EINVAL"),
    (f"write {TPG}/param/InitialR2T Maybe", "EINVAL"),
    (f"write {TPG}/rtpi 0", "EINVAL|ENOENT"),
    (f"write {TPG}/rtpi 4711", "ok|ENOENT"),
    (f"read {TPG}/rtpi", "0x1267|ENOENT"),
    (f"mkdir {ACL}", "ok"),
    (f"read {ACL}/cmdsn_depth", "128"),
    (f"write {ACL}/auth/password 0123456789abcdef", "ok"),
    (f"mkdir {TPG}/np/192.0.2.50:32600", "ok"),
    (f"mkdir {TPG}/np/192.0.2.50:32600", "EEXIST"),
    (f"mkdir {TPG}/np/0.0.0.0:32600", "EINVAL"),
    (f"mkdir {TPG}/np/2001:db8::50:32600", "EINVAL"),
    (f"write {TPG}/enable 1", "ok"),
    (f"write {TPG}/enable 1", "ok"),
    (f"write {TPG}/rtpi 4712", "EINVAL|ENOENT"),
    (f"mkdir {TPG}/lun/lun_1", "ok"),
    (f"symlink {OTHER} {TPG}/lun/lun_1/other", "ENODEV"),
    (f"symlink {STORE} {TPG}/lun/lun_1/contract", "ok"),
    (f"symlink {STORE} {TPG}/lun/lun_1/contract", "EEXIST"),
    (f"symlink {STORE} {TPG}/lun/lun_1/again", "EEXIST"),
    (f"write {STORE}/wwn/vendor_id LATE", "EINVAL"),
    (f"write {STORE}/attrib/force_pr_aptpl 0", "EINVAL"),
    (f"write {STORE}/attrib/emulate_3pc 1", "ok"),
    (f"mkdir {ACL}/lun_1", "ok"),
    (f"read {ACL}/lun_1/write_protect", ""),
    (f"symlink {TPG}/lun/lun_1 {ACL}/lun_1/contract", "ok"),
    (f"read {ACL}/lun_1/write_protect", "0"),
    (f"rmdir {STORE}", "EBUSY"),
    (f"rmdir {TPG}/lun/lun_1", "EBUSY"),
    (f"rmdir {ACL}/lun_1", "ENOTEMPTY"),
    (f"rmdir {ACL}", "ENOTEMPTY"),
    (f"rmdir {TPG}", "ENOTEMPTY"),
    (f"rmdir {HBA}", "ENOTEMPTY"),
    # The LUN may go before its mappings; they stay, and are dead.
    (f"unlink {TPG}/lun/lun_1/contract", "ok"),
    (f"read {ACL}/lun_1/write_protect", ""),
    (f"symlink {STORE} {TPG}/lun/lun_1/contract", "ok"),
    (f"read {ACL}/lun_1/write_protect", ""),
    (f"unlink {ACL}/lun_1/contract", "ok"),
    (f"rmdir {ACL}/lun_1", "ok"),
    (f"rmdir {ACL}/lun_1", "ENOENT"),
    (f"unlink {TPG}/lun/lun_1/contract", "ok"),
    (f"unlink {TPG}/lun/lun_1/contract", "ENOENT"),
    (f"rmdir {TPG}/lun/lun_1", "ok"),
    (f"write {TPG}/enable 0", "ok"),
    (f"rmdir {TPG}/np/192.0.2.50:32600", "ok"),
    (f"rmdir {ACL}", "ok"),
    (f"rmdir {TPG}", "ok"),
    (f"rmdir iscsi/{IQN}", "ok"),
    (f"rmdir {OTHER}", "ok"),
    (f"rmdir {STORE}", "ok"),
    (f"rmdir {HBA}", "ok"),
    (f"rmdir {HBA}", "ENOENT"),
)


def exercise(root: str, device: str, system: System = os) -> list[tuple[str, str]]:
    """All steps with the answers that `system` gave, as the module `os` does."""
    return [(step, _answer(root, system, step.replace("DEVICE", device).split(" "))) for step, _ in STEPS]


def differences(answers: list[tuple[str, str]], device: str) -> list[str]:
    """The steps whose answer was another than the expected one."""
    return [
        f"{step}: {answer}, expected {expected}"
        for (step, answer), (_, expected) in zip(answers, STEPS)
        if answer not in expected.replace("DEVICE", device).split("|")
    ]


def _answer(root: str, system: System, words: list[str]) -> str:
    verb, path = words[0], f"{root}/{words[1]}"
    try:
        if verb == "read":
            return _read(system, path)
        if verb == "write":
            _write(system, path, words[2])
        elif verb == "symlink":
            system.symlink(path, f"{root}/{words[2]}")
        elif verb == "make":
            _make(system, path)
        else:
            getattr(system, verb)(path)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "ok"


def _make(system: System, path: str) -> None:
    """Make what another may have made, or the kernel by itself."""
    if not os.path.isdir(path):
        system.mkdir(path)


def _read(system: System, path: str) -> str:
    attribute = system.open(path, os.O_RDONLY)
    try:
        return str(system.read(attribute, 4096).decode().rstrip("\n"))
    finally:
        system.close(attribute)


def _write(system: System, path: str, value: str) -> None:
    attribute = system.open(path, os.O_WRONLY)
    try:
        system.write(attribute, value.encode())
    finally:
        system.close(attribute)


def test_the_fake_answers_as_the_kernel_does(tmp_path: Path) -> None:
    from tests.unit.fake_configfs import Kernel, tree

    for release in ("6.1", "6.12", "7.3"):
        kernel = Kernel(str(tmp_path / release), release)
        before = {place for place in tree(kernel.root) if not place.startswith("iscsi")}
        assert differences(exercise(kernel.root, "/dev/drbd0", kernel), "/dev/drbd0") == []
        assert {place for place in tree(kernel.root) if not place.startswith("iscsi")} == before


def test_a_difference_is_told(tmp_path: Path) -> None:
    from tests.unit.fake_configfs import Kernel

    kernel = Kernel(str(tmp_path / "root"))
    kernel.thick.add("/dev/drbd0")
    told = differences(exercise(kernel.root, "/dev/drbd0", kernel), "/dev/drbd0")
    assert told[0] == f"write {STORE}/attrib/emulate_tpu 1: ENOSYS, expected ok"


if __name__ == "__main__":
    answered = exercise("/sys/kernel/config/target", sys.argv[1])
    print(json.dumps(answered, indent=1))
    for line in differences(answered, sys.argv[1]):
        print(line, file=sys.stderr)
    sys.exit(1 if differences(answered, sys.argv[1]) else 0)
