# SPDX-License-Identifier: GPL-2.0-or-later
"""Quorum and time-outs, of the shipped examples and of files by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.operate.pair_facts import COROSYNC, QNETD, QUORUM
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host import command
from twinsan.operate.facts import votes


def test_two_votes() -> None:
    found = votes.of(votes.parse(COROSYNC), "")
    assert (found.token_seconds, found.consensus_seconds, found.two_node) == (3.0, 1.0, True)
    assert (found.third_vote, found.third_vote_seconds, found.third_vote_present) == (False, None, None)


def test_a_third_vote() -> None:
    found = votes.of(votes.parse(QNETD), QUORUM)
    assert (found.third_vote, found.third_vote_seconds, found.third_vote_present) == (True, 3.6, True)
    assert (found.present, found.needed) == (3, 2)
    gone = QUORUM.replace("0          1            Qdevice", "0          0            Qdevice (votes 1)")
    assert votes.of(votes.parse(QNETD), gone).third_vote_present is False


def test_defaults_and_three_nodes() -> None:
    found = votes.of(votes.parse("nodelist {\n node {\n }\n node {\n }\n node {\n }\n}\n"), "")
    assert (found.token_seconds, found.consensus_seconds) == (3.65, 4.38)
    assert votes.of({}, "").two_node is False


def test_the_file_counts_if_corosync_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(votes, "path", str(tmp_path / "corosync.conf"))
    Path(votes.path).write_text(QNETD)
    monkeypatch.setattr(command, "run", lambda *argv, **_: command.Result(argv, 1, "", "Cannot initialize QUORUM"))
    look = votes.look(Deadline(1))
    assert next(look).third_vote
    with pytest.raises(Failure, match="Cannot initialize QUORUM"):
        next(look)
