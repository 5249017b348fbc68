# SPDX-License-Identifier: GPL-2.0-or-later
"""A comparison is made once a minute; the monitors in between repeat what it found."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from twinsan.host import rundir
from twinsan.host.note import Note
from twinsan.ocf import closer_look, codes
from twinsan.ocf.agent import Agent, action
from twinsan.ocf.environment import Environment

pytestmark = pytest.mark.remembers

CLUSTER = {
    "OCF_RESKEY_crm_feature_set": "3.20.0",
    "OCF_RESKEY_CRM_meta_on_node": "atlas",
    "OCF_RESKEY_CRM_meta_interval": "10000",
    "OCF_RESOURCE_INSTANCE": "p_thing",
    "PCMK_logfacility": "none",
}


class Thing(Agent):
    """An agent whose comparison finds what it is told."""

    name = "thing"
    drift = ""
    comparisons = 0

    @action("start", timeout=30)
    def start(self) -> int:
        return codes.SUCCESS

    @action("reload-agent", timeout=30)
    def reload(self) -> int:
        return codes.SUCCESS

    @action("stop", timeout=30)
    def stop(self) -> int:
        return codes.SUCCESS

    @action("monitor", timeout=30, interval=10)
    def monitor(self) -> int:
        return closer_look.once_a_minute(self, self._compare)

    def _compare(self) -> int:
        Thing.comparisons += 1
        return self.drifted(Thing.drift) if Thing.drift else codes.SUCCESS


Act = Callable[..., tuple[int, str]]


@pytest.fixture
def act(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Act:
    """Runs an action; returns its exit code and its reason. A thing begins without drift, never compared."""
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path))
    monkeypatch.setattr(Thing, "drift", "")
    monkeypatch.setattr(Thing, "comparisons", 0)
    monkeypatch.setattr("twinsan.ocf.failures.forget_later", lambda *_: None)

    def run(name: str, **variables: str) -> tuple[int, str]:
        thing = Thing(Environment({**CLUSTER, **variables}), name)
        return thing.run(), thing.exit_reason

    return run


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + seconds)


def test_a_finding_is_repeated_until_the_next_comparison(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    Thing.drift = "size is 2 instead of 1"
    found = act("monitor")
    assert found[0] == codes.DEGRADED
    assert found[1].startswith("size is 2 instead of 1; to repair it")
    Thing.drift = ""
    assert act("monitor") == found
    assert Thing.comparisons == 1
    later(monkeypatch, 61)
    assert act("monitor") == (codes.SUCCESS, "")
    assert Thing.comparisons == 2


def test_what_is_well_is_compared_once_a_minute(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        assert act("monitor") == (codes.SUCCESS, "")
    assert Thing.comparisons == 1
    Thing.drift = "size is 2 instead of 1"
    later(monkeypatch, 61)
    assert act("monitor")[0] == codes.DEGRADED


@pytest.mark.parametrize("name", ["start", "stop", "reload-agent"])
def test_what_was_found_does_not_count_after_a_change(act: Act, name: str) -> None:
    Thing.drift = "size is 2 instead of 1"
    act("monitor")
    Thing.drift = ""
    act(name)
    assert act("monitor") == (codes.SUCCESS, "")


def test_level_10_compares_each_time(act: Act) -> None:
    for _ in range(2):
        act("monitor", OCF_CHECK_LEVEL="10")
    assert Thing.comparisons == 2


def test_a_probe_and_a_monitor_by_hand_compare_nothing(act: Act) -> None:
    Thing.drift = "size is 2 instead of 1"
    assert act("monitor", OCF_RESKEY_CRM_meta_interval="0") == (codes.SUCCESS, "")
    assert Thing(Environment({"PCMK_logfacility": "none"}), "monitor").run() == codes.SUCCESS
    assert Thing.comparisons == 0


def test_a_note_that_cannot_be_written_fails_no_monitor(act: Act, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_note: Note, _text: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Note, "replace", refuse)
    for _ in range(2):
        assert act("monitor") == (codes.SUCCESS, "")
    assert Thing.comparisons == 2
    assert act("monitor", OCF_RESOURCE_INSTANCE="p" * 250)[0] == codes.SUCCESS, "it is no name of a file"


def test_an_unreadable_note_is_as_good_as_none(act: Act, tmp_path: Path) -> None:
    (tmp_path / "compared.p_thing").write_text("rubbish")
    assert act("monitor") == (codes.SUCCESS, "")
    assert Thing.comparisons == 1
