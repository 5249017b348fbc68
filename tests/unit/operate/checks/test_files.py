# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of DRBD and corosync, read as they are written, and whatever else stands in them."""

from __future__ import annotations

import sys
import time
import types
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.operate.checks import host
from twinsan.host import kernel_files
from twinsan.operate.checks import corosync_conf, drbd_files, services

PIECES = 'resource san { } ; " # on volume 0 net common include * : \\ é node ring0_addr'.split()
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from([*PIECES, "\n"]), max_size=60).map(" ".join))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(text=TEXTS)
def test_nothing_in_a_file_is_a_traceback(text: str) -> None:
    drbd_files.resources(drbd_files.parse(text))
    for each in corosync_conf.nodes(corosync_conf.parse(text)):
        corosync_conf.links(each)
    corosync_conf.running(text)


def test_braces_without_end() -> None:
    assert set(drbd_files.resources(drbd_files.parse("resource san {" + "net {" * 50_000))) == {"san"}
    assert drbd_files.resources(drbd_files.parse("}" * 50_000)) == {}
    assert corosync_conf.parse("totem {\n" * 5_000) == {}


def test_files_that_include_each_other(tmp_path: Path) -> None:
    (tmp_path / "etc/drbd.d").mkdir(parents=True)
    (tmp_path / "etc/drbd.conf").write_text('include "drbd.d/*.res"; include "drbd.conf";')
    (tmp_path / "etc/drbd.d/a.res").write_text('include "../drbd.conf"; resource a { }')
    statements, files = drbd_files.read(str(tmp_path))
    assert set(drbd_files.resources(statements)) == {"a"}
    assert files[:2] == ["/etc/drbd.conf", "/etc/drbd.d/a.res"]


@pytest.mark.parametrize(
    ("text", "option", "value"),
    [
        ("common { net { protocol A; } } resource r { }", "net.protocol", "A"),
        ("common { net { protocol A; } } resource r { net { protocol C; } }", "net.protocol", "C"),
        ("resource r { protocol B; }", "net.protocol", "B"),
        ("resource r { connection { net { protocol A; } } }", "net.protocol", "A"),
        ("resource r { volume 0 { disk { on-io-error pass_on; } } }", "disk.on-io-error", "pass_on"),
        ("resource r { # net { protocol A; }\n net { protocol C; } }", "net.protocol", "C"),
        ('resource r { handlers { fence-peer "/a; {b} c"; } }', "handlers.fence-peer", "/a; {b} c"),
        ("resource r { net { allow-two-primaries; } }", "net.allow-two-primaries", "yes"),
    ],
)
def test_options_of_a_resource(text: str, option: str, value: str) -> None:
    assert drbd_files.resources(drbd_files.parse(text))["r"]["options"][option] == value


@pytest.mark.parametrize("version", ["8.4", "9"])
def test_the_shipped_files(version: str) -> None:
    san = drbd_files.resources(drbd_files.parse(host.resource_file(version)))["san"]
    assert set(san["hosts"]) == {"atlas", "zeus"}
    assert [volume["device"][""].split()[0] for volume in san["volumes"].values()] == ["/dev/drbd0", "/dev/drbd1"]


def test_disks_of_their_own_on_each_node() -> None:
    hosts = "on a { volume 0 { disk /dev/x; } } on b { volume 0 { disk /dev/y; } }"
    text = f"resource r {{ volume 0 {{ device /dev/drbd0; }} {hosts} }}"
    volume = drbd_files.resources(drbd_files.parse(text))["r"]["volumes"]["0"]
    assert volume["disk"] == {"a": "/dev/x", "b": "/dev/y"}


def test_what_is_kept_from_starting_is_not_enabled(tmp_path: Path) -> None:
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    (wants / "target.service").symlink_to("/usr/lib/systemd/system/target.service")
    assert services.enabled(str(tmp_path)) == ["target.service"]
    (tmp_path / "etc/systemd/system/target.service").symlink_to("/dev/null")
    assert services.enabled(str(tmp_path)) == []


class Process:
    """One of psutil, of which there is 411 alone."""

    def __init__(self, pid: int) -> None:
        if pid != 411:
            raise LookupError

    def username(self) -> str:
        return "backup"

    def create_time(self) -> float:
        return time.mktime((2026, 7, 1, 2, 30, 0, 0, 0, -1))


def test_whose_a_process_is_that_holds_a_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psutil", types.SimpleNamespace(Process=Process, Error=LookupError))
    assert services.holder("dd (pid 411)") == "dd (pid 411) of backup since 2026-07-01 02:30"
    assert services.holder("dd (pid 412)") == "dd (pid 412)"
    assert services.holder("mounted on /mnt") == "mounted on /mnt"
    monkeypatch.setitem(sys.modules, "psutil", None)
    assert services.holder("dd (pid 411)") == "dd (pid 411)"


def test_the_daemons_that_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pid, name in enumerate(("systemd", "corosync", "iscsi-scstd"), 1):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "comm").write_text(f"{name}\n")
    monkeypatch.setattr(kernel_files, "PROCESSES", str(tmp_path))
    assert services.running() == ["iscsi-scstd", "corosync"]
