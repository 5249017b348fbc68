# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers say what the facts say."""

from __future__ import annotations

from pathlib import Path

from tests.unit.operate import pair_facts
from tests.unit.operate.metrics import openmetrics
from twinsan.operate.facts import storage_shape
from twinsan.operate.facts.fact import replace
from twinsan.operate.facts.shape import Facts, NotSeen
from twinsan.operate.metrics import collection, families
from twinsan.operate.metrics.text import Family
from twinsan.operate.metrics.thin_pools import Pool

LUN = storage_shape.Lun(
    target="iqn.2003-01.org.example:san",
    lun=1,
    resource="p_lun1",
    device="/dev/drbd0",
    size_bytes=1 << 30,
    serial="5ab1",
    naa="6001",
    product="LIO-ORG x",
    vaai=("ats", "unmap"),
    alua=None,
    reservation=storage_shape.Reservation(2, "Write Exclusive", "iqn.1998-01.com.vmware:esx"),
    commands=7,
    read_mib=3,
    written_mib=2,
    resets=0,
)
SESSION = storage_shape.Session(
    initiator="iqn.1998-01.com.vmware:esx",
    logged_in=True,
    state="LOGGED_IN",
    address="10.0.5.9",
    parameters={},
    queue_depth=64,
    commands=9,
    received_bytes=11,
    sent_bytes=12,
    digest_errors=0,
    timeout_errors=1,
    luns=(),
)
TARGET = storage_shape.Target("iqn.2003-01.org.example:san", True, (), (SESSION,), 4)


def numbers(facts: Facts, **more: object) -> dict[str, float]:
    """The samples, each by its name and the values of its labels."""
    pools = more.get("pools", ())
    failovers = more.get("failovers", ())
    read = openmetrics.read(collection.of(facts, pools, failovers).text())  # type: ignore[arg-type]
    return {
        " ".join([name.removeprefix("twinsan_"), *(value for _, value in labels)]): number
        for name, samples in read.items()
        for labels, number in samples.items()
    }


def test_a_pair_that_is_well() -> None:
    found = numbers(replace(pair_facts.make(), luns=(LUN,), targets=(TARGET,)))
    expected = {
        "collected_timestamp_seconds": pair_facts.AT,
        "unseen_sources": 0,
        "node_online atlas": 1,
        "node_online zeus": 1,
        "fence_device_answers fence_atlas": 1,
        "served san": 1,
        "serves san": 1,
        "standby_known san": 1,
        "standby_ready san": 1,
        "resource_degraded p_drbd atlas": 0,
        "resource_failed p_lun1 atlas": 0,
        "drbd_primary san": 1,
        "drbd_well san": 1,
        "drbd_split_brain san": 0,
        "drbd_disk_uptodate san 0": 1,
        "drbd_connected san peer": 1,
        "drbd_peer_disk_uptodate san 0 peer": 1,
        "drbd_out_of_sync_bytes san 0 peer": 0,
        "drbd_resync_running san 0 peer": 0,
        "lun_size_bytes p_lun1": 1 << 30,
        "lun_commands_total p_lun1": 7,
        "lun_read_bytes_total p_lun1": 3 << 20,
        "lun_written_bytes_total p_lun1": 2 << 20,
        "lun_vaai p_lun1 ats": 1,
        "lun_vaai p_lun1 xcopy": 0,
        "lun_registrants p_lun1": 2,
        "lun_reserved p_lun1": 1,
        "target_enabled iqn.2003-01.org.example:san": 1,
        "target_sessions iqn.2003-01.org.example:san": 1,
        "target_failed_logins_total iqn.2003-01.org.example:san": 4,
        "session_up iqn.2003-01.org.example:san iqn.1998-01.com.vmware:esx": 1,
        "session_sent_bytes_total iqn.2003-01.org.example:san iqn.1998-01.com.vmware:esx": 12,
        "session_received_bytes_total iqn.2003-01.org.example:san iqn.1998-01.com.vmware:esx": 11,
        "session_errors_total iqn.2003-01.org.example:san iqn.1998-01.com.vmware:esx timeout": 1,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert found["takeover_estimate_seconds san"] > 1


def test_the_other_node_sees_that_it_does_not_serve() -> None:
    found = numbers(pair_facts.make(node="zeus"))
    assert (found["serves san"], found["served san"]) == (0, 1)


def test_a_resync() -> None:
    changes = [
        ("replication:Established peer-disk:UpToDate resync-suspended:no out-of-sync:0",
         "replication:SyncSource peer-disk:Inconsistent resync-suspended:no out-of-sync:512 done:25.00"),
    ]  # fmt: skip
    found = numbers(pair_facts.make(drbd=changes))
    assert found["drbd_resync_running san 0 peer"] == 1
    assert found["drbd_out_of_sync_bytes san 0 peer"] == 512 * 1024
    assert found["drbd_resync_done_ratio san 0 peer"] == 0.25
    assert found["drbd_peer_disk_uptodate san 0 peer"] == found["drbd_well san"] == found["standby_ready san"] == 0


def test_a_peer_that_is_gone_says_nothing_of_its_disk() -> None:
    changes = [("connection:Connected role:Secondary", "connection:Connecting role:Unknown"),
               ("replication:Established peer-disk:UpToDate", "replication:Off peer-disk:DUnknown")]  # fmt: skip
    found = numbers(pair_facts.make(drbd=changes))
    assert found["drbd_connected san peer"] == 0
    assert "drbd_peer_disk_uptodate san 0 peer" not in found


def test_what_could_not_be_seen_is_counted_and_left_out() -> None:
    facts = pair_facts.make(not_seen=[NotSeen("DRBD on this node", "it hangs")], replicated=False)
    found = numbers(replace(facts, cluster=None))
    assert (found["unseen_sources"], found["unseen DRBD on this node"]) == (1, 1)
    assert not [name for name in found if name.startswith(("drbd_", "served", "cluster_", "standby_ready"))]
    assert found["standby_known san"] == 0
    unnamed = replace(LUN, resource=None)
    assert numbers(replace(facts, luns=(unnamed,)))["lun_size_bytes 5ab1"] == 1 << 30
    assert not [name for name in numbers(replace(facts, cluster=None, luns=(unnamed,))) if "lun_" in name]


def test_pools_and_failovers() -> None:
    failovers = [
        {"time": 100.5, "resource": "p_portal", "seconds": 7.0, "number": 1, "sum": 7.0},
        {"time": 200.5, "resource": "p_portal", "seconds": 9.5, "number": 2, "sum": 16.5},
        {"time": "?", "number": True},
    ]
    found = numbers(pair_facts.make(), pools=[Pool("vg/pool", 0.5, 0.25)], failovers=failovers)
    assert (found["thin_pool_data_used_ratio vg/pool"], found["thin_pool_metadata_used_ratio vg/pool"]) == (0.5, 0.25)
    assert found["failovers_total p_portal"] == 2
    assert found["failover_stall_seconds_total p_portal"] == 16.5
    assert found["last_failover_timestamp_seconds p_portal"] == 200.5
    assert found["last_failover_stall_seconds p_portal"] == 9.5


def test_every_metric_is_used() -> None:
    text = Path(collection.__file__).read_text()
    names = [name for name, value in vars(families).items() if isinstance(value, Family)]
    assert [name for name in names if f"families.{name}" not in text] == []
