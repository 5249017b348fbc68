# SPDX-License-Identifier: GPL-2.0-or-later
"""Unit serials and NAA names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsan.lio import naa


@pytest.mark.parametrize(
    ("serial", "name"),
    [
        # Seen on a kernel.
        ("6e1e9c0a-1234-4abc-9def-00112233aabb", "naa.60014056e1e9c0a12344abc9def00112"),
        ("lun-zzz-01", "naa.60014050100000000000000000000000"),
        ("lun-yyy-01", "naa.60014050100000000000000000000000"),
        ("5F2D9B1C", "naa.60014055f2d9b1c00000000000000000"),
        ("", "naa.60014050000000000000000000000000"),
    ],
)
def test_names_are_the_kernels(serial: str, name: str) -> None:
    assert naa.name(serial) == name


def test_another_company() -> None:
    assert naa.name("abc", "00aabb") == "naa.600aabbabc0000000000000000000000"


def test_a_serial_never_changes() -> None:
    assert naa.serial("iqn.2003-01.org.example:san", 1) == "b377092e8c939d4cdd8710a2e70fd42f"


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789.-:", max_size=40), st.integers(0, 65535), st.integers(0, 65535))
def test_each_lun_has_its_own_name(iqn: str, one: int, other: int) -> None:
    names = {naa.name(naa.serial(iqn, one)), naa.name(naa.serial(iqn, other)), naa.name(naa.serial(iqn + "0", one))}
    assert len(names) == (3 if one != other else 2)
    assert len(naa.digits(naa.serial(iqn, one))) >= naa.DIGITS


@given(st.text(max_size=300))
def test_every_name_has_32_digits(serial: str) -> None:
    kind, _, digits = naa.name(serial).partition(".")
    assert (kind, len(digits)) == ("naa", 32)
    assert int(digits, 16)
