# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of ioctls, which are not the same on every processor (include/uapi/asm-generic/ioctl.h)."""

from __future__ import annotations

import os

# On these the direction has three bits instead of two (arch/powerpc/include/uapi/asm/ioctl.h and others), or two in the
# reverse order (parisc). Both give the same numbers.
_OTHERS = ("ppc", "mips", "sparc", "alpha", "parisc")


def reading(group: str, number: int, size: int) -> int:
    """Return the number of an ioctl that reads `size` bytes from the kernel: the macro _IOR."""
    return (1 << 30 if _is_other() else 1 << 31) | _tail(group, number, size)


def writing(group: str, number: int, size: int) -> int:
    """Return the number of an ioctl that writes `size` bytes to the kernel: the macro _IOW."""
    return (1 << 31 if _is_other() else 1 << 30) | _tail(group, number, size)


def _tail(group: str, number: int, size: int) -> int:
    return size << 16 | ord(group) << 8 | number


def _is_other() -> bool:
    return os.uname().machine.startswith(_OTHERS)
