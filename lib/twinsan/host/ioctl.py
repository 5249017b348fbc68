# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of ioctls, which are not the same on every processor (include/uapi/asm-generic/ioctl.h)."""

from __future__ import annotations

import os

# These have directions of three bits instead of two (arch/powerpc/include/uapi/asm/ioctl.h and its like), or the same
# two the other way round (parisc), which comes to the same.
_OTHERS = ("ppc", "mips", "sparc", "alpha", "parisc")


def reading(group: str, number: int, size: int) -> int:
    """Return the number of an ioctl by which the kernel gives `size` bytes: the macro _IOR."""
    return (1 << 30 if _is_other() else 1 << 31) | _tail(group, number, size)


def writing(group: str, number: int, size: int) -> int:
    """Return the number of an ioctl by which the kernel takes `size` bytes: the macro _IOW."""
    return (1 << 31 if _is_other() else 1 << 30) | _tail(group, number, size)


def _tail(group: str, number: int, size: int) -> int:
    return size << 16 | ord(group) << 8 | number


def _is_other() -> bool:
    return os.uname().machine.startswith(_OTHERS)
