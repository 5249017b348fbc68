# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of ioctls, as a C compiler has them on each processor."""

from __future__ import annotations

import os

import pytest

from twinsan.host import ioctl


@pytest.mark.parametrize(
    ("machine", "get", "set_"),
    [
        ("x86_64", 0x80086601, 0x40086602),
        ("aarch64", 0x80086601, 0x40086602),
        ("s390x", 0x80086601, 0x40086602),
        ("ppc64le", 0x40086601, 0x80086602),
        ("mips64", 0x40086601, 0x80086602),
    ],
)
def test_the_flags_of_a_file(monkeypatch: pytest.MonkeyPatch, machine: str, get: int, set_: int) -> None:
    """FS_IOC_GETFLAGS and FS_IOC_SETFLAGS."""
    here = os.uname()
    there = os.uname_result((here.sysname, here.nodename, here.release, here.version, machine))
    monkeypatch.setattr(os, "uname", lambda: there)
    assert (ioctl.reading("f", 1, 8), ioctl.writing("f", 2, 8)) == (get, set_)
