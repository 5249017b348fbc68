# SPDX-License-Identifier: GPL-2.0-or-later
"""All sources together: what answers, what does not, what hangs; and the documented JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.operate.pair_facts import CIB, COROSYNC, DISKS, DRBD, OVERVIEW, make
from tools import schema
from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.errors import Failure, TooSlow
from twinsan.host import command, rundir
from twinsan.lio import configfs
from twinsan.operate.facts import gathering, storage, told, votes
from twinsan.operate.facts.configuration import Configuration
from twinsan.operate.facts.fact import as_json, replace
from twinsan.operate.facts.shape import Facts, Told

PORTAL = 'name="twinsan-portal-10.0.5.50" host="zeus" value="ready"\n'
LIMITS = "".join(f'name="twinsan-device-limits-san" host="{node}" value="{DISKS}"\n' for node in ("atlas", "zeus"))


class Programs:
    """What each program prints; a Failure in its place is raised, and a function is called."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.printed: dict[str, str | Failure | Callable[[Deadline], str]] = {
            "cibadmin": CIB,
            "crm_mon": OVERVIEW,
            "drbdsetup": DRBD,
            "twinsan-portal-10.0.5.50": PORTAL,
            "twinsan-device-limits-san": LIMITS,
        }
        monkeypatch.setattr(command, "run", self.run)
        monkeypatch.setattr(command, "start", lambda *argv: Program(self, argv))
        monkeypatch.setattr(setup, "loaded", lambda: True)
        monkeypatch.setattr(setup, "has_devices", lambda: True)
        monkeypatch.setattr(setup, "version", lambda: "")
        monkeypatch.setattr(configfs, "root", str(folder / "none"))
        monkeypatch.setattr(rundir, "DIRECTORY", str(folder / "twinsan"))
        monkeypatch.setattr(votes, "path", str(folder / "corosync.conf"))
        Path(votes.path).write_text(COROSYNC)

    def run(self, *argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        printed = self.printed[argv[-1] if argv[0] == "attrd_updater" else argv[0]]
        if isinstance(printed, Failure):
            raise printed
        return command.Result(argv, 0, printed(deadline) if callable(printed) else printed, "")


class Program:
    """A program that was started."""

    def __init__(self, programs: Programs, argv: tuple[str, ...]) -> None:
        self.programs = programs
        self.argv = argv

    def result(self, deadline: Deadline, *, check: bool = True) -> command.Result:
        return self.programs.run(*self.argv, deadline=deadline, check=check)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Programs:
    return Programs(monkeypatch, tmp_path)


def hang(deadline: Deadline) -> str:
    time.sleep(deadline.remaining())
    raise TooSlow("it did not end in time")


@pytest.mark.runs_programs
def test_a_pair_that_is_well(programs: Programs) -> None:
    found = gathering.gather(60)
    assert found.not_seen == ()
    (service,) = found.services
    assert (service.drbd, service.node, service.since) == ("san", "atlas", 1795989213)
    assert (service.luns, service.portals, service.targets) == (("p_lun1",), ("p_portal",), ("p_target",))
    assert found.told == (Told("atlas", {}, {"san": DISKS}), Told("zeus", {"10.0.5.50": "ready"}, {"san": DISKS}))
    assert found.replication is not None
    assert found.replication[0].volumes[0].peers[0].disk == "UpToDate"
    assert found.seconds < 60


@pytest.mark.runs_programs
@pytest.mark.parametrize(
    ("silent", "what"),
    [
        ("cibadmin", ["the configuration of the cluster"]),
        ("crm_mon", ["the state of the cluster"]),
        ("drbdsetup", ["DRBD on this node"]),
        ("twinsan-portal-10.0.5.50", ["whether the nodes could take 10.0.5.50"]),
        ("twinsan-device-limits-san", ["what the nodes would serve of san"]),
    ],
)
def test_one_source_does_not_answer(programs: Programs, silent: str, what: list[str]) -> None:
    programs.printed[silent] = TooSlow("it did not end in time")
    found = gathering.gather(60)
    assert [each.what for each in found.not_seen] == what
    assert "it did not end in time" in found.not_seen[0].because
    assert (found.replication is None) == (silent == "drbdsetup")
    assert bool(found.services) == (silent != "cibadmin")


@pytest.mark.runs_programs
def test_what_hangs_holds_nothing_else_up(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """DRBD and LIO hang, and the attribute daemon does: the cluster is seen, in the time that is given."""

    def look() -> Iterator[object]:
        yield from ()
        hang(Deadline(60))

    programs.printed["drbdsetup"] = programs.printed["twinsan-portal-10.0.5.50"] = hang
    monkeypatch.setattr(storage, "look", look)
    begun = time.monotonic()
    found = gathering.gather(3)
    assert time.monotonic() - begun < 30
    assert {each.what for each in found.not_seen} >= {"DRBD on this node", "LIO on this node"}
    assert found.services[0].node == "atlas"


@pytest.mark.runs_programs
def test_a_defect_is_said_beside_what_was_not_seen(programs: Programs) -> None:
    def broken(deadline: Deadline) -> str:
        raise LookupError("a defect")

    Path(votes.path).unlink()
    programs.printed["crm_mon"] = broken
    found = gathering.gather(60)
    assert [each.what for each in found.not_seen] == ["corosync's time-outs and votes", "the state of the cluster"]
    assert "a defect" in found.not_seen[1].because


@pytest.mark.runs_programs
def test_nothing_at_all(programs: Programs) -> None:
    for name in programs.printed:
        programs.printed[name] = Failure("there is none")
    Path(votes.path).unlink()
    found = gathering.gather(60)
    assert len(found.not_seen) == 4
    assert (found.cluster, found.votes, found.services, found.replication) == (None, None, (), None)


@pytest.mark.parametrize(
    ("host", "nodes", "name"),
    [
        ("atlas", ["atlas", "zeus"], "atlas"),
        ("atlas.example.org", ["atlas", "zeus"], "atlas"),
        ("atlas", ["Atlas.example.org", "zeus"], "Atlas.example.org"),
        ("hera", ["atlas", "zeus"], "hera"),
        ("atlas", [], "atlas"),
    ],
)
def test_the_name_of_this_node(host: str, nodes: list[str], name: str) -> None:
    assert gathering.own_name(host, nodes) == name


def answers(cib: str) -> list[told.Answer]:
    asked = [each.answer(Deadline(1)) for each in told.ask(Configuration(cib)) if isinstance(each, told.Question)]
    return [each for each in asked if isinstance(each, told.Answer)]


def test_the_attribute_of_a_portal_with_a_device(programs: Programs) -> None:
    cib = CIB.replace(
        '<nvpair id="p_portal-ip" name="ip" value="10.0.5.50"/>',
        '<nvpair id="p_portal-ip" name="ip" value="2001:db8::50"/><nvpair id="n" name="nic" value="eth0"/>',
    )
    programs.printed["twinsan-portal-2001-db8--50-eth0"] = PORTAL
    assert [each.about for each in answers(cib)] == ["2001:db8::50", "san"]


def test_nobody_has_told_anything(programs: Programs) -> None:
    programs.printed["twinsan-portal-10.0.5.50"] = programs.printed["twinsan-device-limits-san"] = ""
    assert told.by_node(answers(CIB)) == ()


def matches(value: Any, rule: dict[str, Any], whole: dict[str, Any]) -> bool:  # noqa: ANN401
    """Whether a value fits a schema, as far as ours use the language."""
    if "$ref" in rule:
        return matches(value, whole["$defs"][rule["$ref"].rpartition("/")[2]], whole)
    if "anyOf" in rule:
        return any(matches(value, each, whole) for each in rule["anyOf"])
    kinds: dict[str, Any] = {
        "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None), "object": dict,
        "array": list,
    }  # fmt: skip
    if not isinstance(value, kinds[rule["type"]]) or (isinstance(value, bool) and rule["type"] != "boolean"):
        return False
    if rule["type"] == "array":
        return all(matches(each, rule["items"], whole) for each in value)
    if rule["type"] != "object":
        return True
    parts: dict[str, Any] = rule.get("properties") or dict.fromkeys(value, rule.get("additionalProperties"))
    return set(value) == set(parts) and all(matches(value[name], parts[name], whole) for name in parts)


def test_the_schema_is_current() -> None:
    assert schema.PATH.read_text(encoding="utf-8") == schema.text(), "type: make man"


@pytest.mark.parametrize("facts", [make(), make(replicated=False), replace(make(), cluster=None, votes=None)])
def test_the_facts_are_as_the_schema_has_them(facts: Facts) -> None:
    whole = json.loads(schema.text())
    assert matches(json.loads(json.dumps(as_json(facts))), {"$ref": "#/$defs/Facts"}, whole)
    wrong = replace(facts, node=1)
    assert not matches(as_json(wrong), {"$ref": "#/$defs/Facts"}, whole)
