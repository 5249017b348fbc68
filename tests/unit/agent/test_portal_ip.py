# SPDX-License-Identifier: GPL-2.0-or-later
"""portal-ip, on a fake of the host's network and of the cluster."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit import agents, fake_network
from tests.unit.agents import reason
from tests.unit.fake_network import Host
from tests.unit.network.test_addresses import in_a_network_of_its_own
from twinsan.cluster import attributes
from twinsan.errors import Failure
from twinsan.host import child, command, rundir
from twinsan.network import addresses, announcement, links, presence, vacancy
from twinsan.network.addresses import AssignedAddress
from twinsan.network.connections import Peer
from twinsan.network.links import Link

VIP, VIP6 = "10.0.5.50", "2001:db8::50"
# Time for one attempt.
run = agents.Runner("portal-ip", ip=VIP, CRM_meta_timeout="4000")
probe = run.probe
IN_CLUSTER = {"crm_feature_set": "3.19.0"}


def monitor(**changes: str) -> int:
    """Run a recurring monitor as the cluster does."""
    return run("monitor", CRM_meta_interval="10000", **changes)


def look_ahead(**changes: str) -> int:
    """Run the monitor that the cluster runs where the resource does not."""
    return monitor(CRM_meta_role="Stopped", **changes)


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Host:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return fake_network.install(monkeypatch, tmp_path)


@pytest.mark.parametrize(("address", "prefix"), [(VIP, 24), (VIP6, 64)])
def test_a_life(host: Host, address: str, prefix: int) -> None:
    before = list(host.held)
    assert run("monitor", ip=address) == 7
    assert run("stop", ip=address) == 0
    assert host.log == []
    assert run("start", ip=address) == 0
    assert host.log == [
        f"probe {address} eth0",
        f"unsilence {address}",
        f"add {address}/{prefix} eth0",
        f"announce {address}",
        "tickle 3260",
    ]
    assert run("monitor", ip=address) == 0
    assert probe(ip=address) == 0
    host.log.clear()
    assert run("start", ip=address) == 0
    assert host.log == []
    assert run("stop", ip=address) == 0
    assert host.log == [f"silence {address}", f"remove {address}/{prefix}", "drop"]
    assert run("monitor", ip=address) == 7
    assert host.held == before


def test_reload_has_nothing_to_do(host: Host) -> None:
    assert run("reload-agent", port="3261") == 7
    run("start")
    host.log.clear()
    assert run("reload-agent", port="3261") == 0
    assert host.log == []


def test_a_wrong_value_does_not_take_down_what_runs(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    for action in ("monitor", "reload-agent"):
        assert run(action, port="0") == 190
        assert "port is not a whole number" in (told := reason(capsys))
        assert "; crm_resource -r RESOURCE -p port -v VALUE; what runs goes on" in told


def test_an_address_on_another_host(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.elsewhere = "02:00:00:00:00:02"
    assert run("start") == 1
    assert f"{VIP} is on another host already, 02:00:00:00:00:02 on eth0" in reason(capsys)
    assert host.log == [f"probe {VIP} eth0"]
    assert not host.background


def asked(host: Host, *addresses: str) -> None:
    """The start of a LUN asks for these addresses, and the answers have come."""
    vacancy.ask_beforehand(addresses)
    for work in host.background:
        work()
    host.background.clear()
    host.log.clear()


@pytest.mark.parametrize("address", [VIP, VIP6])
def test_a_start_does_not_ask_what_is_known(host: Host, address: str) -> None:
    asked(host, address)
    assert run("start", ip=address) == 0
    assert host.log[:2] == [f"unsilence {address}", f"add {address}/{24 if address == VIP else 64} eth0"]


def test_an_answer_counts_once_and_for_ten_seconds(host: Host) -> None:
    asked(host, VIP)
    run("start")
    run("stop")
    host.log.clear()
    run("start")
    assert host.log[0] == f"probe {VIP} eth0"
    run("stop")
    asked(host, VIP)
    for note in Path(rundir.DIRECTORY).glob("free-*"):
        os.utime(note, (time.time() - 11,) * 2)
    run("start")
    assert host.log[0] == f"probe {VIP} eth0"


def test_an_earlier_answer_does_not_count_beside_a_new_question(host: Host) -> None:
    asked(host, VIP)
    host.elsewhere = "02:00:00:00:00:02"
    asked(host, VIP)
    host.elsewhere = ""
    assert run("start") == 0
    assert host.log[0] == f"probe {VIP} eth0"


def test_a_note_that_cannot_be_read_costs_a_question_and_no_start(host: Host) -> None:
    asked(host, VIP)
    (note,) = Path(rundir.DIRECTORY).glob("free-*")
    note.unlink()
    note.mkdir()
    assert run("start") == 0
    assert host.log[0] == f"probe {VIP} eth0"


def test_the_answer_of_another_network_device_does_not_count(host: Host) -> None:
    host.links.append(Link(3, "eth1", 0x11043, b"\2\0\0\0\0\3"))
    asked(host, VIP)
    assert run("start", nic="eth1", cidr_netmask="24") == 0
    assert host.log[0] == f"probe {VIP} eth1"


@pytest.mark.parametrize("fault", ["another host has it", "no carrier", "in no network"])
def test_a_start_asks_for_itself_if_nothing_is_known(host: Host, fault: str) -> None:
    address = VIP
    if fault == "another host has it":
        host.elsewhere = "02:00:00:00:00:02"
    elif fault == "no carrier":
        host.links[1] = Link(2, "eth0", 0x1003, host.links[1].hardware)
    else:
        address = "192.0.2.1"
    asked(host, address)
    assert not list(Path(rundir.DIRECTORY).glob("free-*"))


def test_nobody_is_asked_for_an_address_that_is_here(host: Host) -> None:
    run("start")
    host.background.clear()
    asking = list(host.log)
    vacancy.ask_beforehand([VIP])
    host.background[0]()
    assert host.log == asking
    host.background.clear()
    vacancy.ask_beforehand([])
    assert not host.background


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, which take no time here but count for every deadline."""
    made: list[float] = []
    now = time.monotonic

    def sleep(seconds: float) -> None:
        made.append(seconds)
        for happen in [what for when, what in host_events if when <= sum(made)]:
            happen()

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(time, "monotonic", lambda: now() + sum(made))
    host_events.clear()
    return made


# What happens after so many seconds of pauses.
host_events: list[tuple[float, Callable[[], None]]] = []
FULL = {**IN_CLUSTER, "CRM_meta_timeout": "30000"}


def test_an_answer_that_passes_delays_a_start(host: Host, pauses: list[float]) -> None:
    """The last answer of the node that had the address, or a proxy's."""
    host.elsewhere = "02:00:00:00:00:02"
    host_events.append((2, lambda: setattr(host, "elsewhere", "")))
    assert run("start", **FULL) == 0
    assert 2 <= sum(pauses) < 3
    assert host.log[-2:] == [f"announce {VIP}", "tickle 3260"]


def test_another_host_is_refused_when_the_time_is_up(host: Host, pauses: list[float]) -> None:
    host.elsewhere = "02:00:00:00:00:02"
    assert run("start", **FULL) == 1
    assert 20 < sum(pauses) < 29


@pytest.mark.parametrize("what", ["network", "device", "busy", "ipv6"])
def test_what_a_restarting_network_service_takes_away_is_waited_for(host: Host, pauses: list[float], what: str) -> None:
    links, held = list(host.links), list(host.held)
    if what == "network":
        host.held = []
    elif what == "device":
        host.links = host.links[:1]
    elif what == "busy":
        host.busy = 2
    else:
        host.without_ipv6 = {"eth0"}

    def come_back() -> None:
        host.without_ipv6 = set()
        host.links = links
        host.held = held if what == "network" and not host.log else host.held

    host_events.append((3, come_back))
    address = VIP6 if what == "ipv6" else VIP
    assert run("start", ip=address, **FULL) == 0
    assert addresses.find(address)
    assert sum(pauses) < 4
    assert host.log.count(f"announce {address}") == 1


def test_an_address_that_vanishes_in_the_middle(
    host: Host, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was added and not announced is announced by the next attempt."""
    announced = announcement.send

    def lose(address: str, link: Link) -> None:
        if not pauses:
            raise OSError(errno.ENETDOWN, "Network is down")
        announced(address, link)

    monkeypatch.setattr(announcement, "send", lose)
    assert run("start", **FULL) == 0
    assert host.log[-2:] == [f"announce {VIP}", "tickle 3260"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ip": ""}, "ip is required"),
        ({"ip": "10.0.5.50/24"}, "ip"),
        ({"ip": "san.example.org"}, "ip"),
        ({"ip": "224.0.0.1"}, "no address that initiators could connect to"),
        ({"ip": "127.0.0.1"}, "no address"),
        ({"ip": "::"}, "no address"),
        ({"ip": "fe80::1"}, "no address"),
        ({"cidr_netmask": "33"}, "cidr_netmask"),
        ({"cidr_netmask": "255.0.255.0"}, "cidr_netmask is no netmask"),
        ({"nic": "../eth0"}, "nic"),
        ({"nic": "a" * 128}, "nic"),
        ({"port": "0"}, "port"),
    ],
)
def test_a_wrong_value_changes_nothing(
    host: Host, capsys: pytest.CaptureFixture[str], values: dict[str, str], words: str
) -> None:
    for action in ("start", "monitor", "validate-all"):
        assert run(action, **values) == 6
        assert words in reason(capsys)
    assert probe(**values) == 7
    assert run("stop", **values) == 0
    assert host.log == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"nic": "eth7"}, "nic eth7 does not exist on this host; it has eth0 lo"),
        ({"ip": "192.0.2.1"}, "192.0.2.1 is in no network of any network device"),
        ({"ip": "192.0.2.1", "nic": "eth0"}, "in no network of nic eth0"),
    ],
)
def test_a_value_for_another_host(
    host: Host, capsys: pytest.CaptureFixture[str], values: dict[str, str], words: str
) -> None:
    assert run("start", **values) == 2
    assert words in reason(capsys)
    assert probe(**values) == 7
    assert run("stop", **values) == 0
    assert host.log == []


def break_link(host: Host, flags: int = 0x1003) -> Link:
    """Take the device's carrier away; returns what it was."""
    working = host.links[1]
    host.links[1] = Link(2, "eth0", flags, working.hardware)
    return working


TOLD = f"twinsan-portal-{VIP}"
FAULTS = [(0x1003, "no carrier"), (0x1002, "ip link set eth0 up")]


@pytest.mark.parametrize(("flags", "words"), FAULTS)
@pytest.mark.parametrize("peer", ["", "network device eth0 has no carrier; look"])
def test_a_device_that_does_not_work_is_borne_where_the_other_is_no_better(
    host: Host, pauses: list[float], capsys: pytest.CaptureFixture[str], flags: int, words: str, peer: str
) -> None:
    host.attributes[TOLD] = {"zeus": peer} if peer else {}
    run("start", **FULL)
    working = break_link(host, flags)
    assert monitor(**FULL) == 190
    assert words in reason(capsys)
    assert host.attributes[TOLD]["atlas"].startswith("network device eth0")
    assert run("stop", **FULL) == 0
    host.log.clear()
    assert run("start", **FULL) == 0
    assert 8 < sum(pauses) < 11, "it waits for carrier first"
    assert f"add {VIP}/24 eth0" in host.log
    assert f"announce {VIP}" not in host.log
    host.links[1] = working
    host.log.clear()
    host.background[-1]()
    assert host.log[0] == f"announce {VIP}"


def test_carrier_that_comes_during_a_start(host: Host, pauses: list[float]) -> None:
    working = break_link(host)
    host_events.append((3, lambda: host.links.__setitem__(1, working)))
    assert run("start", **FULL) == 0
    assert 3 <= sum(pauses) < 4
    assert host.log[-2:] == [f"announce {VIP}", "tickle 3260"]


@pytest.mark.parametrize(("flags", "words"), FAULTS)
def test_a_device_that_does_not_work_fails_where_the_other_is_ready(
    host: Host, pauses: list[float], capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: int, words: str
) -> None:
    host.attributes[TOLD] = {"zeus": "ready"}
    run("start", **FULL)
    break_link(host, flags)
    assert monitor(**FULL) == 1
    assert words in reason(capsys)
    assert 8 < sum(pauses) < 11, "what the other told last may be from before"
    run("stop", **FULL)
    host.log.clear()
    pauses.clear()
    assert run("start", **FULL) == 1
    assert words in reason(capsys)
    assert 8 < sum(pauses) < 12
    assert host.log == []
    note = tmp_path / f"portal-{VIP}-told"
    os.utime(note, (time.time() - 10, time.time() - 10))
    pauses.clear()
    assert run("start", **FULL) == 1
    assert sum(pauses) == 0, "the monitor that failed has waited already"


@pytest.mark.parametrize("mends", ["own", "other"])
def test_a_monitor_waits_until_it_is_sure(host: Host, pauses: list[float], mends: str) -> None:
    """Both lose their carrier at once, and the other node has told so only some seconds later."""
    host.attributes[TOLD] = {"zeus": "ready"}
    run("start", **FULL)
    working = break_link(host)
    if mends == "own":
        host_events.append((5, lambda: host.links.__setitem__(1, working)))
    else:
        host_events.append((5, lambda: host.attributes[TOLD].update(zeus="network device eth0 has no carrier")))
    assert monitor(**FULL) == (0 if mends == "own" else 190)
    assert sum(pauses) <= 6


def test_a_node_in_standby_is_not_better(host: Host, pauses: list[float]) -> None:
    """It tells that it is ready all the same; but the cluster would find nobody to serve."""
    host.attributes[TOLD] = {"zeus": "ready"}
    host.standby = {"zeus"}
    run("start", **FULL)
    break_link(host)
    assert monitor(**FULL) == 190
    assert sum(pauses) == 0


def test_a_probe_does_not_wait(host: Host, pauses: list[float]) -> None:
    host.attributes[TOLD] = {"zeus": "ready"}
    run("start", **FULL)
    background = len(host.background)
    break_link(host)
    assert probe(**FULL) == 190
    assert (pauses, len(host.background)) == ([], background)
    assert "atlas" not in host.attributes[TOLD]


@pytest.mark.parametrize(("seconds", "dropped"), [(1, False), (60, True)])
def test_initiators_are_back_when_the_switch_is(host: Host, pauses: list[float], seconds: int, dropped: bool) -> None:
    host.attributes[f"twinsan-connections-{VIP}"] = {"zeus": "10.0.5.9:51234"}
    run("start", **FULL)
    working = break_link(host)
    monitor(**FULL)
    assert "10.0.5.9:51234" in str(host.attributes), "who was connected before is not forgotten meanwhile"
    host.log.clear()
    pauses.clear()
    host.peers = [Peer("10.0.5.9", 51235)]
    host_events[:] = [(seconds, lambda: host.links.__setitem__(1, working))]
    host.background[-1]()
    assert host.log[: 2 + dropped] == [
        *["drop 10.0.5.9:51235"] * dropped,
        f"announce {VIP}",
        "tickle 3260 10.0.5.9:51234",
    ]
    assert pauses[0] <= 0.2
    assert "10.0.5.9:51235" in str(host.attributes)


def test_nobody_announces_an_address_that_left_meanwhile(host: Host, pauses: list[float]) -> None:
    run("start", **FULL)
    break_link(host)
    monitor(**FULL)
    waiting = host.background[-1]
    run("stop", **FULL)
    host.log.clear()
    waiting()
    assert host.log == []


def test_a_node_without_the_address_tells_whether_it_could_hold_it(host: Host, tmp_path: Path) -> None:
    assert probe(**FULL) == 7
    assert TOLD not in host.attributes
    assert look_ahead(**FULL) == 7
    assert host.attributes[TOLD] == {"atlas": "ready"}
    host.log.clear()
    assert look_ahead(**FULL) == 7
    assert host.log == [], "what did not change is not told again"
    break_link(host)
    assert look_ahead(**FULL) == 7
    assert host.attributes[TOLD]["atlas"].startswith("network device eth0 has no carrier")
    # A monitor goes on with the parameters that it was started with, so those are a part of the name.
    assert look_ahead(nic="eth9", **FULL) == 7
    assert host.attributes[f"{TOLD}-eth9"]["atlas"].startswith("nic eth9 does not exist")


@pytest.mark.parametrize("trouble", [OSError("no netlink"), Failure("nobody answers"), KeyError("a defect")])
def test_a_node_that_does_not_serve_disturbs_nobody(
    host: Host, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """For any other answer the cluster would stop the address where it is (see test_template_failures)."""

    def fails() -> list[Link]:
        raise trouble

    monkeypatch.setattr(links, "present", fails)
    assert look_ahead(**FULL) == 7
    assert look_ahead(port="none", **FULL) == 7
    assert look_ahead(ip="nowhere", **FULL) == 7


def test_an_address_that_is_where_it_should_not_be_is_told(host: Host) -> None:
    run("start", **FULL)
    assert look_ahead(**FULL) == 0


def test_what_would_keep_the_other_node_from_taking_over_shows_beforehand(
    host: Host, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run("start", **FULL)
    host.attributes[TOLD] = {"zeus": "network device eth0 is down; type: ip link set eth0 up"}
    assert monitor(**FULL) == 190
    told = f"zeus could not take {VIP} over: network device eth0 is down; type: ip link set eth0 up"
    assert reason(capsys) == told
    host.attributes[TOLD]["zeus"] = "ready"
    os.utime(tmp_path / f"portal-{VIP}-others", (0, 0))
    assert monitor(**FULL) == 0


def test_another_name_of_a_device(host: Host) -> None:
    name = "enp0s1np0-as-the-vendor-calls-it"
    assert run("start", nic=name) == 2
    host.links[1] = Link(2, "eth0", 0x11043, b"\2\0\0\0\0\1", [name])
    assert run("start", nic=name) == 0
    assert run("monitor", nic=name) == 0


def test_ipv6_that_is_off_is_seen_beforehand(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.without_ipv6 = {"eth0"}
    for action in ("validate-all", "start"):
        assert run(action, ip=VIP6) == 2
        assert "IPv6 is off on eth0; type: sysctl -w" in reason(capsys)
    assert run("start") == 0


def test_the_spellings_of_another_agent(host: Host) -> None:
    assert run("start", nic="eth0:1", cidr_netmask="255.255.254.0") == 0
    assert f"add {VIP}/23 eth0" in host.log
    assert run("monitor", nic="eth0:1", cidr_netmask="255.255.254.0") == 0


def test_a_device_that_is_gone_does_not_keep_the_address(host: Host) -> None:
    run("start", nic="eth0")
    host.links[1] = Link(2, "renamed", 0x11043, b"\2\0\0\0\0\1")
    assert run("stop", nic="eth0") == 0
    assert run("monitor") == 7


def test_an_address_in_the_wrong_place_is_moved(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.held.append(AssignedAddress(1, VIP, 32, 0x80))
    assert run("monitor", nic="eth0") == 1
    assert "on network device lo instead of eth0" in reason(capsys)
    assert run("start", nic="eth0") == 0
    assert [(held.index, held.prefix) for held in addresses.find(VIP)] == [(2, 24)]
    assert run("monitor", nic="eth0") == 0


@pytest.mark.parametrize("prefix", [16, 24, 32])
def test_stop_removes_whatever_prefix_it_has(host: Host, prefix: int) -> None:
    host.held.append(AssignedAddress(2, VIP, prefix, 0x80))
    host.held.append(AssignedAddress(1, VIP, 32, 0x80))
    assert run("stop", cidr_netmask="24", nic="eth0") == 0
    assert addresses.find(VIP) == []


def test_an_address_that_the_kernel_found_elsewhere(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    host.held.append(AssignedAddress(2, VIP6, 64, 0x88))
    assert run("monitor", ip=VIP6) == 1
    assert f"another host has {VIP6}" in reason(capsys)


def test_a_stop_that_does_not_work(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    run("start")
    host.stuck = True
    assert run("stop") == 1
    assert "still there" in reason(capsys)


def test_without_silence_connections_are_left_alone(host: Host) -> None:
    run("start", ip=VIP6)
    host.silent = False
    host.log.clear()
    assert run("stop", ip=VIP6) == 0
    assert not [done for done in host.log if done.startswith("drop")]


def test_stop_falls_silent_before_all_else(host: Host) -> None:
    run("start", **IN_CLUSTER)
    host.peers = [Peer("10.0.5.9", 51234)]
    host.log.clear()
    assert run("stop", **IN_CLUSTER) == 0
    assert host.log == [f"silence {VIP}", f"remove {VIP}/24", "drop 10.0.5.9:51234"]
    host.background[-1]()
    assert host.log[3:] == ["tell atlas", "tell zeus"], "the stop need not wait for the cluster"


def test_every_node_learns_who_is_connected(host: Host) -> None:
    run("start", **IN_CLUSTER)
    host.peers = [Peer("10.0.5.9", 51234)]
    host.log.clear()
    assert probe(**IN_CLUSTER) == 0
    assert host.log == []
    assert monitor(**IN_CLUSTER) == 0
    told = {"atlas": "10.0.5.9:51234", "zeus": "10.0.5.9:51234"}
    assert host.attributes[f"twinsan-connections-{VIP}"] == told
    assert monitor(**IN_CLUSTER) == 0
    assert run("stop", **IN_CLUSTER) == 0
    host.background[-1]()
    assert host.log.count("tell atlas") == 1, "what did not change is not told again"


def test_a_node_that_came_back_is_told_again(host: Host, tmp_path: Path) -> None:
    run("start", **IN_CLUSTER)
    monitor(**IN_CLUSTER)
    told = tmp_path / f"connections-{VIP}"
    os.utime(told, (0, 0))
    host.log.clear()
    monitor(**IN_CLUSTER)
    assert host.log == ["tell atlas", "tell zeus"]
    os.utime(told, (0, 0))
    assert run("stop", **IN_CLUSTER) == 0
    host.background[-1]()
    assert host.log.count("tell atlas") == 1, "a stop repeats nothing"


def test_initiators_of_the_other_node_are_reset(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "repeat", lambda *_arguments: False)
    host.attributes[f"twinsan-connections-{VIP}"] = {
        "atlas": "10.0.5.9:51234",
        "zeus": "10.0.5.9:51234 10.0.5.8:40000 rubbish",
    }
    assert run("start", port="3261", **IN_CLUSTER) == 0
    assert host.log[-2:] == [f"announce {VIP}", "tickle 3261"], "the start does not wait for the cluster's answer"
    host.background.pop()()
    assert host.log[-2:] == [f"announce {VIP}", "tickle 3261 10.0.5.8:40000 10.0.5.9:51234"]


def test_the_announcement_is_repeated_while_the_address_is_here(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 4:
            host.held = [held for held in host.held if held.address != VIP]

    host.attributes[f"twinsan-connections-{VIP}"] = {"zeus": "10.0.5.9:51234"}
    run("start", **IN_CLUSTER)
    host.log.clear()
    monkeypatch.setattr("time.sleep", sleep)
    (again,) = host.background
    again()
    assert host.log == [f"announce {VIP}", "tickle 3260 10.0.5.9:51234"] * 4
    assert sum(pauses) < 5


def test_who_came_back_is_told_without_waiting_for_a_monitor(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    run("start", **IN_CLUSTER)
    host.peers = [Peer("10.0.5.9", 51234)]
    (again,) = host.background
    again()
    assert set(host.attributes[f"twinsan-connections-{VIP}"].values()) == {"10.0.5.9:51234"}


def test_a_cluster_that_does_not_answer_fails_nothing(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_named: object) -> None:
        raise Failure("attrd_updater: no answer")

    monkeypatch.setattr(attributes, "get_node_attributes", fail)
    monkeypatch.setattr(command, "run", fail)
    host.peers = [Peer("10.0.5.9", 51234)]
    for action in ("start", "monitor", "stop"):
        assert run(action, **IN_CLUSTER) == 0
    assert addresses.find(VIP) == []


@pytest.mark.runs_programs
def test_on_a_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """All but the cluster is real here."""
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path))

    def work() -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(child, "run_detached", lambda _: None)
        home = next(link for link in links.present() if link.name == "v0")
        addresses.add("10.0.5.2", 24, home)
        addresses.add("2001:db8::2", 64, home)
        for address in (VIP, VIP6):
            for action, code in (
                ("monitor", 7),
                ("start", 0),
                ("monitor", 0),
                ("start", 0),
                ("stop", 0),
                ("monitor", 7),
            ):
                assert run(action, ip=address) == code, (address, action)
            assert run("start", ip=address) == 0
            assert run("stop", ip=address) == 0

    in_a_network_of_its_own(work)
