# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that survive a power cut: replaced atomically, and on the disk when the write returns.

A write to a file with the flag S (``chattr +S``) returns when it is on the disk. What the disk has between a truncation
and the write that follows depends on the file system (Linux 6.18). On btrfs, which logs each file by itself, it is the
old text. On XFS, which has one log, it is the old text unless another file is written meanwhile. On ext4, which commits
a truncation by itself, it is an empty file. The mount option "sync" would make XFS do the same (XFS_FEAT_WSYNC).
"""

from __future__ import annotations

import os
import sys

# include/uapi/linux/fs.h: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, which are declared with a long and take an int; and
# FS_SYNC_FL.
_LONG = 8 if sys.maxsize > 1 << 32 else 4
_SYNCHRONOUS = 0x00000008


def make_synchronous(path: str) -> None:
    """Set the flag S on a file, or on a folder whose new files inherit it. Raises OSError if the file system has no
    such flag.
    """
    import fcntl

    from twinsan.host import ioctl

    get_flags, set_flags = ioctl.reading("f", 1, _LONG), ioctl.writing("f", 2, _LONG)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flags = int.from_bytes(fcntl.ioctl(descriptor, get_flags, bytes(_LONG))[:4], sys.byteorder)
        fcntl.ioctl(descriptor, set_flags, (flags | _SYNCHRONOUS).to_bytes(4, sys.byteorder) + bytes(_LONG - 4))
    finally:
        os.close(descriptor)


def read(path: str) -> str | None:
    """Return a file's text, up to the NUL that the kernel ends its own files with; None if there is no such file."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().partition("\0")[0]
    except FileNotFoundError:
        return None


def write(path: str, text: str) -> None:
    """Replace a file atomically and on the disk: a power cut leaves the old text or the new one. Characters beyond
    ASCII become "?". Raises OSError.
    """
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, text.encode("ascii", "replace"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
    parent = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
