# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds a block device open: what an operator wants to know when a device cannot be demoted or removed.

DRBD 9 names the openers itself; for 8.4 they are gathered from configfs, sysfs and /proc.
"""

from __future__ import annotations

import os

from twinsan.host import block_tree, kernel_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The tests set other places.
LIO_BACKSTORES = "/sys/kernel/config/target/core"
BLOCK_DEVICES = "/sys/block"


def of(device: str) -> list[str]:
    """Return the holders of a device such as /dev/drbd0, in words: backstores of LIO, devices on top, mounts in this
    mount namespace, and processes. Empty where nobody holds it.
    """
    return of_each([device])[device]


def of_each(devices: Iterable[str]) -> dict[str, list[str]]:
    """Return the holders of each device, as `of`: the files of all processes are looked at once."""
    found = {}
    for device in devices:
        name = os.path.basename(device)
        found[device] = [*backstores(device), *_devices_on_top(name), *_mounts(name)]
    for pid in kernel_files.pids():
        folder = f"{kernel_files.PROCESSES}/{pid}/fd"
        opened = {kernel_files.link(f"{folder}/{number}") for number in kernel_files.entries(folder)}
        for device in opened.intersection(found):
            found[device].append(kernel_files.process_name(pid))
    return found


def backstores(device: str) -> list[str]:
    """Return the storage objects of LIO that are made of a device, in words; for a DRBD device also those whose own
    device, such as a logical volume, lies on it.
    """
    minors = set(block_tree.drbd_minors(device)) if block_tree.is_drbd(device) else set()
    found = []
    for hba in kernel_files.entries(LIO_BACKSTORES):
        for backstore in kernel_files.entries(f"{LIO_BACKSTORES}/{hba}"):
            path = kernel_files.text(f"{LIO_BACKSTORES}/{hba}/{backstore}/udev_path").strip()
            same = path and os.path.realpath(path) == os.path.realpath(device)
            if same or (path and minors.intersection(block_tree.drbd_minors(path))):
                found.append(f"LIO backstore {hba}/{backstore}")
    return found


def _devices_on_top(name: str) -> list[str]:
    above = kernel_files.entries(f"{BLOCK_DEVICES}/{name}/holders")
    return [f"device /dev/{device} on top of it" for device in above]


def _mounts(name: str) -> list[str]:
    number = kernel_files.text(f"{BLOCK_DEVICES}/{name}/dev").strip()
    lines = kernel_files.text(f"{kernel_files.PROCESSES}/self/mountinfo").splitlines()
    return [f"mounted on {line.split()[4]}" for line in lines if number and line.split()[2] == number]
