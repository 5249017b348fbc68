# SPDX-License-Identifier: GPL-2.0-or-later
"""The identity that storage objects have in the kernel, and that no two of a node have the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import fake_configfs
from tests.unit.fake_configfs import Kernel
from twinsan.errors import Failure
from twinsan.lio import configfs, identity
from twinsan.lio.storage_object import StorageObject

SERIAL = "0123456789abcdef0123456789abcdef"
# The first 25 hexadecimal digits are the same.
TWIN = "0123-4567-89AB-CDEF-0123-4567-8fff"


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kernel:
    return fake_configfs.install(monkeypatch, tmp_path)


def make(kernel: Kernel, name: str, serial: str, company: str | None = "0x001405") -> str:
    """A storage object as somebody makes one; `company` None for a kernel before 5.9. Returns its place."""
    place = f"{kernel.root}/core/iblock_0/{name}"
    configfs.make(f"{kernel.root}/core/iblock_0")
    configfs.make(place)
    configfs.write(f"{place}/wwn/vpd_unit_serial", serial)
    attribute = Path(place, "wwn/company_id")
    if company is None:
        attribute.unlink()
    else:
        attribute.write_text(f"{company}\n")
    return place


def test_the_name_has_the_company_and_the_digits_of_the_serial(kernel: Kernel) -> None:
    assert identity.naa_name(make(kernel, "old", SERIAL, None)) == "naa.60014050123456789abcdef012345678"
    assert identity.naa_name(make(kernel, "new", SERIAL)) == "naa.60014050123456789abcdef012345678"
    assert identity.naa_name(make(kernel, "other", SERIAL, "0x00aabb")) == "naa.600aabb0123456789abcdef012345678"
    assert identity.naa_name(make(kernel, "decimal", SERIAL, "5125")) == "naa.60014050123456789abcdef012345678"


@pytest.mark.parametrize("company", ["0x001405", None])
@pytest.mark.parametrize("serial", [SERIAL, TWIN])
def test_a_second_device_of_one_name_is_refused(kernel: Kernel, serial: str, company: str | None) -> None:
    make(kernel, "disk", serial, company)
    planned = StorageObject(("iqn.2003-01.org.example:san", 1), "/dev/drbd0", serial=SERIAL)
    with pytest.raises(Failure, match=r"backstore disk on this node has the identity naa\.6001405.*; remove it"):
        identity.require_unique(planned)


def test_one_serial_of_two_companies_makes_two_names(kernel: Kernel) -> None:
    make(kernel, "disk", SERIAL, "0x00aabb")
    identity.require_unique(StorageObject(("iqn.2003-01.org.example:san", 1), "/dev/drbd0", serial=SERIAL))


def test_what_has_no_serial_has_no_identity(kernel: Kernel) -> None:
    make(kernel, "disk", "")
    identity.require_unique(StorageObject(("iqn.2003-01.org.example:san", 1), "/dev/drbd0", serial=""))
