# SPDX-License-Identifier: GPL-2.0-or-later
"""The way over from other agents: every parameter of theirs has its place in a manual page."""

from __future__ import annotations

import json

import pytest

from tests.unit import agents
from twinsan.operate.adoption import migration

# What `meta-data` of the agents in Debian 12 and 13 lists, by the versions of their packages.
RECORDED: dict[str, dict[str, str]] = json.loads(
    (agents.ROOT / "tests" / "unit" / "data" / "incumbents.json").read_text()
)
OTHERS = [(name, other) for name, replaced in migration.REPLACED.items() for other in replaced]


def test_every_agent_that_was_recorded_is_replaced() -> None:
    assert {other for listed in RECORDED.values() for other in listed} == {other for _, other in OTHERS}
    assert set(migration.REPLACED) == set(agents.NAMES)


@pytest.mark.parametrize(("name", "other"), OTHERS)
def test_each_of_their_parameters_has_one_row(name: str, other: str) -> None:
    recorded = {word for listed in RECORDED.values() for word in listed.get(other, "").split()}
    rows = [word for theirs, _, _ in migration.REPLACED[name][other] for word in theirs.split()]
    assert sorted(rows) == sorted(recorded)


@pytest.mark.parametrize(("name", "other"), OTHERS)
def test_what_takes_their_place_exists(name: str, other: str) -> None:
    known = {parameter.name for parameter in agents.load(name).parameters()}
    named = {word for _, ours, _ in migration.REPLACED[name][other] for word in ours.split()}
    assert named <= known


@pytest.mark.parametrize(("name", "other"), OTHERS)
def test_a_name_that_is_the_same_is_no_other_parameter(name: str, other: str) -> None:
    """Where both have a parameter of one name, it is the row's, so that its difference in meaning is told there."""
    known = {parameter.name for parameter in agents.load(name).parameters()}
    for theirs, ours, _ in migration.REPLACED[name][other]:
        assert known & set(theirs.split()) <= set(ours.split()), theirs


@pytest.mark.parametrize(("name", "other"), OTHERS)
def test_what_has_no_place_says_why(name: str, other: str) -> None:
    assert not [theirs for theirs, ours, remark in migration.REPLACED[name][other] if not ours and not remark]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("drbd-vaai", {"drbd_resource": "r0", "drbdconf": "/etc/drbd.conf", "wfc_timeout": "5"}),
        (
            "lio-iscsi-target",
            {
                "iqn": "iqn.2001-04.com.example:storage.disk2.xyz",
                "portals": "192.168.1.1:3260 192.168.2.1:3260",
                "allowed_initiators": "iqn.1991-05.com.microsoft:a iqn.1998-01.com.vmware:b",
                "incoming_username": "admin",
                "incoming_password": "secret-of-admin",
                "additional_parameters": "MaxBurstLength=262144 InitialR2T=No",
            },
        ),
        (
            "lio-lun",
            {
                "target_iqn": "iqn.2001-04.com.example:storage.disk2.xyz",
                "lun": "0",
                "path": "/dev/drbd/by-res/r0/0",
                "scsi_sn": "8f2b1c4d",
                "vendor_id": "LIO-ORG",
                "product_id": "VDISK r0",
                "emulate_tpu": "1",
                "emulate_3pc": "0",
                "emulate_caw": "1",
                "allowed_initiators": "iqn.1991-05.com.microsoft:a",
            },
        ),
        ("portal-ip", {"ip": "192.168.1.1", "cidr_netmask": "255.255.255.0", "nic": "eth0:1"}),
        ("portal-ip", {"ip": "2001:db8:DC28:0:0:FC57:D4C8:1FFF", "cidr_netmask": "64", "nic": "bond0.12"}),
    ],
)
def test_their_values_are_taken(name: str, values: dict[str, str]) -> None:
    assert agents.Runner(name, **values)("validate-all", OCF_CHECK_LEVEL="0") == 0
