# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that a power cut does not harm: written whole, and on the disk when the writer goes on.

A file with the flag S (``chattr +S``) is written to the disk by the kernel before a write to it ends. Between a
truncation and the write that follows, a copy of the disk has (Linux 6.18) the old text on btrfs, which logs each file
by itself; on XFS as well, unless another file is written meanwhile, for its log is one; and an empty file on ext4,
which commits a truncation by itself. The option "sync" of a mount would spoil XFS too (XFS_FEAT_WSYNC).
"""

from __future__ import annotations

import os
import sys

# include/uapi/linux/fs.h: FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, declared with a long, which an int is taken for; and
# FS_SYNC_FL.
_LONG = 8 if sys.maxsize > 1 << 32 else 4
_SYNCHRONOUS = 0x00000008


def make_synchronous(path: str) -> None:
    """Set the flag S on a file, or on a folder whose files shall inherit it. Raises OSError where the file system has
    no such flag.
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
    """Return a file's text, up to the NUL that the kernel ends its own files with; None where there is no such file."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().partition("\0")[0]
    except FileNotFoundError:
        return None


def write(path: str, text: str) -> None:
    """Replace a file, whole and on the disk: a power cut leaves the old text or the new one. What is no ASCII becomes
    "?". Raises OSError.
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
