# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame: dispatch, exit codes, exit reasons, and what a stop and a probe forgive."""

from __future__ import annotations

import io
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit import pacemaker
from twinsan import errors
from twinsan.ocf import codes, parameter, program
from twinsan.ocf.agent import Agent, action
from twinsan.ocf.environment import Environment

PROBE = pacemaker.environment("3.0.0", "probe")
RECURRING = pacemaker.environment("3.0.0", "monitor-promoted")
FAILURES = [
    (errors.Failure("f"), codes.ERR_GENERIC),
    (errors.DeadlinePassed("f"), codes.ERR_GENERIC),
    (errors.NotHere("f"), codes.ERR_ARGS),
    (errors.NotPermitted("f"), codes.ERR_PERM),
    (errors.NotInstalled("f"), codes.ERR_INSTALLED),
    (errors.Misconfigured("f"), codes.ERR_CONFIGURED),
    (OSError(5, "Input/output error"), codes.ERR_GENERIC),
    # The kernel's reason to refuse root may pass.
    (PermissionError(13, "Permission denied"), codes.ERR_GENERIC),
    (RuntimeError("f"), codes.ERR_GENERIC),
]


class Thing(Agent):
    """An agent that does as it is told."""

    name = "thing"
    size = parameter.Integer("Size", "How large.", least=1, most=9, default="1")
    speed = parameter.Integer("Speed", "How fast.", least=1, most=9, default="1", reloadable=True)
    outcome: int | None | Exception = None
    stands: int | Exception = codes.NOT_RUNNING

    def present_role(self) -> int:
        if isinstance(self.stands, Exception):
            raise self.stands
        return self.stands

    def _act(self) -> int | None:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    @action("start", timeout=30)
    def start(self) -> int | None:
        return self._act()

    @action("stop", timeout=30)
    def stop(self) -> int | None:
        return self._act()

    @action("promote", timeout=30)
    def promote(self) -> int | None:
        return self._act()

    @action("demote", timeout=30)
    def demote(self) -> int | None:
        return self._act()

    @action("notify", timeout=30)
    def notify(self) -> int | None:
        return self._act()

    @action("reload-agent", timeout=30)
    def reload(self) -> int | None:
        return self._act()

    @action("monitor", timeout=20, interval=10, role="Promoted")
    @action("monitor", timeout=20, interval=20, role="Unpromoted")
    def monitor(self) -> int | None:
        return self._act()


@pytest.fixture(autouse=True)
def _quiet_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("syslog.syslog", lambda *_: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def run(
    name: str,
    outcome: int | None | Exception = None,
    variables: dict[str, str] | None = None,
    stands: int | Exception = codes.NOT_RUNNING,
    **values: str,
) -> int:
    """One action of the thing."""
    given = {f"OCF_RESKEY_{key}": value for key, value in values.items()}
    thing = Thing(Environment({**(variables or {}), **given}), name)
    thing.outcome = outcome
    thing.stands = stands
    return thing.run()


def reasons(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The exit reasons on standard error, which must hold nothing else."""
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("ocf-exit-reason:") for line in lines)
    return [line.partition(":")[2] for line in lines]


@pytest.mark.parametrize(("outcome", "code"), [(None, 0), (0, 0), (7, 7), (8, 8), (9, 9), (190, 190), (191, 191)])
def test_what_an_action_returns_is_the_exit_code(outcome: int | None, code: int) -> None:
    assert run("monitor", outcome) == code


@pytest.mark.parametrize(("failure", "code"), FAILURES, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(("name", "variables"), [("start", {}), ("monitor", RECURRING), ("monitor", {})])
def test_each_failure_has_its_code_and_one_reason(
    failure: Exception, code: int, name: str, variables: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    # The recurring monitor is that of a clone; see below.
    expected = 2 if code == 6 and variables else code
    assert run(name, failure, variables) == expected
    assert len(reasons(capsys)) == 1


def test_a_wrong_value_stops_no_other_instance_of_a_clone() -> None:
    """For a 6 the cluster would stop that as well, though it runs as it was configured before."""
    assert run("start", errors.Misconfigured("f")) == 6
    assert run("start", errors.Misconfigured("f"), {"OCF_RESKEY_CRM_meta_clone": "1"}) == 2


UNFIT = [errors.NotHere("f"), errors.NotInstalled("f"), errors.Misconfigured("f")]
IDLE = [("stop", {}, 0), ("demote", {}, 7), ("notify", {}, 0), ("monitor", PROBE, 7)]


@pytest.mark.parametrize("failure", UNFIT, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(("name", "variables", "code"), IDLE, ids=[call[0] for call in IDLE])
def test_nothing_is_found_stopped_demoted_or_told_where_nothing_can_run(
    failure: Exception, name: str, variables: dict[str, str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(name, failure, variables) == code
    assert run(name, failure, variables, stands=failure) == code
    assert reasons(capsys) == []


@pytest.mark.parametrize("failure", UNFIT, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "stands", [codes.SUCCESS, codes.RUNNING_PROMOTED, errors.Failure("no answer"), OSError(5, "e")]
)
@pytest.mark.parametrize("name", ["stop", "demote", "notify"])
def test_what_runs_was_not_stopped_for_want_of_a_program(
    failure: Exception, stands: int | Exception, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Were it told as stopped, the other node would start it as well."""
    assert run(name, failure, stands=stands) == codes.ERR_GENERIC
    assert reasons(capsys) == ["f"]


@pytest.mark.parametrize("failure", UNFIT, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(("name", "variables"), [("monitor", RECURRING), ("monitor", PROBE), ("reload-agent", {})])
@pytest.mark.parametrize(("stands", "code"), [(codes.SUCCESS, 190), (codes.RUNNING_PROMOTED, 191)])
def test_what_runs_is_not_taken_down_for_what_does_not_hold(
    failure: Exception, name: str, variables: dict[str, str], stands: int, code: int
) -> None:
    """Nor told as absent, which would have it started once more. A reload ends as a start does, not promoted."""
    assert run(name, failure, variables, stands=stands) == (code if name == "monitor" else 190)


@pytest.mark.parametrize(
    ("name", "code"),
    [("start", 6), ("validate-all", 6), ("stop", 1), ("demote", 1), ("notify", 1), ("promote", 1), ("reload-agent", 1)],
)
def test_a_wrong_value_fails_only_what_uses_it(name: str, code: int) -> None:
    assert run(name, errors.Failure("begun"), size="10") == code


def test_a_reload_checks_what_it_is_called_for() -> None:
    assert run("reload-agent", errors.Failure("begun"), speed="10") == codes.ERR_CONFIGURED
    assert run("reload-agent", speed="10", stands=codes.SUCCESS) == codes.DEGRADED
    assert run("promote", errors.Failure("begun"), speed="10") == codes.ERR_GENERIC


@pytest.mark.parametrize("name", ["promote", "reload-agent", "start"])
def test_the_rules_between_parameters_hold(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(_: Agent) -> None:
        raise errors.Misconfigured("two Primaries")

    monkeypatch.setattr(Thing, "check", check)
    assert run(name, errors.Failure("begun")) == codes.ERR_CONFIGURED


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("type: crm_resource --cleanup --resource RESOURCE", "type: crm_resource --cleanup --resource p_rec"),
        ("'RESOURCE' and twinsan-lun-RESOURCE", "'p_rec' and twinsan-lun-p_rec"),
        ("RESOURCES and DRBD_RESOURCE and aRESOURCE", "RESOURCES and DRBD_RESOURCE and aRESOURCE"),
        ("RESOURCE", "p_rec"),
        ("", ""),
    ],
)
def test_a_reason_names_the_resource(text: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    Thing(Environment(RECURRING), "monitor").explain(text)
    Thing(Environment(RECURRING), "monitor").degraded(text)
    Thing(Environment({}), "monitor").explain(text)
    assert reasons(capsys) == [told, told, text]


@pytest.mark.parametrize("told", ["drifted", "broken"])
def test_the_command_stands_early(told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """crm_mon shows 128 characters: with a difference of 60 the command is still whole."""
    thing = Thing(Environment(RECURRING), "monitor")
    getattr(thing, told)("d" * 60)
    (reason,) = reasons(capsys)
    assert reason.endswith("--resource p_rec")
    assert len(reason) <= 128


@pytest.mark.parametrize("failure", [errors.Failure("f"), errors.NotPermitted("f"), OSError(5, "e"), RuntimeError("f")])
@pytest.mark.parametrize(("name", "variables"), [("stop", {}), ("monitor", PROBE)])
def test_a_stop_and_a_probe_do_not_forgive_the_rest(failure: Exception, name: str, variables: dict[str, str]) -> None:
    assert run(name, failure, variables) in (codes.ERR_GENERIC, codes.ERR_PERM)


def test_a_wrong_value_fails_before_the_action_begins(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("start", AssertionError("begun"), size="10") == codes.ERR_CONFIGURED
    assert reasons(capsys) == ["parameter size is not a whole number from 1 to 9: '10'"]


def test_a_stop_with_a_wrong_value_still_runs() -> None:
    assert run("stop", errors.Failure("begun"), size="10") == codes.ERR_GENERIC


def test_an_unknown_action(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("restart") == codes.ERR_UNIMPLEMENTED
    known = "validate-all start stop promote demote notify reload-agent monitor meta-data"
    assert reasons(capsys) == [f"unknown action 'restart'; thing knows {known}"]


def test_an_ordinary_user_may_look_and_not_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run("start") == codes.ERR_PERM
    assert run("stop") == codes.ERR_PERM
    assert run("monitor") == codes.SUCCESS


def test_a_defect_says_where_and_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("start", ZeroDivisionError("by zero")) == codes.ERR_GENERIC
    (reason,) = reasons(capsys)
    assert reason.startswith("defect in thing: ZeroDivisionError at test_agent.py:")


@given(st.text())
def test_a_reason_is_one_line(text: str) -> None:
    written = io.StringIO()
    thing = Thing(Environment({"OCF_EXIT_REASON_PREFIX": "why:"}), "monitor")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", written)
        thing.explain(text)
    line = written.getvalue()
    assert line.startswith("why:")
    assert line.splitlines(keepends=True) == [line]


@pytest.mark.parametrize(
    ("variables", "promoted", "code"),
    [
        ({}, False, codes.DEGRADED),
        ({}, True, codes.DEGRADED_PROMOTED),
        ({"OCF_RESKEY_crm_feature_set": "3.17.4"}, False, codes.DEGRADED),
        ({"OCF_RESKEY_crm_feature_set": "3.17.3"}, False, codes.SUCCESS),
        ({"OCF_RESKEY_crm_feature_set": "3.17.3"}, True, codes.RUNNING_PROMOTED),
    ],
)
def test_degraded_goes_to_clusters_that_know_it(variables: dict[str, str], promoted: bool, code: int) -> None:
    assert Thing(Environment(variables), "monitor").degraded("replication is down", promoted=promoted) == code


@pytest.mark.parametrize(
    ("name", "variables", "least", "most"),
    [
        ("start", {"OCF_RESKEY_CRM_meta_timeout": "60000"}, 58, 59),
        ("start", {"OCF_RESKEY_CRM_meta_timeout": "1000"}, 0.4, 0.5),
        ("start", {}, 28, 29),
        ("unheard-of", {}, 18, 19),
    ],
)
def test_an_action_ends_before_the_cluster_kills_it(
    name: str, variables: dict[str, str], least: float, most: float
) -> None:
    assert least < Thing(Environment(variables), name).deadline.remaining() <= most


def test_stacked_actions_stand_in_their_order() -> None:
    listed = [(each.name, each.role, each.interval) for each, _ in Thing.actions()]
    assert listed[-2:] == [("monitor", "Promoted", 10), ("monitor", "Unpromoted", 20)]


@pytest.mark.parametrize(("word", "code", "says"), [("help", 0, "usage: thing"), ("", 3, "usage: thing")])
def test_help(
    word: str, code: int, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["thing", *([word] if word else [])])
    assert program.main(Thing) == code
    assert capsys.readouterr().out.startswith(says)


@pytest.mark.parametrize(("level", "code"), [("0", 0), ("9", 0), ("", 2), ("10", 2), ("20", 2), ("99", 2)])
def test_validate_all_looks_at_this_host_unless_told_not_to(
    monkeypatch: pytest.MonkeyPatch, level: str, code: int
) -> None:
    def check_here(_: Agent) -> None:
        raise errors.NotHere("no such device")

    monkeypatch.setattr(Thing, "check_here", check_here)
    for name in ("OCF_CHECK_LEVEL", "OCF_RESKEY_OCF_CHECK_LEVEL"):
        assert Thing(Environment({name: level}), "validate-all").run() == code
    assert Thing(Environment({"OCF_CHECK_LEVEL": level, "OCF_RESKEY_size": "0"}), "validate-all").run() == 6


@pytest.mark.parametrize(
    ("name", "variables", "code"),
    [("start", {}, codes.ERR_INSTALLED), ("monitor", RECURRING, codes.ERR_INSTALLED), ("monitor", PROBE, 7)],
)
def test_ocf_tester_may_take_all_programs_away(name: str, variables: dict[str, str], code: int) -> None:
    assert run(name, None, {**variables, "OCF_TESTER_FAIL_HAVE_BINARY": "1"}) == code
