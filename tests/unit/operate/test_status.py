# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan status``: what it prints, in each form, and its exit status."""

from __future__ import annotations

import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.unit.operate import test_prediction as cases
from tests.unit.operate.facts.test_cluster import HISTORY
from tests.unit.operate.facts.test_gathering import matches
from tests.unit.operate.pair_facts import COROSYNC, QNETD, QUORUM, make
from tools import schema
from twinsan import cli
from twinsan.operate import status
from twinsan.operate.display import page, screen, words
from twinsan.operate.display.view import View
from twinsan.operate.facts import gathering
from twinsan.operate.facts.fact import replace
from twinsan.operate.facts.shape import Facts, NotSeen
from twinsan.operate.facts.storage_shape import Lun, LunUse, Portal, Reservation, Session, Target

IQN = "iqn.2003-01.org.example:san"
LUN = Lun(
    IQN, 1, "p_lun1", "/dev/drbd0", 128 << 20, "3e8f", "naa.60014053e8f6c9d1a2b3c4d5e6f70812", "LIO-ORG san",
    ("ats", "xcopy", "write_same", "unmap"), "active/optimized", Reservation(0, None, None), 12345, 120, 340, 0,
)  # fmt: skip
SESSION = Session(
    "iqn.1998-01.com.vmware:esx", True, "LOGGED_IN", "10.0.5.4", {"MaxBurstLength": "1048576"}, 128, 12345,
    340 << 20, 120 << 20, 0, 0, (LunUse(1, 12345, 120, 340),),
)  # fmt: skip
TARGET = Target(IQN, True, (Portal("10.0.5.50", 3260, here=True),), (SESSION,), 0)
FENCED = [('\n  <status code="0', HISTORY)]
NOBODY = replace(
    make(), replication=None, cluster=None, votes=None, services=(), not_seen=(NotSeen("the cluster", "it is away"),)
)


def whole(facts: Facts) -> Facts:
    return replace(facts, luns=(LUN,), targets=(TARGET,))


def shown(facts: Facts, *, colour: bool = False) -> str:
    return screen.text(View(status.of(facts)), colour=colour)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Facts]:
    """What is gathered, one after the other; the last one stays."""
    facts = [whole(make())]
    monkeypatch.setattr(gathering, "gather", lambda _seconds: facts.pop(0) if len(facts) > 1 else facts[0])
    return facts


@pytest.mark.parametrize(
    ("facts", "verdict", "code"),
    [
        (make(), "well", 0),
        (make(overview=FENCED), "degraded", 3),
        (make(told=[]), "degraded", 3),
        (make(drbd=cases.disk("Inconsistent")), "degraded", 3),
        (replace(make(), not_seen=(NotSeen("LIO on this node", "it hangs"),)), "degraded", 3),
        (make(node="atlas", promoted=None), "not served", 4),
        (replace(make(), services=()), "not served", 4),
        (replace(make(), cluster=None), "degraded", 3),
        (NOBODY, "not seen", 1),
    ],
)
def test_the_verdict_is_the_exit_status(
    facts: Facts, verdict: str, code: int, seen: list[Facts], capsys: pytest.CaptureFixture[str]
) -> None:
    if verdict == "not served" and facts.services:
        facts = replace(facts, services=(replace(facts.services[0], node=None),))
    seen[:] = [facts]
    assert cli.main(["status", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == verdict
    assert matches(told, json.loads(schema.text()), json.loads(schema.text()))


def test_a_pair_that_is_well() -> None:
    text = shown(whole(make()))
    assert "atlas serves san on 10.0.5.50 for 1 min 27 s." in text
    assert "If atlas died now, zeus would serve in about 16 s." in text
    assert "Not well" not in text
    assert "Not seen" not in text
    assert "60014053e8f6c9d1a2b3c4d5e6f70812" in text
    assert "iqn.1998-01.com.vmware:esx  logged in  10.0.5.4  12 345    120 MiB  340 MiB" in text
    assert "fence_atlas  fence_ipmilan  atlas      zeus   yes (1.1 s)" in text
    assert max(map(len, text.splitlines())) < 130


def test_a_pair_that_is_not() -> None:
    text = shown(make(overview=FENCED, drbd=cases.disk("Inconsistent")))
    assert "If atlas died now, zeus WOULD NOT SERVE." in text
    assert "the disk of san/0 on zeus is Inconsistent, for another 1:30 min" in text
    assert "p_lun1 on atlas: it is cut o" in text
    assert "san/0 is resynchronising (SyncSource, 10% done, 1:30 min left)" in text
    assert "the last fencing: reboot of zeus, pending" in text


def test_what_is_unknown_and_not_seen_is_said() -> None:
    why = "attrd_updater did not end in time"
    text = shown(make(told=[], not_seen=[NotSeen("whether the nodes could take 10.0.5.50", why)]))
    assert "it is UNKNOWN whether zeus would serve" in text
    assert f"whether the nodes could take 10.0.5.50, because {why}" in text


def test_nothing_at_all_is_said_in_one_line() -> None:
    text = shown(NOBODY)
    assert "Who serves could not be seen." in text
    assert "the cluster, because it is away" in text


def test_a_node_that_serves_without_its_cluster() -> None:
    text = shown(replace(whole(make()), cluster=None, services=()))
    assert f"atlas serves {IQN}; the cluster could not be seen." in text


def test_nobody_serves() -> None:
    facts = make(promoted=None, node="atlas")
    service = replace(facts.services[0], node=None)
    text = shown(replace(facts, services=(service,)))
    assert "NOBODY SERVES san on 10.0.5.50." in text
    assert "no replica of san is promoted" in text


def test_what_is_left_of_a_move_is_not_well() -> None:
    left = 'id="cli-prefer-g_san" rsc="g_san" node="atlas" score="INFINITY"'
    text = shown(make(cib=cases.location(left)))
    assert "crm_resource --resource g_san --clear" in text


def test_without_a_third_vote_that_is_configured() -> None:
    text = shown(make(corosync=QNETD, quorum=QUORUM.replace("0          1   ", "0          0   ")))
    assert "the third vote is missing" in text
    assert "third vote: MISSING (3 votes of 2 needed)" in text
    assert "third vote: none configured" in shown(make(corosync=COROSYNC))


def test_many_luns_are_cut_off_but_for_those_that_are_ill() -> None:
    luns = [replace(LUN, lun=number, resource=f"p_lun{number}") for number in range(1, 257)]
    luns[200] = replace(luns[200], target=None)
    text = shown(replace(make(), luns=tuple(luns)))
    assert "p_lun201" in text
    assert "p_lun200" not in text
    assert "and 239 more" in text


def test_a_terminal_obeys_nothing_from_outside() -> None:
    evil = replace(LUN, resource="\033[2Jp_lun1\nx")
    text = shown(replace(make(told=cases.said("a\033[31mfault\x07")), luns=(evil,)))
    assert not [each for each in text if each != "\n" and not each.isprintable()]


@pytest.mark.parametrize(
    ("terminal", "variables", "coloured"),
    [
        (True, {"TERM": "xterm"}, True),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False),
        (True, {"TERM": "xterm", "NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
        (False, {"TERM": "xterm"}, False),
    ],
)
def test_colour_is_for_terminals(
    terminal: bool, variables: dict[str, str], coloured: bool, seen: list[Facts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen_of = io.StringIO()
    monkeypatch.setattr(screen_of, "isatty", lambda: terminal)
    monkeypatch.setattr("sys.stdout", screen_of)
    assert cli.main(["status"]) == 0
    assert ("\033[1;32m" in screen_of.getvalue()) is coloured


class Page(HTMLParser):
    """Checks that what is opened is closed, and collects what would be fetched."""

    VOID = ("meta",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


@pytest.mark.parametrize("facts", [whole(make()), make(overview=FENCED, told=[]), NOBODY])
def test_the_page_needs_nothing_from_elsewhere(facts: Facts) -> None:
    text = page.text(View(status.of(facts)))
    read = Page(text)
    assert not read.tags & {"script", "link", "img", "iframe", "form"}
    assert not read.attributes & {"src", "href", "onclick", "onload"}
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "width=device-width" in text


def test_the_page_says_what_the_screen_says() -> None:
    facts = whole(make(overview=FENCED, drbd=cases.disk("Inconsistent")))
    read = Page(page.text(View(status.of(facts))))
    for said in ("zeus WOULD NOT SERVE", "it is cut o", "p_lun1", "10.0.5.4", "fence_atlas", "UpToDate/Inconsistent"):
        assert said in read.text


def test_the_page_shows_what_looks_like_html_as_it_is() -> None:
    facts = make(told=cases.said("<script>alert(1)</script> & \"'"))
    text = page.text(View(status.of(facts)))
    assert "<script" not in text
    assert "<script>alert(1)</script> & \"'" in Page(text).text


def test_the_page_is_replaced_as_a_whole(seen: list[Facts], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "status.html"
    path.write_text("old")
    assert cli.main(["status", "--html", str(path)]) == 0
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [each.name for each in tmp_path.iterdir()] == ["status.html"]
    assert capsys.readouterr().out == ""


def test_a_name_that_is_no_text(seen: list[Facts], tmp_path: Path) -> None:
    seen[:] = [make(node=os.fsdecode(b"atlas\xff"))]
    path = tmp_path / "status.html"
    cli.main(["status", "--html", str(path)])
    assert "twinsan status on atlas?," in path.read_text(encoding="utf-8")


def test_a_terminal_obeys_no_name() -> None:
    text = screen.text(View(status.of(make(node="atlas\033[2J\n"))), colour=False)
    assert text.startswith("twinsan status on atlas?[2J?, ")
    assert "\033" not in text


def test_a_page_that_cannot_be_written(seen: list[Facts], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no" / "status.html"
    assert cli.main(["status", "--html", str(path)]) == 1
    said = f"twinsan: {path} cannot be written (No such file or directory); name a file in a folder that is there\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_watching_goes_on_until_it_is_interrupted(
    form: list[str], seen: list[Facts], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen[:] = [whole(make()), make(overview=FENCED)]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", sleep)
    assert cli.main(["status", "--watch", "2", *form]) == 3
    assert slept == [2, 2]
    printed = capsys.readouterr().out
    if form:
        assert [json.loads(line)["verdict"] for line in printed.splitlines()] == ["well", "degraded"]
    else:
        assert printed.count("twinsan status on atlas") == 2


def test_an_interrupted_look_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([whole(make())])

    def gather(_seconds: float) -> Facts:
        for look in looks:
            return look
        raise KeyboardInterrupt

    monkeypatch.setattr(gathering, "gather", gather)
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    assert cli.main(["status", "--watch"]) == 0


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "inf", "1e9"])
def test_a_wrong_time_is_a_wrong_command_line(seconds: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["status", f"--watch={seconds}"])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (87, "1 min 27 s"),
        (3600, "1 h"),
        (11520, "3 h 12 min"),
        (90000, "1 d 1 h"),
    ],
)
def test_a_span_of_time(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1 MiB"),
        (1 << 47, "128 TiB"),
    ],
)
def test_an_amount(count: int | None, said: str) -> None:
    assert words.size(count) == said
