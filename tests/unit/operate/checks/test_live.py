# SPDX-License-Identifier: GPL-2.0-or-later
"""The pair as it is: from either node, with the other one dead, without a cluster, with another version there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.operate.checks import host, mutation
from twinsan import cli
from twinsan.cluster import cib
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host import child, command, kernel_files
from twinsan.host.message import Report as Answer
from twinsan.operate import remote
from twinsan.operate.checks import host_facts, leftovers, live, situations

CIB = mutation.changed("san", mutation.live(), mutation.value("password", "lrm://"))


class World:
    """What the pair answers; an exception in place of an answer is raised."""

    def __init__(self) -> None:
        self.facts = host.pair()
        self.cib: str | Failure = CIB.decode()
        self.there: str | Failure | None = None
        self.saved = ""

    def query(self, _: Deadline) -> str:
        if isinstance(self.cib, Failure):
            raise self.cib
        return self.cib

    def run(self, node: remote.Node, *argv: str, **_: object) -> command.Result:
        assert (node.name, argv[:4]) == ("zeus", ("twinsan", "check", "--facts", "--seconds"))
        if isinstance(self.there, Failure):
            raise self.there
        import time

        self.facts["zeus"]["clock"]["now"] += time.time()
        printed = json.dumps(self.facts["zeus"]) if self.there is None else self.there
        return command.Result(argv, 0, printed, "")


def one_after_the_other(
    works: Mapping[str, Callable[[], Iterable[bytes]]], _: Deadline, meanwhile: Callable[[], None]
) -> dict[str, Answer]:
    """All works, in this process."""
    answers = {}
    meanwhile()
    for name, work in works.items():
        answers[name] = Answer()
        try:
            answers[name].pieces.extend(work())
        except Failure as failure:
            answers[name].failure = failure
    return answers


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A pair that is well, seen from atlas. What would be done in the background is done at once."""
    made = World()
    files = {live._COROSYNC: host.corosync(), live._SAVED: ""}

    class Names:
        nodename = "atlas"
        release = "6.12.0"

    monkeypatch.setattr(os, "uname", Names)
    monkeypatch.setattr(child, "side_by_side", one_after_the_other)
    monkeypatch.setattr(child, "run_detached", lambda work: work())
    monkeypatch.setattr(cib, "query", made.query)
    monkeypatch.setattr(remote.Node, "start", lambda node, *argv, **_: lambda _: made.run(node, *argv))
    monkeypatch.setattr(host_facts, "collect", lambda *_: made.facts["atlas"])
    monkeypatch.setattr(situations, "find", lambda *_: iter(()))
    monkeypatch.setattr(kernel_files, "text", lambda path: made.saved if path == live._SAVED else files.get(path, ""))
    return made


def check(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = cli.main(["check", "--json"])
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return status, printed


def test_a_pair_that_is_well(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(capsys) == (0, {"findings": [], "unseen": []})


def test_what_is_found_on_the_other_node_names_it(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.facts["zeus"]["enabled"].append("target.service")
    status, printed = check(capsys)
    assert status == 4
    (finding,) = printed["findings"]
    assert (finding["fault"], finding["node"]) == ("target-service-enabled", "zeus")
    assert cli.main(["check"]) == 4
    assert capsys.readouterr().out.startswith("error: zeus: target.service starts at boot\n")


def test_a_dead_peer_hides_nothing_of_this_node(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.there = Failure("ssh to zeus does not work: no route to host; mend it")
    status, printed = check(capsys)
    assert (status, printed["findings"]) == (1, [])
    assert printed["unseen"] == [{"what": "the other node, zeus", "why": str(world.there)}]
    world.facts["atlas"]["enabled"].append("drbd.service")
    assert check(capsys)[0] == 3


def test_a_defect_in_a_rule_hides_nothing_else(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("a defect")

    monkeypatch.setattr(leftovers, "find", broken)
    world.facts["zeus"]["enabled"].append("target.service")
    status, printed = check(capsys)
    assert [each["fault"] for each in printed["findings"]] == ["target-service-enabled"]
    assert printed["unseen"] == [{"what": "all that is wrong with the configuration", "why": "LookupError: a defect"}]
    assert status == 4


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", "null", '{"clock": {"now": "x"}}', '{"clock": {"now": 1}}', "[" * 9999]
)
def test_an_answer_of_another_version(world: World, capsys: pytest.CaptureFixture[str], answer: str) -> None:
    world.there = answer
    status, printed = check(capsys)
    assert status == 1
    assert "another version" in printed["unseen"][0]["why"]


@pytest.mark.parametrize("key", sorted(host.node("zeus", 3)))
def test_an_answer_with_another_inside(world: World, capsys: pytest.CaptureFixture[str], key: str) -> None:
    """Whatever another version means by a name, it is no traceback, and this node is looked at."""
    kind = type(world.facts["zeus"][key])
    for inside in (kind(), {"x": 3} if kind is dict else ["x", 3] if kind is list else kind()):
        world.facts["zeus"][key] = inside
        world.facts["zeus"]["clock"].setdefault("now", 0.0)
        assert check(capsys)[0] in (0, 1, 3, 4)


def test_without_a_cluster_its_saved_configuration_is_checked(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.cib = Failure("cibadmin: Connection refused")
    world.saved = mutation.changed("san", mutation.live()).decode()
    status, printed = check(capsys)
    assert status == 4
    assert {each["fault"] for each in printed["findings"]} == {"fence-password-missing"}
    assert "saved" in printed["unseen"][0]["what"]


def test_without_any_configuration_the_hosts_are_still_compared(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.cib = Failure("cibadmin: Connection refused")
    world.facts["zeus"]["networks"]["10.0.5.3"]["mtu"] = 9000
    status, printed = check(capsys)
    assert status == 3
    assert [each["fault"] for each in printed["findings"]] == ["mtu-differs"]


def test_what_a_node_could_not_see_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.facts["zeus"]["held"] = None
    world.facts["zeus"]["unseen"] = [["who holds the devices", "Permission denied"]]
    assert check(capsys)[1]["unseen"] == [{"what": "who holds the devices on zeus", "why": "Permission denied"}]


def test_the_clock_is_compared_with_the_time_of_the_answer(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.facts["zeus"]["clock"]["now"] = -30.0
    assert [each["fault"] for each in check(capsys)[1]["findings"]] == ["clocks-differ"]


@pytest.mark.parametrize(("carried", "expected"), [(True, []), (False, ["mtu-not-carried"])])
def test_large_packets_are_tried(
    world: World,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    carried: bool,
    expected: list[str],
) -> None:
    for seen in world.facts.values():
        for address, device in seen["networks"].items():
            device["mtu"] = 9000 if address.startswith("10.0.5") else 1500
    sent: list[tuple[str, ...]] = []

    def ping(*argv: str, **_: object) -> command.Result:
        sent.append(argv)
        return command.Result(argv, 0 if carried or "-s" not in argv else 1, "", "")

    monkeypatch.setattr(command, "run", ping)
    assert [each["fault"] for each in check(capsys)[1]["findings"]] == expected
    assert sent[-1][-2:] == ("8972", "10.0.5.3")


def file(root: Path, name: str, text: str = "") -> None:
    place = root / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A node's files; programs answer nothing."""

    def missing(*argv: str, **_: object) -> command.Result:
        raise Failure(f"the program {argv[0]} is missing")

    monkeypatch.setattr(command, "run", missing)
    file(tmp_path, "etc/drbd.conf", 'include "drbd.d/global_common.conf";\ninclude "drbd.d/*.res";\n')
    file(tmp_path, "etc/drbd.d/global_common.conf", "global { usage-count no; } common { net { max-buffers 8000; } }")
    file(tmp_path, "etc/drbd.d/san.res", host.resource_file())
    file(tmp_path, "etc/corosync/corosync.conf", host.corosync())
    file(tmp_path, "usr/sbin/lvm")
    file(tmp_path, "etc/multipath.conf", 'blacklist { devnode "^drbd[0-9]+" }')
    file(tmp_path, "etc/systemd/system/multi-user.target.wants/drbd.service")
    file(tmp_path, "etc/systemd/system/multi-user.target.wants/target.service")
    (tmp_path / "etc/systemd/system/target.service").symlink_to("/dev/null")
    saved = {"storage_objects": [{"dev": "/dev/drbd0"}, 3], "targets": [{"wwn": "iqn.2003-01.org.example:san"}]}
    file(tmp_path, "etc/target/saveconfig.json", json.dumps(saved))
    file(tmp_path, "etc/rtslib-fb-target/saveconfig.json", "{")
    file(tmp_path, "etc/sysconfig/sbd", 'SBD_DEVICE="/dev/sdz"\n# x\nSBD_WATCHDOG_TIMEOUT=15\n')
    file(tmp_path, "sys/fs/selinux/enforce", "1")
    denied = 'avc:  denied  { write } for pid=1 comm="drbdadm" scontext=system_u:system_r:drbd_t:s0'
    file(tmp_path, "var/log/audit/audit.log", f"other\ntype=AVC {denied}\nmore\n")
    return tmp_path


def test_what_a_node_sees_of_its_files(root: Path) -> None:
    seen = host_facts.collect(Deadline(5), str(root))
    assert host_facts.is_whole(json.loads(json.dumps(seen)))
    assert "0123456789abcdef" not in json.dumps(seen), "no secret leaves the node"
    options = seen["resources"]["san"]["options"]
    assert options["net.shared-secret"] == "set"
    assert options["net.max-buffers"] == "8000"
    assert set(seen["files"]) >= {"/etc/drbd.conf", "/etc/drbd.d/san.res", "/etc/corosync/corosync.conf"}
    assert seen["enabled"] == ["drbd.service"]
    saved = seen["saved_target"]
    assert saved["/etc/target/saveconfig.json"]["devices"] == ["/dev/drbd0"]
    assert seen["lvm"] == {"installed": True, "rejects": False, "devices_file": False}
    assert seen["multipath"] == {"blacklisted": True}
    assert seen["sbd"]["watchdog"] == "15"
    assert "drbd_t" in seen["selinux"]["denied"]
    assert "the values that corosync runs with" in {what for what, _ in seen["unseen"]}


def test_the_name_that_corosync_has_for_a_node(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = "nodelist.local_node_pos (u32) = 1\nnodelist.node.1.name (str) = zeus.example.org\n"
    printed += "runtime.config.totem.token (u32) = 3000\nstats.x (u64) = 1\n"
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 0, printed, ""))
    seen = host_facts.collect(Deadline(5), str(root))
    assert seen["node"] == "zeus.example.org"
    assert seen["corosync_running"]["runtime.config.totem.token"] == "3000"
    assert "stats.x" not in seen["corosync_running"]


@pytest.mark.parametrize(
    ("text", "rejects"),
    [
        ('global_filter = [ "r|^/dev/drbd.*|" ]', True),
        ('filter = [ "a|^/dev/sda|", "r|.*|" ]', True),
        ('# global_filter = [ "r|^/dev/drbd.*|" ]', False),
        ('filter = [ "a|.*|" ]', False),
    ],
)
def test_the_filter_of_lvm(root: Path, text: str, rejects: bool) -> None:
    file(root, "etc/lvm/lvm.conf", f"devices {{\n    {text}\n}}\n")
    assert host_facts.collect(Deadline(5), str(root))["lvm"]["rejects"] is rejects


@pytest.mark.parametrize("text", ["0", "-1", "3601", "1.5", "x", "9" * 400])
def test_a_wrong_number_of_seconds(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", "--seconds", text])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_site_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(situations, "find", lambda *_: iter(()))
    from tests.unit.site import sites

    place = tmp_path / "san.toml"
    place.write_text(sites.text())
    assert cli.main(["check", "--json", str(place)]) == 0
    told = json.loads(capsys.readouterr().out)["findings"]
    assert {each["fault"] for each in told} == {"third-vote-missing", "fencing-by-bmc-alone"}
    place.write_text(
        sites.changed(
            "san",
            ('links = ["10.0.5.2", ', 'links = ["10.0.5.2"] #'),
            ('links = ["10.0.5.3", ', 'links = ["10.0.5.3"] #'),
        )
    )
    assert cli.main(["check", str(place)]) == 3
    assert "one link" in capsys.readouterr().out
    place.write_text("name = 3")
    assert cli.main(["check", str(place)]) == 2
    assert "san.toml:1:" in capsys.readouterr().err
