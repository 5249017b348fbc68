# SPDX-License-Identifier: GPL-2.0-or-later
"""Who holds a block device open: what an operator wants to know when it cannot be taken away.

DRBD 9 names the openers itself; for 8.4 they are gathered from where the kernel shows them.
"""

from __future__ import annotations

import os

LIO_BACKSTORES = "/sys/kernel/config/target/core"
BLOCK_DEVICES = "/sys/block"
PROCESSES = "/proc"


def of(device: str) -> list[str]:
    """The holders of a device such as /dev/drbd0, in words."""
    name = os.path.basename(device)
    return [*backstores(device), *_devices_on_top(name), *_mounts(name), *_processes(device)]


def backstores(device: str) -> list[str]:
    """The storage objects of LIO that are made of a device, in words."""
    found = []
    for hba in _entries(LIO_BACKSTORES):
        for backstore in _entries(f"{LIO_BACKSTORES}/{hba}"):
            path = _read(f"{LIO_BACKSTORES}/{hba}/{backstore}/udev_path")
            if path and os.path.realpath(path) == os.path.realpath(device):
                found.append(f"LIO backstore {hba}/{backstore}")
    return found


def _devices_on_top(name: str) -> list[str]:
    return [f"device /dev/{holder} on top of it" for holder in _entries(f"{BLOCK_DEVICES}/{name}/holders")]


def _mounts(name: str) -> list[str]:
    number = _read(f"{BLOCK_DEVICES}/{name}/dev")
    lines = _read(f"{PROCESSES}/self/mountinfo").splitlines()
    return [f"mounted on {line.split()[4]}" for line in lines if number and line.split()[2] == number]


def _processes(device: str) -> list[str]:
    return [
        f"{_read(f'{PROCESSES}/{pid}/comm') or 'process'} (pid {pid})"
        for pid in filter(str.isdecimal, _entries(PROCESSES))
        # The links are read and never followed: what they lead to may be a file server that does not answer.
        if any(_link(f"{PROCESSES}/{pid}/fd/{number}") == device for number in _entries(f"{PROCESSES}/{pid}/fd"))
    ]


def _entries(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
