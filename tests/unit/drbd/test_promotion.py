# SPDX-License-Identifier: GPL-2.0-or-later
"""How the time of a promotion is divided, and that 8.4 promotes all volumes or none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import fake_drbd
from tests.unit.fake_drbd import FakeHost
from twinsan import deadline as twinsan_deadline
from twinsan.deadline import Deadline
from twinsan.drbd import events2, role, setup
from twinsan.errors import Failure
from twinsan.host import command

SECONDS = 100.0


class Clock:
    """Stands for the module `time`: to sleep takes no time but on this clock."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(twinsan_deadline, "time", made)
    return made


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHost:
    return FakeHost(tmp_path, monkeypatch)


def test_what_may_pass_is_waited_for_as_long_as_half_of_the_time(host: FakeHost, clock: Clock) -> None:
    host.bring_up(disk="Inconsistent", replication="SyncTarget")
    with pytest.raises(Failure, match="until its resync ends"):
        role.promote("san", Deadline(SECONDS))
    assert clock.now == pytest.approx(SECONDS / 2, abs=1)


def test_a_peer_that_stays_primary_is_waited_for_15_seconds(host: FakeHost, clock: Clock) -> None:
    """The cluster did not know of it, and looks again only when this promotion has ended."""
    host.bring_up(peer_role="Primary")
    with pytest.raises(Failure, match="zeus is still Primary of san"):
        role.promote("san", Deadline(SECONDS))
    assert clock.now == pytest.approx(15, abs=1)


def test_drbd_has_the_other_half_for_its_fence_handler(
    host: FakeHost, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the resync took until the last moment."""
    host.bring_up(disk="Inconsistent", replication="SyncTarget")
    plain, left = host.run, []

    def run(*argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        if argv[1] == "primary":
            left.append(deadline.remaining())
        elif clock.now > SECONDS / 2 - 1:
            host.disk, host.replication = "UpToDate", "Established"
        return plain(*argv, deadline=deadline, input=input, check=check)

    monkeypatch.setattr(command, "run", run)
    assert role.promote("san", Deadline(SECONDS)).primary
    assert left == [pytest.approx(SECONDS / 2, abs=1)]


TWO_VOLUMES_8_4 = """\
exists resource name:san role:Secondary suspended:no
exists connection name:san peer-node-id:0 conn-name:peer connection:Connected role:Secondary
exists device name:san volume:0 minor:4 disk:UpToDate
exists device name:san volume:1 minor:5 disk:UpToDate
exists -
"""


@pytest.mark.parametrize(
    ("refused", "ran"),
    [
        ("", ["primary 4", "primary 5"]),
        ("primary 5", ["primary 4", "primary 5", "secondary 4"]),
        ("primary 4", ["primary 4"]),
    ],
)
def test_8_4_promotes_all_volumes_or_none(monkeypatch: pytest.MonkeyPatch, refused: str, ran: list[str]) -> None:
    calls: list[str] = []

    def run(*argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        calls.append(" ".join(argv[1:]))
        failed = calls[-1] == refused
        return command.Result(argv, 11 if failed else 0, "", fake_drbd.TWO_PRIMARIES if failed else "")

    monkeypatch.setattr(command, "run", run)
    resource = events2.parse(TWO_VOLUMES_8_4, "san")
    assert resource is not None
    if refused:
        with pytest.raises(setup.Refused, match="Multiple primaries"):
            setup.promote(resource, Deadline(2))
    else:
        setup.promote(resource, Deadline(2))
    assert calls == ran


@pytest.mark.parametrize(
    ("version", "installed", "at_once"), [("8.4.11", True, True), ("8.4.11", False, False), ("9.2.4", True, False)]
)
def test_what_drbdsetup_would_execute_is_executed_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str, installed: bool, at_once: bool
) -> None:
    """On kernels with DRBD 8.4: the start of a program is most of the time that a query takes."""
    program = tmp_path / "drbdsetup-84"
    program.touch(0o755 if installed else 0o644)
    (tmp_path / "version").write_text(f"{version}\n")
    monkeypatch.setattr(setup, "MODULE", str(tmp_path))
    monkeypatch.setattr(setup, "PROGRAM_8_4", str(program))
    ran: list[tuple[str, ...]] = []

    def run(*argv: str, deadline: Deadline, check: bool) -> command.Result:
        ran.append(argv)
        return command.Result(argv, 0, "", "")

    monkeypatch.setattr(command, "run", run)
    assert setup.query("san", Deadline(5)) is None
    assert ran == [(str(program) if at_once else "drbdsetup", "events2", "--now", "--statistics", "san")]
