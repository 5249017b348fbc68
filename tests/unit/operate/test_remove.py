# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan remove`` on a cluster in a file: what goes, what stays, and the way back."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.operate.simulated import Running
from tests.unit.operate.test_apply import ready
from tests.unit.site import sites
from twinsan import cli
from twinsan.operate import in_use, remote

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

_SESSION = {"initiator": "iqn.1998-01.com.vmware:esx", "address": "10.0.5.4", "logged_in": True}
_STRANGER = '<primitive id="mail" class="ocf" provider="heartbeat" type="MailTo"/>'


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The sessions of both nodes: none at first."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(remote, "pair", lambda names: tuple(SimpleNamespace(name=name) for name in names))
    monkeypatch.setattr(in_use, "facts", lambda _: {"targets": [{"sessions": found}], "not_seen": []})
    return found


def remove(folder: Path, *words: str) -> int:
    """Type the command for the site of `cluster`."""
    file = folder / "site.toml"
    file.write_text(sites.text())
    return cli.main(["remove", str(file), *words])


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    return ready(Running(tmp_path, sites.site(sites.text())), monkeypatch)


def test_what_is_ours_stops_and_goes_and_comes_back(
    cluster: Running, tmp_path: Path, sessions: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.change_configuration(_STRANGER, "resources")
    before = configuration(cluster)
    assert remove(tmp_path, "--yes") == 0
    assert sessions == []
    left = configuration(cluster)
    assert re.findall(r'provider="twinsan"|ms_drbd|g_san', left) == []
    assert re.findall(r'<primitive id="(\w+)"', left) == ["fence_atlas", "fence_zeus", "mail"]
    stopped = {action.partition(" on ")[0] for step in cluster.done for action in step}
    assert {"p_portal stop", "p_lun1 stop", "p_drbd stop"} <= {
        each.replace(":0", "").replace(":1", "") for each in stopped
    }
    assert remove(tmp_path, "--yes") == 0
    assert "nothing differs" in capsys.readouterr().out
    assert cli.main(["apply", str(tmp_path / "site.toml"), "--yes"]) == 0
    assert ids(configuration(cluster)) == ids(before)


def configuration(cluster: Running) -> str:
    """The configuration without the status."""
    return cluster.text().partition("<status")[0]


def ids(text: str) -> list[str]:
    """The ids of all elements."""
    return sorted(re.findall(r' id="([^"]+)"', text))


def test_while_a_host_is_logged_in_it_stays(
    cluster: Running, tmp_path: Path, sessions: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    sessions.append(_SESSION)
    assert remove(tmp_path, "--yes") == 1
    shown = capsys.readouterr().err
    assert "logged in on atlas: iqn.1998-01.com.vmware:esx (10.0.5.4)" in shown
    assert "nothing was removed" in shown
    assert cluster.patches == []
    assert remove(tmp_path, "--yes", "--even-so") == 0
    assert cluster.patches != []


def test_a_wrong_site_file_removes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text("name = 1\n")
    assert cli.main(["remove", str(file)]) == 2
    assert "mistakes" in capsys.readouterr().err
