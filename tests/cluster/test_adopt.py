# SPDX-License-Identifier: GPL-2.0-or-later
"""What others serve is the same disk afterwards, with the initiator logged in, by the steps of `twinsan adopt`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import tomllib

from lab import load as lab_load
from lab import report
from lab.bench import chain, incumbents
from lab.machine import Machine
from lab.pair import INITIATOR, IQN, PORTAL, Pair
from tests.cluster import hand, initiator
from tests.cluster.conftest import IPTABLES
from tests.cluster.test_failover import LOG, Load
from tests.cluster.test_migration import IDENTITY, Disk, logged_in

# Of portblock, an agent of ClusterLabs.
pytestmark = pytest.mark.parametrize("whole_pair", [IPTABLES], indirect=True)

_FOLDER = "/root/adopt"
_ORIGINAL = "/root/original.xml"
_NODE = f"iscsiadm -m node -T {IQN} -p {PORTAL}"
_FORGET = (
    "for node in atlas zeus; do attrd_updater --name twinsan-lun-p_lun1 --delete --node $node --private; done; "
    "rm -f /run/twinsan/fingerprint*.p_lun1"
)

# The old agents take minutes to start in a guest. By default an initiator gives I/O up after two.
_PATIENCE = "for session in /sys/class/iscsi_session/*; do echo 900 >$session/recovery_tmo; done"

# The parts of a disk's identity. Its limits are those of whoever serves it.
_NAMES = ("standard INQUIRY", "0x80 unit serial number", "0x83 device identification", "READ CAPACITY (16)")

_LUN = "iqn.2003-01.org.example:old"


def _log_out(pair: Pair) -> None:
    pair.esx.succeed(f"{_NODE} --logout; {_NODE} -o delete; ! ls /sys/class/block | grep -q '^sd'")


def _forget_the_disk(pair: Pair) -> None:
    """A LUN of this name was another disk, which both nodes know, and would refuse to replace."""
    for server in pair.servers:
        server.succeed(_FORGET)


@pytest.fixture
def old(recovering: Pair) -> Iterator[Pair]:
    """The pair with the agents of ClusterLabs and LINBIT, and the initiator logged in."""
    pair = recovering
    pair.atlas.succeed(f"cibadmin --query --scope configuration >{_ORIGINAL}")
    _log_out(pair)
    stage = chain.Stage(pair)
    stage.clear()
    incumbents.prepare(pair)
    stage.serve(incumbents.chain())
    _forget_the_disk(pair)
    pair.disk = pair.log_in()
    pair.esx.succeed(_PATIENCE)
    yield pair
    _log_out(pair)
    chain.stop_all(pair)
    incumbents.restore(pair)
    _forget_the_disk(pair)
    pair.atlas.succeed(f"cibadmin --replace --scope configuration --xml-file {_ORIGINAL}")
    for server in pair.servers:
        server.succeed(f"rm -rf {_FOLDER} {_ORIGINAL} /etc/twinsan")
    pair.wait_until_serving()
    pair.disk = pair.log_in()


class Typist:
    """Types the steps that the report of a node prints."""

    def __init__(self, pair: Pair, server: Machine) -> None:
        self._pair, self._server = pair, server
        server.succeed(f"mkdir -p {_FOLDER}")
        for output in ("--output site.toml", "--json"):
            told = server.run(f"cd {_FOLDER} && twinsan adopt {output}")
            assert told.status == 0, told.stderr + told.stdout
        self.report: dict[str, Any] = json.loads(told.stdout)
        self.site = server.read(f"{_FOLDER}/site.toml")
        assert self.report["site"] == self.site

    def type(self, step: dict[str, Any]) -> str:
        """Type the commands of a step where it says. Returns what they print."""
        commands = [each.replace("SITE.toml", "site.toml") for each in step["commands"] if each != "make install"]
        where = self._pair.servers if step["where"] == "on both nodes" else (self._server,)
        script = "\n".join([f"cd {_FOLDER} || exit", *commands])
        results = []
        for server in where:
            server.succeed(f"mkdir -p {_FOLDER}")
            begin = time.monotonic()
            results.append(server.run(script, timeout=300))
            print(f"{time.monotonic() - begin:5.1f} s on {server}: {step['what']}: {results[-1].stderr.strip()[-300:]}")
        return "".join(result.stdout for result in results)

    def take_over(self) -> dict[str, str]:
        """Type all steps but the last one, which goes back. Returns what each printed."""
        return {step["what"]: self.type(step) for step in self.report["steps"][:-1]}

    def go_back(self) -> None:
        """Type the last step."""
        self.type(self.report["steps"][-1])


def _roles(server: Machine, since: float) -> str:
    """What DRBD has told of roles, connections and disks since then."""
    words = "role\\(|conn\\(|disk\\("
    return server.run(f"journalctl --dmesg --since=@{since:.0f} --output=cat --grep='drbd.*({words})'").stdout


def _longest_stall(pair: Pair, begin: float, end: float) -> float:
    writes = list(lab_load.parse(pair.esx.read(LOG).splitlines(keepends=True)))
    gaps = [gap.seconds for gap in report.stalls(writes, 0) if gap.end >= begin and gap.begin <= end]
    return max(gaps)


@pytest.mark.procedure
def test_a_pair_of_clusterlabs_and_linbit_is_taken_over_under_load_and_goes_back(old: Pair) -> None:
    pair = old
    active = pair.wait_until_serving()
    passive = pair.peer_of(active)
    known = initiator.identity(pair.esx, pair.disk)
    names = pair.esx.succeed(f"find -L /dev/disk/by-id -samefile {pair.disk}").split()
    load = Load(pair, seconds=1800)
    typist = Typist(pair, active)
    begin = time.time()
    printed = typist.take_over()
    pair.wait_until_serving(on=active)
    load.wait_for_writes()
    end = time.time()
    print(f"the longest stall of the take-over: {_longest_stall(pair, begin, end):.1f} s")
    (told,) = [text for what, text in printed.items() if what.startswith("Take over.")]
    assert "3260" not in told, "a rule of portblock was left"
    assert _roles(active, begin) == "", "DRBD stayed as it was"
    assert _roles(passive, begin) == ""

    now = initiator.identity(pair.esx, pair.disk)
    assert {name: now[name] for name in _NAMES} == {name: known[name] for name in _NAMES}
    assert sorted(pair.esx.succeed(f"find -L /dev/disk/by-id -samefile {pair.disk}").split()) == sorted(names)
    assert f"iscsi-{IQN}-lun-1" in pair.esx.succeed("ls /dev/disk/by-path")
    pair.wait_until_settled()
    # The old resources are gone for good, and the other node serves the same disk.
    assert "p_iscsi" not in active.succeed("crm_mon -1 --inactive")
    pair.move(passive)
    load.wait_for_writes()
    there = initiator.identity(pair.esx, pair.disk)
    assert there == now
    load.judge()
    assert pair.verify_replicas() == 0
    print("taken over, moved to the other node, and all that was acknowledged is there")

    pair.wait_until_settled()
    load = Load(pair, seconds=1800)
    begin = time.time()
    typist.go_back()
    # Its address comes before its LUN.
    pair.wait_until_idle(600)
    load.wait_for_writes()
    print(f"the longest stall of the way back: {_longest_stall(pair, begin, time.time()):.1f} s")
    back = initiator.identity(pair.esx, pair.disk)
    assert {name: back[name] for name in _NAMES} == {name: known[name] for name in _NAMES}
    load.judge()
    assert pair.verify_replicas() == 0


@pytest.fixture
def saved(passive: Machine) -> Iterator[str]:
    """What targetcli has saved of a target that it serves on the passive server, from a device of 64 MiB."""
    device = passive.succeed("modprobe loop; truncate -s 64M /run/old; losetup --find --show /run/old").strip()
    passive.succeed("rm -rf /root/.targetcli")
    group = f"/iscsi/{_LUN}/tpg1"
    commands = (
        "/iscsi set global auto_add_default_portal=false",
        f"/backstores/block create name=vmfs01-of-the-old-san dev={device}",
        f"/iscsi create {_LUN}",
        f"{group}/portals create {passive.san_address}",
        f"{group}/luns create /backstores/block/vmfs01-of-the-old-san 7",
        f"{group}/acls create {INITIATOR}",
        "saveconfig /run/saved.json",
    )
    for command in commands:
        passive.succeed(f"targetcli {command}")
    yield "/run/saved.json"
    passive.run(f"targetcli /iscsi delete {_LUN}; targetcli /backstores/block delete vmfs01-of-the-old-san")
    passive.run(f"losetup --detach {device}; rm -rf /run/old /run/saved.json /root/.targetcli")


@pytest.mark.procedure
@pytest.mark.usefixtures("without_the_san")
def test_what_targetcli_has_saved_becomes_the_same_disk(pair: Pair, passive: Machine, saved: str) -> None:
    with logged_in(pair, passive) as disk:
        known = _known(disk)
        written = disk.write()
    told = json.loads(passive.run(f"twinsan adopt --saveconfig {saved} --json").stdout)
    resources = tomllib.loads(told["site"])["resources"].values()
    (resource,) = resources
    assert resource["target"]["iqn"] == _LUN
    (lun,) = resource["luns"]
    stored = json.loads(passive.read(saved))["storage_objects"]
    (device,) = [each["dev"] for each in stored if each["name"] == "vmfs01-of-the-old-san"]
    passive.succeed(f"targetcli /iscsi delete {_LUN}; targetcli /backstores/block delete vmfs01-of-the-old-san")
    target = {
        "iqn": resource["target"]["iqn"],
        "allowed_initiators": " ".join(resource["target"]["allowed_initiators"]),
        "portals": f"{resource['portals'][0]['ip']}:3260",
    }
    values = {
        "target_iqn": target["iqn"],
        "lun": str(lun["lun"]),
        "path": device,
        "scsi_sn": lun["scsi_sn"],
        "product_id": lun["product_id"],
        "vaai": " ".join(lun["vaai"]),
        "is_nonrot": "yes" if lun.get("is_nonrot") else "no",
    }
    hand.expect(passive, 0, "lio-iscsi-target", "start", **target)
    try:
        hand.expect(passive, 0, "lio-lun", "start", **values)
        with logged_in(pair, passive) as disk:
            assert _known(disk) == known
            assert disk.read() == written
        # Without the serial it is another one: the comparison can fail.
        hand.expect(passive, 0, "lio-lun", "stop", **values)
        del values["scsi_sn"]
        hand.expect(passive, 0, "lio-lun", "start", **values)
        with logged_in(pair, passive) as disk:
            assert _known(disk) != known
    finally:
        hand.expect(passive, 0, "lio-lun", "stop", **values)
        hand.expect(passive, 0, "lio-iscsi-target", "stop", **target)


def _known(disk: Disk) -> tuple[dict[str, str], list[str]]:
    return disk.ask(IDENTITY), disk.names()
