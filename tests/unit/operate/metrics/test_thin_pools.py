# SPDX-License-Identifier: GPL-2.0-or-later
"""How full thin pools are, by the device mapper."""

from __future__ import annotations

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import NotInstalled
from twinsan.host import command
from twinsan.operate.metrics import thin_pools

PRINTED = """\
vg-pool-tpool: 0 8192 thin-pool 1 11/1024 120/128 - rw discard_passdown queue_if_no_space - 1024
my--vg-the--pool-tpool: 0 8192 thin-pool 1 512/1024 0/128 - out_of_data_space discard_passdown error_if_no_space - 1024
broken: 0 8192 thin-pool Fail
odd: 0 8192 thin-pool 1 1/0 x/y - rw
No devices found
"""


def ask(monkeypatch: pytest.MonkeyPatch, answer: object) -> list[tuple[str, float, float]]:
    def run(*_: str, **__: object) -> object:
        if isinstance(answer, Exception):
            raise answer
        return command.Result((), 0, str(answer), "")

    monkeypatch.setattr(command, "run", run)
    return [(pool.name, pool.data, pool.metadata) for pool in thin_pools.look(Deadline(1))]


def test_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, PRINTED) == [("vg/pool", 120 / 128, 11 / 1024), ("my-vg/the-pool", 0, 0.5)]


def test_it_only_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --noflush the device mapper would write the meta data of each pool first, and hang with its disk."""
    asked: list[str] = []

    def run(*argv: str, **_: object) -> command.Result:
        asked.extend(argv)
        return command.Result(argv, 0, "", "")

    monkeypatch.setattr(command, "run", run)
    thin_pools.look(Deadline(1))
    assert asked[:3] == ["dmsetup", "status", "--noflush"]


def test_without_a_device_mapper_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ask(monkeypatch, "") == ask(monkeypatch, NotInstalled("dmsetup")) == []
