# SPDX-License-Identifier: GPL-2.0-or-later
"""The counterpart's configuration: loadable, in the guide's order; and what is told of its failures."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from lxml import etree

from lab.bench import chain, incumbents
from lab.control import Result
from lab.errors import LabError
from lab.host import PROJECT
from lab.machine import Machine
from lab.pair import PORTAL, Pair

SCHEMA = Path("/usr/share/pacemaker/pacemaker-3.9.rng")

_SET = "pacemaker-attrd[9]:  notice: Setting"
JOURNAL = f"""\
100.1 zeus {_SET} last-failure-p_x#stop_0[atlas] in instance_attributes: (unset) -> 1795972073
100.2 zeus {_SET} fail-count-p_x#stop_0[atlas] in instance_attributes: (unset) -> INFINITY
100.3 atlas {_SET} fail-count-p_x#stop_0[atlas] in instance_attributes: (unset) -> INFINITY
102.1 zeus {_SET} fail-count-p_y#monitor_20000[zeus] in instance_attributes: 1 -> 2
103.1 zeus {_SET} fail-count-p_y#monitor_20000[zeus] in instance_attributes: 2 -> (unset)
"""


class FakeMachine:
    """A node with a resource file; `left` is what a chain has left on it."""

    is_on = True

    def __init__(self, text: str = "", left: str = "") -> None:
        self.text = text
        self.left = left
        self.commands: list[str] = []

    def journal(self) -> str:
        return JOURNAL

    def run(self, command: str) -> Result:
        return Result(0, self.succeed(command), "")

    def succeed(self, command: str) -> str:
        self.commands.append(command)
        return self.left if "--list-rules" in command else ""

    def read(self, path: str) -> str:
        return self.text

    def copy(self, files: dict[str, bytes]) -> None:
        ((_, content),) = files.items()
        self.text = content.decode()


class FakePair:
    def __init__(self, machine: FakeMachine) -> None:
        self.servers = [machine]


def made(machine: FakeMachine) -> Pair:
    return cast("Pair", FakePair(machine))


def resource() -> str:
    return (PROJECT / "drbd" / "8.4" / "san.res").read_text(encoding="utf-8")


@pytest.mark.parametrize("count", [1, 8])
def test_it_is_valid(count: int) -> None:
    cib = etree.fromstring(incumbents.configuration(count))
    for name, value in (("validate-with", SCHEMA.stem), ("admin_epoch", "0"), ("epoch", "1"), ("num_updates", "0")):
        cib.set(name, value)
    parts = cib[0]
    parts.insert(0, etree.Element("nodes"))
    parts.insert(0, etree.Element("crm_config"))
    etree.SubElement(cib, "status")
    relaxng = etree.RelaxNG(etree.parse(SCHEMA))
    assert relaxng.validate(cib), relaxng.error_log


@pytest.mark.parametrize("count", [1, 3])
def test_the_port_is_closed_first_and_opened_last(count: int) -> None:
    group = etree.fromstring(incumbents.configuration(count)).find(".//group")
    assert group is not None
    kinds = [each.get("type") for each in group.iter("primitive")]
    luns = ["iSCSILogicalUnit"] * count
    assert kinds == ["portblock", "IPaddr2", "iSCSITarget", *luns, "portblock"]
    actions = [each.get("value") for each in group.iter("nvpair") if each.get("name") == "action"]
    assert actions == ["block", "unblock"]


def test_the_chain_names_its_resources() -> None:
    ours, theirs = chain.twinsan(1), incumbents.chain(2)
    cib = etree.fromstring(theirs.configuration)
    names = {each.get("id") for each in cib.iter("primitive", "group", "clone")}
    assert {theirs.moved, theirs.address, theirs.drbd} <= names
    assert theirs.luns == 2
    assert theirs.serves
    shared = {each.get("id") for each in etree.fromstring(ours.configuration.encode()).iter("primitive")} & names
    assert not shared, "the history of one chain's agent would be taken for the other's"
    paths = [each.get("value") for each in cib.iter("nvpair") if each.get("name") == "path"]
    assert paths == ["/dev/drbd0", "/dev/drbd2"]


def test_the_resource_file_is_changed_and_restored() -> None:
    machine = FakeMachine(resource())
    incumbents.prepare(made(machine))
    assert machine.text == resource()
    incumbents.prepare(made(machine), guide_handlers=True)
    assert "crm-fence-peer.9.sh" in machine.text
    assert "crm-unfence-peer.9.sh" in machine.text
    machine.text += "volume 2 {}\n"
    incumbents.restore(made(machine))
    assert machine.text == resource() + "volume 2 {}\n"


def test_what_it_leaves_is_told() -> None:
    rule = f"-A INPUT -d {PORTAL}/32 -p tcp -m multiport --dports 3260 -j DROP"
    with pytest.raises(LabError, match="dports 3260"):
        incumbents.restore(made(FakeMachine(resource(), rule + "\n")))


def test_failures_are_told_once() -> None:
    machine = cast("Machine", FakeMachine())
    stop, monitor = "stop of p_x failed on atlas (failures: INFINITY)", "monitor of p_y failed on zeus (failures: 2)"
    assert incumbents.troubles([machine], 0) == [stop, monitor]
    assert incumbents.troubles([machine], 102) == [monitor]


def test_a_server_without_power_is_not_asked() -> None:
    machine = FakeMachine()
    machine.is_on = False
    assert incumbents.troubles([cast("Machine", machine)], 0) == []
