# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of a node that differ from a site, and what is done with those of DRBD."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.site import sites
from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.errors import Failure
from twinsan.host import command
from twinsan.operate.change import drbd_files, node_files
from twinsan.site import corosync, drbd
from twinsan.site.model import Site

SITE = sites.site(sites.text())


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a node with DRBD 8.4 whose files are those of the site."""
    monkeypatch.setattr(setup, "version", lambda: "8.4.11")
    for folder in ("etc/drbd.d", "etc/corosync"):
        (tmp_path / folder).mkdir(parents=True)
    text = drbd.text(SITE.resources[0], SITE, "8.4")
    (tmp_path / "etc/drbd.d/san.res").write_text(drbd.with_secret(text, "9f86d081"))
    (tmp_path / "etc/corosync/corosync.conf").write_text(corosync.text(SITE))
    return tmp_path


def differing(root: Path, site: Site = SITE) -> list[node_files.File]:
    """The files that differ."""
    return node_files.differing(site, Deadline(10), str(root))


def change(path: Path, old: str, new: str) -> None:
    """Change a file."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_the_files_of_the_site_do_not_differ(root: Path) -> None:
    assert differing(root) == []


def test_the_resource_is_found_in_another_file(root: Path) -> None:
    (root / "etc/drbd.d/san.res").rename(root / "etc/drbd.d/mine.res")
    assert differing(root) == []


def test_drbd_9_has_another_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "version", lambda: "9.2.5")
    (file,) = differing(root)
    assert "resource san / on atlas / node-id" in [each.attribute for each in file.changes]


def test_each_file_says_what_differs(root: Path) -> None:
    change(root / "etc/drbd.d/san.res", "ko-count       20", "ko-count 7")
    change(root / "etc/corosync/corosync.conf", "token: 3000", "token: 5000")
    of_drbd, of_corosync = differing(root)
    assert list(of_drbd.rows()) == ["~ resource san / net / ko-count  7 -> 20"]
    assert list(of_corosync.rows()) == ["~ totem / token  5000 -> 3000"]
    assert not of_drbd.touches_volumes


@pytest.mark.parametrize("old", ["disk      /dev/sdb", "address 10.0.5.2", "device    /dev/drbd1"])
def test_a_disk_or_an_address_is_not_touched(root: Path, old: str) -> None:
    change(root / "etc/drbd.d/san.res", old, f"{old}9")
    told: list[str] = []
    (file,) = differing(root)
    assert file.touches_volumes
    assert drbd_files.prepare([file], str(root), Deadline(10), told.append) == []
    assert "change it by hand, on both nodes" in told[0]


def test_missing_files_are_told(root: Path) -> None:
    (root / "etc/drbd.d/san.res").unlink()
    (root / "etc/corosync/corosync.conf").unlink()
    assert [file.what[:21] for file in differing(root)] == ["there is no such file"] * 2


class Drbdadm:
    """DRBD's tool, which reads what it is told to, or not."""

    def __init__(self, *, takes: bool) -> None:
        self.takes = takes
        self.does = "drbdsetup net-options san --ko-count=20\n"
        self.ran: list[tuple[str, ...]] = []

    def run(self, *argv: str, deadline: Deadline, check: bool = True) -> command.Result:
        """In place of `command.run`."""
        assert deadline.remaining() > 0
        assert not check
        self.ran.append(argv)
        if "dump" in argv:
            names = [line.split('"')[1] for line in Path(argv[2]).read_text().splitlines()]
            assert "9f86d081" in "".join(Path(name).read_text() for name in names)
        return command.Result(argv, 0 if self.takes else 10, self.does, "no such thing")


def test_what_drbd_takes_is_put_in_place_with_the_secret(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drbdadm = Drbdadm(takes=True)
    told: list[str] = []
    monkeypatch.setattr(command, "run", drbdadm.run)
    place = root / "etc/drbd.d/san.res"
    before = place.read_text()
    change(place, "ko-count       20", "ko-count 7")
    (root / "private").mkdir()
    ready = drbd_files.prepare(differing(root), str(root / "private"), Deadline(10), told.append)
    assert "  drbdsetup net-options san --ko-count=20" in told
    assert all({"dump", "--dry-run"} & set(words) for words in drbdadm.ran), "DRBD itself is not changed"
    assert place.read_text() != before, "nothing is written before the operator has said yes"
    drbd_files.install(ready, told.append, "zeus")
    assert place.read_text() == before
    assert place.stat().st_mode & 0o777 == 0o600
    assert f"scp -p {place} zeus:{place}" in told[-1]
    assert "drbdadm adjust san" in told[-1]


def test_what_drbd_does_not_take_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", Drbdadm(takes=False).run)
    change(root / "etc/drbd.d/san.res", "ko-count       20", "ko-count 7")
    with pytest.raises(Failure, match=r"DRBD does not take the new .*san\.res: no such thing"):
        drbd_files.prepare(differing(root), str(root), Deadline(10), print)


@pytest.mark.parametrize("written", ["hunter2", "hunter\\ 2\\'x", '"hunter 2"'])
def test_what_drbd_would_do_is_shown_without_the_secret(
    root: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """It is printed with all options of a connection that it sets."""
    drbdadm = Drbdadm(takes=True)
    drbdadm.does = f"drbdsetup-84 net-options a b --set-defaults --shared-secret={written} --cram-hmac-alg=sha256\n"
    monkeypatch.setattr(command, "run", drbdadm.run)
    told: list[str] = []
    change(root / "etc/drbd.d/san.res", "ko-count       20", "ko-count 7")
    drbd_files.prepare(differing(root), str(root), Deadline(10), told.append)
    assert "  drbdsetup-84 net-options a b --set-defaults --shared-secret=(secret) --cram-hmac-alg=sha256" in told


def test_a_file_that_somebody_changes_meanwhile_stays(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", Drbdadm(takes=True).run)
    place = root / "etc/drbd.d/san.res"
    change(place, "ko-count       20", "ko-count 7")
    ready = drbd_files.prepare(differing(root), str(root), Deadline(10), print)
    change(place, "disk      /dev/sdb", "disk      /dev/sdx")
    with pytest.raises(Failure, match=r"san\.res has changed meanwhile"):
        drbd_files.install(ready, print, "zeus")
    assert "/dev/sdx" in place.read_text()


def test_a_secret_that_would_become_another_one_stays(root: Path) -> None:
    told: list[str] = []
    place = root / "etc/drbd.d/san.res"
    change(place, "9f86d081", '"gehe\xefm"')
    change(place, "ko-count       20", "ko-count 7")
    assert drbd_files.prepare(differing(root), str(root), Deadline(10), told.append) == []
    assert "beyond ASCII" in told[0]


def test_without_a_secret_nothing_is_put_in_place(root: Path) -> None:
    told: list[str] = []
    change(root / "etc/drbd.d/san.res", "shared-secret  9f86d081;", "")
    change(root / "etc/drbd.d/san.res", "ko-count       20", "ko-count 7")
    assert drbd_files.prepare(differing(root), str(root), Deadline(10), told.append) == []
    assert "has no secret" in told[0]


def test_corosync_is_only_shown(root: Path) -> None:
    told: list[str] = []
    change(root / "etc/corosync/corosync.conf", "token: 3000", "token: 5000")
    assert drbd_files.prepare(differing(root), str(root), Deadline(10), told.append) == []
    assert "corosync-cfgtool -R" in told[0]
