# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes many block devices in a guest with one program: ``python3 -IS loops attach FOLDER COUNT`` prints loop devices
of small files, ``detach DEVICE…`` ends them.
"""

from __future__ import annotations

import fcntl
import os
import sys

# linux/loop.h
_SET_FD, _CLEAR_FD, _GET_FREE = 0x4C00, 0x4C01, 0x4C82

_BYTES = 1 << 20


def main() -> int:
    """Run the command; returns the exit status."""
    command, *words = sys.argv[1:]
    if command == "attach":
        folder, count = words
        os.makedirs(folder, exist_ok=True)
        for number in range(int(count)):
            print(_attach(f"{folder}/{number}"))
    else:
        for device in words:
            _detach(device)
    return 0


def _attach(path: str) -> str:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(file, _BYTES)
    control = os.open("/dev/loop-control", os.O_RDWR)
    device = f"/dev/loop{fcntl.ioctl(control, _GET_FREE)}"
    loop = os.open(device, os.O_RDWR)
    fcntl.ioctl(loop, _SET_FD, file)
    for descriptor in (loop, control, file):
        os.close(descriptor)
    return device


def _detach(device: str) -> None:
    loop = os.open(device, os.O_RDWR)
    fcntl.ioctl(loop, _CLEAR_FD)
    os.close(loop)


if __name__ == "__main__":
    sys.exit(main())
