# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets in files that a site names: `twinsan apply` has both nodes and their targets take a change of them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit.operate.simulated import Running
from tests.unit.operate.test_apply import apply, ready
from tests.unit.site import sites
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host.command import Result
from twinsan.operate import remote

pytestmark = [pytest.mark.runs_programs, pytest.mark.long, pytest.mark.usefixtures("files_of_root")]

OLD, NEW = "oldsecret1234", "newsecret5678"
REASON = "ocf-exit-reason:it is not as configured: the CHAP secret of iqn.1998-01.com.vmware:esx is another; restart\n"


class FakeNode:
    """A node: its files, and the secret that its target has in the kernel. `programs` are the agent's actions."""

    def __init__(self, name: str, place: str) -> None:
        self.name = name
        self.place = place
        self.files: dict[str, str] = {}
        self.modes: dict[str, int] = {}
        self.taken = OLD
        self.running = True
        self.actions: list[list[str]] = []
        self.unreachable = False

    def read(self, path: str, *, deadline: Deadline) -> bytes | None:
        """As that of remote.Node."""
        if self.unreachable:
            raise Failure(f"ssh to {self.name} does not work: no route")
        return self.files[path].encode() if path in self.files else None

    def put(self, path: str, content: str, *, deadline: Deadline, mode: int) -> None:
        """As that of remote.Node."""
        self.files[path] = content
        self.modes[path] = mode

    def run(self, *argv: str, deadline: Deadline, check: bool = True) -> Result:
        """Run the agent, or make a folder."""
        if argv[0] == "mkdir":
            return Result(argv, 0, "", "")
        self.actions.append(list(argv))
        secret = self.secret()
        if not self.running:
            return Result(argv, 7, "", "")
        if argv[-1] == "reload-agent":
            self.taken = secret
        return Result(argv, 0, "", "") if self.taken == secret else Result(argv, 190, "", REASON)

    def secret(self) -> str:
        """What its file says."""
        return self.files.get(self.place, "").strip()


class Here(FakeNode):
    """The node that the command is typed on, whose file is a real one."""

    def secret(self) -> str:
        return Path(self.place).read_text().strip()


class Chap:
    """A pair that serves with CHAP; `write` changes the secret on the node where `apply` is typed."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place = str(folder / "chap")
        self.write(OLD)
        iqn = 'iqn = "iqn.2003-01.org.example:san"\n'
        keys = f'incoming_username = "esx"\nincoming_password_file = "{self.place}"\n'
        self.site = sites.changed("san", (iqn, iqn + keys))
        self.cluster = ready(Running(folder, sites.site(self.site)), monkeypatch)
        self.atlas, self.zeus = Here("atlas", self.place), FakeNode("zeus", self.place)
        self.zeus.files[self.place] = f"{OLD}\n"
        monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename="atlas"))
        monkeypatch.setattr(remote, "pair", lambda _: (self.atlas, self.zeus))

    def write(self, secret: str) -> None:
        """Change the file of this node."""
        Path(self.place).write_text(f"{secret}\n")
        Path(self.place).chmod(0o600)


@pytest.fixture
def chap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chap:
    return Chap(tmp_path, monkeypatch)


def test_what_is_the_same_is_left_alone(chap: Chap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert apply(tmp_path, chap.site, "--yes") == 0
    assert "nothing differs" in capsys.readouterr().out
    assert {action[-1] for node in (chap.atlas, chap.zeus) for action in node.actions} == {"monitor"}


def test_a_changed_secret_reaches_both(chap: Chap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chap.write(NEW)
    assert apply(tmp_path, chap.site, "--yes") == 0
    told = capsys.readouterr().out
    assert "p_target: its secrets have changed. That interrupts nothing." in told
    assert f"{chap.place}: zeus has another one; it gets that of this node" in told
    assert "p_target on atlas: it has other CHAP names or secrets than its files" in told
    assert (chap.zeus.files[chap.place], chap.zeus.modes[chap.place]) == (f"{NEW}\n", 0o600)
    assert (chap.atlas.taken, chap.zeus.taken) == (NEW, NEW)
    assert chap.cluster.patches == []
    assert apply(tmp_path, chap.site, "--yes") == 0
    assert "nothing differs" in capsys.readouterr().out


def test_no_secret_is_shown_or_among_words(chap: Chap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chap.write(NEW)
    assert apply(tmp_path, chap.site, "--yes") == 0
    shown = capsys.readouterr()
    words = [word for node in (chap.atlas, chap.zeus) for action in node.actions for word in action]
    for secret in (OLD, NEW):
        assert secret not in shown.out + shown.err
        assert not any(secret in word for word in words)
    assert any("OCF_RESKEY_iqn=" in word for word in words)


def test_a_target_that_missed_it_takes_it_later(chap: Chap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after an apply that was interrupted when the files were equal."""
    chap.write(NEW)
    chap.atlas.taken = NEW
    chap.zeus.files[chap.place] = f"{NEW}\n"
    assert apply(tmp_path, chap.site, "--yes") == 0
    assert "p_target on zeus: it has other CHAP names or secrets than its files" in capsys.readouterr().out
    assert chap.zeus.taken == NEW


def test_a_target_that_does_not_run_reads_it_when_it_starts(chap: Chap, tmp_path: Path) -> None:
    chap.write(NEW)
    chap.zeus.running = False
    assert apply(tmp_path, chap.site, "--yes") == 0
    assert chap.zeus.files[chap.place] == f"{NEW}\n"
    assert chap.atlas.taken == NEW


def test_a_file_that_cannot_be_used_changes_nothing(
    chap: Chap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chap.write(NEW)
    Path(chap.place).chmod(0o644)
    assert apply(tmp_path, chap.site, "--yes") == 1
    assert "is open to others than root" in capsys.readouterr().err
    assert chap.zeus.files[chap.place] == f"{OLD}\n"
    assert chap.atlas.taken == OLD


def test_without_ssh_it_says_what_it_does_not_know(
    chap: Chap, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chap.zeus.unreachable = True
    assert apply(tmp_path, chap.site, "--yes") == 0
    told = capsys.readouterr().out
    assert f"Note: whether zeus has the same {chap.place} is not known: ssh to zeus does not work" in told


def test_secrets_of_the_cluster_are_left_to_it(chap: Chap, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = chap.cluster.text()
    pair = '<nvpair id="p_target-outgoing_password" name="outgoing_password" value="lrm://"/>'
    user = '<nvpair id="p_target-outgoing_username" name="outgoing_username" value="san"/>'
    place = text.index('name="incoming_username"')
    begin = text.rindex("<nvpair", 0, place)
    chap.cluster.file.write_text(text[:begin] + pair + user + text[begin:])
    site = chap.site.replace('incoming_username = "esx"\n', 'incoming_username = "esx"\noutgoing_username = "san"\n')
    chap.write(NEW)
    assert apply(tmp_path, site, "--yes") == 0
    assert "p_target has secrets in the cluster's configuration beside its files" in capsys.readouterr().out
    assert chap.atlas.actions == []
