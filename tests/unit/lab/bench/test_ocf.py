# SPDX-License-Identifier: GPL-2.0-or-later
"""An action is called as Pacemaker calls it."""

from __future__ import annotations

import pytest

from lab.bench.ocf import Agent, Cluster
from tests.unit import pacemaker

CLUSTER = Cluster("atlas", "zeus", "3.20.0")

# Its parameters, and what no agent that is compared reads.
_UNUSED = ("OCF_RESKEY_name", "OCF_RESKEY_reloaded", "OCF_RESKEY_CRM_meta_on_node_uuid")


@pytest.mark.parametrize(
    ("call", "action", "role"),
    [
        ("start", "start", ""),
        ("promote", "promote", ""),
        ("monitor-promoted", "monitor", "Promoted"),
        ("meta-data", "meta-data", ""),
    ],
)
def test_the_environment_is_that_of_pacemaker(call: str, action: str, role: str) -> None:
    recorded = pacemaker.environment("3.0.0", call, clone=True)
    agent = Agent("linbit:drbd", "p_drbd", kind="promotable", notified=True)
    given = agent.step(action, CLUSTER, role=role).environment
    missing = {
        name
        for name in set(recorded) - set(given)
        if name not in _UNUSED and not (name.startswith("OCF_RESKEY_CRM_meta_notify_") and name.endswith("_resource"))
    }
    assert not missing
    assert set(given) - set(recorded) <= {"HOME"}


def test_by_hand_there_is_no_cluster() -> None:
    step = Agent("twinsan:lio-lun", "bench_lun1", {"lun": "1"}).step("monitor")
    assert step.argv == ("/usr/lib/ocf/resource.d/twinsan/lio-lun", "monitor")
    assert step.environment["OCF_RESKEY_lun"] == "1"
    assert step.environment["OCF_RESKEY_CRM_meta_interval"] == "10000"
    assert not {"OCF_RESKEY_crm_feature_set", "OCF_RESKEY_CRM_meta_on_node"} & set(step.environment)
