# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster tells an agent, as the agent understands it."""

from __future__ import annotations

import pytest

from twinsan.ocf.environment import Environment


@pytest.mark.parametrize(
    ("feature_set", "knows"),
    [
        ("", False),
        ("3.17.3", False),
        ("3.17.4", True),
        ("3.20.0", True),
        ("3.2.0", False),
        ("4", True),
        ("3.x", False),
    ],
)
def test_degraded_needs_a_cluster_that_knows_it(feature_set: str, knows: bool) -> None:
    assert Environment({"OCF_RESKEY_crm_feature_set": feature_set}).knows_degraded is knows


@pytest.mark.parametrize(("text", "seconds"), [("20000", 20.0), ("500", 0.5), ("0", None), ("", None), ("20s", None)])
def test_timeout(text: str, seconds: float | None) -> None:
    assert Environment({"OCF_RESKEY_CRM_meta_timeout": text}).timeout == seconds


@pytest.mark.parametrize(("interval", "by_hand"), [("0", True), ("10000", False), ("", False), (None, False)])
def test_a_probe_has_no_interval(interval: str | None, by_hand: bool) -> None:
    """What real clusters give is in test_pacemaker.py."""
    given = {} if interval is None else {"OCF_RESKEY_CRM_meta_interval": interval}
    assert Environment(given).is_probe is by_hand
    in_cluster = Environment({**given, "OCF_RESKEY_crm_feature_set": "3.20.0"})
    assert in_cluster.is_probe is (interval != "10000")


@pytest.mark.parametrize(
    ("instance", "resource"), [("p_drbd:1", "p_drbd"), ("p_drbd", "p_drbd"), ("a:b:0", "a:b"), ("", "by-hand")]
)
def test_the_instance_number_of_a_clone_is_no_part_of_the_name(instance: str, resource: str) -> None:
    assert Environment({"OCF_RESOURCE_INSTANCE": instance}).resource == resource


def test_nothing_given_is_by_hand() -> None:
    bare = Environment({})
    assert (bare.instance, bare.reason_prefix, bare.log_facility) == ("by-hand", "ocf-exit-reason:", "daemon")
    assert not bare.in_cluster
    assert bare.parameter("iqn") is None
    assert bare.notification() == ("", "")


def test_a_notification() -> None:
    told = {"OCF_RESKEY_CRM_meta_notify_type": "pre", "OCF_RESKEY_CRM_meta_notify_operation": "promote"}
    assert Environment(told).notification() == ("pre", "promote")


@pytest.mark.parametrize(
    ("variables", "facility"),
    [
        ({"PCMK_logfacility": "LOCAL3"}, "local3"),
        ({"HA_LOGFACILITY": "user"}, "user"),
        ({"PCMK_logfacility": "none", "HA_LOGFACILITY": "user"}, "none"),
    ],
)
def test_log_facility(variables: dict[str, str], facility: str) -> None:
    assert Environment(variables).log_facility == facility
