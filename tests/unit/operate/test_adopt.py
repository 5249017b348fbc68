# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan adopt``: what it prints and writes, its exit statuses, and whatever stands in a file."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import tomllib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit import agents
from tests.unit.operate.adoption import field
from tests.unit.site.test_hostile import HOSTILE, VALUES, places
from twinsan import cli
from twinsan.cluster import cib as live_cib
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.operate import adopt
from twinsan.operate.adoption import pair

EXAMPLES = int(os.environ.get("TWINSAN_EXAMPLES", "30"))
GUIDE = field.cib(field.drbd(), field.guide(), field.FENCING, field.MANAGEMENT)


@pytest.fixture
def sources(tmp_path: Path) -> list[str]:
    """The words that name a cluster's configuration and what else is known."""
    files = {"cib.xml": GUIDE, "drbd.xml": field.dumped(field.dump()), "corosync.conf": field.COROSYNC}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    return [
        "adopt",
        "--cib",
        str(tmp_path / "cib.xml"),
        "--drbd",
        str(tmp_path / "drbd.xml"),
        "--corosync",
        str(tmp_path / "corosync.conf"),
    ]


def test_the_site_file_is_printed_and_the_report_beside_it(
    sources: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(sources) == 0
    told = capsys.readouterr()
    assert tomllib.loads(told.out)["name"] == "storage"
    assert "What stays as hosts know it:" in told.err
    assert "The take-over, step by step:" in told.err
    # The first line names the file that was read, however long its path is.
    assert max(map(len, told.out.splitlines()[1:])) <= 120


def test_it_is_written_once_and_render_takes_it(
    sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    assert cli.main([*sources, "--output", str(site)]) == 0
    assert f"twinsan render {site} --output rendered" in capsys.readouterr().out
    assert cli.main(["render", str(site)]) == 0
    before = site.read_text()
    assert cli.main([*sources, "--output", str(site)]) == 2
    assert "exists, and nothing is written over it" in capsys.readouterr().err
    assert site.read_text() == before
    (tmp_path / "link.toml").symlink_to(tmp_path / "elsewhere.toml")
    assert cli.main([*sources, "--output", str(tmp_path / "link.toml")]) == 2
    assert not (tmp_path / "elsewhere.toml").exists()
    assert cli.main([*sources, "--output", str(tmp_path / "no" / "folder.toml")]) == 1


def test_programs_get_names_that_stay(sources: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*sources, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["site", "kept", "changes", "not_kept", "left_alone", "missing", "steps"]
    assert set(told["steps"][0]) == {"what", "where", "lines", "commands", "pause"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "is no XML"),
        ("<cib", "is no XML"),
        ("<html/>", "is no configuration of a cluster"),
        ('<!DOCTYPE c [<!ENTITY a "b">]><cib>&a;</cib>', "is no configuration of a cluster"),
        (field.cib(field.drbd()), "has no iSCSITarget"),
        ((agents.ROOT / "cib-templates" / "san.xml").read_text(), "has resources of ocf:twinsan already"),
    ],
)
def test_a_configuration_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, told: str
) -> None:
    (tmp_path / "cib.xml").write_text(content)
    assert cli.main(["adopt", "--cib", str(tmp_path / "cib.xml")]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"), [("{", "is not what targetcli saves"), ("[]", "no object"), ("{}", "no iSCSI")]
)
def test_a_saved_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, told: str) -> None:
    (tmp_path / "saved.json").write_text(content)
    assert cli.main(["adopt", "--saveconfig", str(tmp_path / "saved.json")]) == 2
    assert told in capsys.readouterr().err


def test_other_files_that_are_wrong(sources: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["adopt", "--cib", str(tmp_path / "missing.xml")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err
    (tmp_path / "drbd.xml").write_text("resource r0 {}")
    assert cli.main(sources) == 2
    assert "is not what drbdadm dump-xml prints" in capsys.readouterr().err


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def query(_: Deadline) -> str:
        raise Failure("cibadmin --query --local: Could not connect (exit status 102)")

    monkeypatch.setattr(live_cib, "query", query)
    monkeypatch.setattr(adopt, "_known", lambda *_: pair.Sources())
    assert cli.main(["adopt"]) == 2
    told = capsys.readouterr().err
    assert "Could not connect" in told
    assert "--cib FILE" in told


@st.composite
def configurations(draw: st.DrawFn) -> str:
    """A configuration with hostile values, or with a part taken out."""
    text = GUIDE
    parts = text.split('"')
    for _ in range(draw(st.integers(1, 4))):
        number = draw(st.integers(0, len(parts) // 2 - 1)) * 2 + 1
        value = draw(st.sampled_from(HOSTILE) | st.text(max_size=8))
        clean = "".join(
            each for each in value if each in "\t\n\r" or (each >= " " and not 0xD800 <= ord(each) < 0xE000)
        )
        clean = clean.replace("\ufffe", "").replace("\uffff", "")
        parts[number] = clean.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    text = '"'.join(parts)
    cut = draw(st.sampled_from(["", "", "<constraints>", "<nodes>", 'provider="heartbeat"', "<group", "class="]))
    return (
        text.replace(cut, "<x>" if cut.startswith("<") and cut.endswith(">") else "")
        if cut and ">" not in cut
        else text
    )


def check(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Adopt: no traceback, and a site file that is TOML, whatever it says; no secret anywhere."""
    status = cli.main([*words, "--json"])
    told = capsys.readouterr()
    assert status in (0, 1, 2)
    assert field.BMC_SECRET not in told.out + told.err
    if status == 2:
        assert told.err.startswith("twinsan: ")
        assert told.err.count("\n") == 1
        return
    adopted = json.loads(told.out)
    tomllib.loads(adopted["site"])
    assert adopted["site"].isascii()
    assert status == (1 if adopted["missing"] or adopted["not_kept"] else 0)
    assert cli.main(words) == status
    told = capsys.readouterr()
    assert all(each == "\n" or " " <= each <= "~" for each in told.out + told.err)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(configuration=configurations())
def test_hostile_configurations(configuration: str, sources: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path(sources[2]).write_text(configuration, encoding="utf-8")
    check(sources, capsys)


@st.composite
def saved_files(draw: st.DrawFn) -> str:
    """What targetcli saves, with hostile values in some places."""
    saved: Any = deepcopy(field.SAVED)
    for _ in range(draw(st.integers(1, 4))):
        holder, key = draw(st.sampled_from(list(places(saved))))
        if draw(st.booleans()):
            holder[key] = draw(VALUES)
        else:
            del holder[key]
        if not saved:
            break
    return json.dumps(saved)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(saved=saved_files())
def test_hostile_saved_files(saved: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "saved.json").write_text(saved)
    check(["adopt", "--saveconfig", str(tmp_path / "saved.json")], capsys)
