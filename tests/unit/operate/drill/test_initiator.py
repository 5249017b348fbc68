# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that reads: what may be named, and what it prints."""

from __future__ import annotations

import pytest

from twinsan.errors import Misconfigured
from twinsan.operate.drill import initiator
from twinsan.operate.drill.initiator import Reader


@pytest.mark.parametrize(
    ("text", "host", "device"),
    [
        ("esx:/dev/sdb", "esx", "/dev/sdb"),
        ("root@10.0.5.4:/dev/disk/by-id/wwn-0x6001405", "root@10.0.5.4", "/dev/disk/by-id/wwn-0x6001405"),
    ],
)
def test_a_disk_of_a_host(text: str, host: str, device: str) -> None:
    assert initiator.parse(text) == (host, device)


@pytest.mark.parametrize(
    "text", ["", "esx", "esx:sdb", "esx:/etc/passwd", "-oProxyCommand=x:/dev/sdb", "esx:/dev/sdb; reboot", "e x:/dev/a"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(Misconfigured, match="HOST:DEVICE"):
        initiator.parse(text)


def test_what_the_host_prints() -> None:
    reader = Reader("esx", "/dev/sdb", "1")
    reader.take("1.000 ok\n1.050 ok\n1.100 [Errno 5] Input/output error\n")
    assert reader.times == [1.0, 1.05]
    assert reader.errors == ["[Errno 5] Input/output error"]
