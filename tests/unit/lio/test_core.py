# SPDX-License-Identifier: GPL-2.0-or-later
"""Preparing LIO, work in a child, and the block devices and listeners that failures speak of."""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.unit import fake_configfs
from twinsan.deadline import Deadline
from twinsan.disk.reservation_store import Lost
from twinsan.errors import DeadlinePassed, Failure, Misconfigured, NotHere, NotInstalled, Passing
from twinsan.host import block_device, block_tree, child, command, kernel_wait
from twinsan.lio import configfs
from twinsan.lio import core as lio_core
from twinsan.network import listener, tcp_table


class Programs:
    """Stands for `command.run`."""

    def __init__(self, status: int = 0, stderr: str = "") -> None:
        self.status = status
        self.stderr = stderr
        self.seen: list[tuple[str, ...]] = []

    def run(self, *argv: str, deadline: Deadline, check: bool = True) -> command.Result:
        self.seen.append(argv)
        return command.Result(argv, self.status, "", self.stderr)


def test_nothing_is_run_where_all_is_ready(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_configfs.install(monkeypatch, tmp_path)
    programs = Programs()
    monkeypatch.setattr(command, "run", programs.run)
    lio_core.prepare(Deadline(5))
    assert programs.seen == []
    assert sorted(os.listdir(tmp_path / "dbroot")) == ["alua", "pr"]


def test_what_is_missing_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_configfs.install(monkeypatch, tmp_path)
    (tmp_path / "module" / "target_core_iblock").rmdir()
    programs = Programs()
    monkeypatch.setattr(command, "run", programs.run)
    lio_core.prepare(Deadline(5))
    assert programs.seen == [("modprobe", "target_core_iblock")]


def test_a_module_that_does_not_load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_configfs.install(monkeypatch, tmp_path)
    (tmp_path / "module" / "iscsi_target_mod").rmdir()
    monkeypatch.setattr(command, "run", Programs(1, "FATAL: Module iscsi_target_mod not found").run)
    with pytest.raises(
        NotInstalled, match=r"iscsi_target_mod cannot be loaded; see 'dmesg'.*: FATAL: Module .* not found"
    ):
        lio_core.prepare(Deadline(5))


def test_configfs_is_mounted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake_configfs.install(monkeypatch, tmp_path)
    monkeypatch.setattr(configfs, "root", str(tmp_path / "config2" / "target"))
    programs = Programs()
    monkeypatch.setattr(command, "run", programs.run)
    with pytest.raises(NotInstalled, match="does not appear"):
        lio_core.prepare(Deadline(5))
    assert programs.seen == [("mount", "-t", "configfs", "configfs", str(tmp_path / "config2"))]


@pytest.mark.runs_programs
def test_a_child_does_the_work(tmp_path: Path) -> None:
    child.run((tmp_path / "made").mkdir, Deadline(10), "making a folder")
    assert (tmp_path / "made").is_dir()


@pytest.mark.runs_programs
@pytest.mark.parametrize(
    ("raised", "seen"),
    [
        (Misconfigured("a wrong value"), Misconfigured),
        (NotHere("another host"), NotHere),
        (OSError(errno.EBUSY, "Device or resource busy", "/x"), Failure),
        (KeyError("defect"), RuntimeError),
        # A monitor that cannot tell the cluster something goes on: what is made of Failure is no defect.
        (command.CommandFailed(command.Result(("attrd_updater", "--name", "x"), 102, "", "not connected")), Failure),
        (Lost("it was reserved"), Failure),
    ],
)
def test_a_childs_failure_is_the_parents(raised: Exception, seen: type[Exception]) -> None:
    def work() -> None:
        raise raised

    with pytest.raises(seen) as caught:
        child.run(work, Deadline(10), "working")
    assert type(caught.value) is seen
    assert str(raised) in str(caught.value)


@pytest.mark.runs_programs
@pytest.mark.parametrize(
    ("hangs", "words"),
    [
        (True, "removing LUN 1 hangs in the kernel; look at 'drbdsetup status' and 'dmesg'"),
        (False, "removing LUN 1 did not end in time; look at 'top' and 'dmesg': this node is slow"),
    ],
)
def test_a_child_that_does_not_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool, words: str
) -> None:
    def work() -> None:
        time.sleep(1)
        (tmp_path / "late").mkdir()

    if hangs:
        monkeypatch.setattr(kernel_wait, "hangs", lambda _pid: True)
    begun = time.monotonic()
    with pytest.raises(DeadlinePassed, match=words):
        child.run(work, Deadline(0.1), "removing LUN 1")
    assert time.monotonic() - begun < 0.9
    if hangs:
        os.wait()
    assert not (tmp_path / "late").exists()


@pytest.mark.runs_programs
def test_a_child_may_give_up_with_a_reason_of_its_own() -> None:
    deadline = Deadline(0.1)
    with pytest.raises(DeadlinePassed, match="gave up waiting until the lock is free"):
        child.run(lambda: deadline.wait_until(lambda: False, "the lock is free"), deadline, "making a LUN")


@pytest.mark.runs_programs
def test_a_child_that_is_killed() -> None:
    with pytest.raises(Failure, match="ended without a word"):
        child.run(lambda: os.kill(os.getpid(), 9), Deadline(10), "making target x")


@pytest.mark.runs_programs
def test_a_child_does_not_keep_the_executors_pipes() -> None:
    """What a hanging child holds open, the cluster may wait for."""
    reading, writing = os.pipe()
    outer = os.fork()
    if outer == 0:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        os.close(writing)
        os.close(reading)
        import sys

        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        child.run(lambda: print(os.write(1, b"bounded"), os.write(2, b"bounded")), Deadline(10), "writing")
        child.run_detached(lambda: print(os.write(1, b"run_detached"), select.select([], [], [], 1)))
        os._exit(0)
    os.close(writing)
    begun = time.monotonic()
    assert os.read(reading, 100) == b""
    assert time.monotonic() - begun < 0.9
    os.close(reading)
    os.waitpid(outer, 0)


@pytest.mark.runs_programs
@pytest.mark.parametrize("asked", [True, False])
def test_what_is_prepared_in_the_background_is_done_once_it_is_asked_for(tmp_path: Path, asked: bool) -> None:
    """And not at all if the process that would ask for it ends before."""
    done = tmp_path / "done"
    # Both processes have its other end, until they end.
    reading, writing = os.pipe()
    outer = os.fork()
    if outer == 0:
        go_on = child.prepare_detached(lambda: done.touch)
        if asked:
            go_on()
        os._exit(0)
    os.close(writing)
    os.waitpid(outer, 0)
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert done.exists() == asked


def test_devices_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(Passing, match="is not there"):
        block_device.require_free(str(tmp_path / "nothing"))
    with pytest.raises(NotHere, match="no block device"):
        block_device.require_free(str(tmp_path))
    assert block_device.is_free(str(tmp_path / "nothing"))


class Device:
    """Stands for the module `os` where a block device is opened."""

    O_RDONLY, O_EXCL, O_NONBLOCK = os.O_RDONLY, os.O_EXCL, os.O_NONBLOCK
    path = os.path

    def __init__(self, number: int) -> None:
        self.number = number

    def stat(self, _path: str) -> SimpleNamespace:
        return SimpleNamespace(st_mode=stat.S_IFBLK, st_rdev=0)

    def open(self, path: str, flags: int) -> int:
        assert flags & os.O_EXCL
        assert not flags & (os.O_RDWR | os.O_WRONLY), "opened for writing, a device may promote itself"
        if self.number:
            raise OSError(self.number, os.strerror(self.number), path)
        return -1

    def close(self, _descriptor: int) -> None:
        return

    def strerror(self, number: int) -> str:
        return os.strerror(number)


@pytest.mark.parametrize(
    ("number", "major", "words"),
    [
        (errno.EMEDIUMTYPE, 147, "/dev/drbd0 is Secondary on this node.*drbdadm primary r0"),
        (errno.EROFS, 147, "/dev/drbd0 is Secondary on this node"),
        (errno.EROFS, 8, "read-only"),
        (errno.EBUSY, 147, "in use on this node"),
        (errno.ENXIO, 8, "cannot be opened: No such device or address"),
    ],
)
def test_why_a_device_cannot_be_had(monkeypatch: pytest.MonkeyPatch, number: int, major: int, words: str) -> None:
    monkeypatch.setattr(block_device, "os", Device(number))
    monkeypatch.setattr(block_tree, "is_drbd", lambda _: major == block_tree.DRBD_MAJOR)
    monkeypatch.setattr(block_device, "drbd_resource", lambda _: "r0")
    with pytest.raises(Failure, match=words):
        block_device.require_free("/dev/drbd0")
    assert block_device.is_free("/dev/drbd0") == (number != errno.EBUSY)


def test_a_device_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_device, "os", Device(0))
    block_device.require_free("/dev/drbd0")


def test_who_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert f"(pid {os.getpid()})" in listener.process_on("127.0.0.1", port)
        assert f"(pid {os.getpid()})" in listener.process_on("0.0.0.0", port)
        assert listener.process_on("127.0.0.2", port) == ""
    monkeypatch.setattr(tcp_table, "listeners", list)
    assert listener.process_on("127.0.0.1", port) == ""


@pytest.mark.runs_programs
def test_a_child_ends_with_the_agent(tmp_path: Path) -> None:
    ready, tell = os.pipe()

    def work() -> None:
        os.write(tell, str(os.getpid()).encode())
        select.select([], [], [], 30)
        (tmp_path / "made").mkdir()

    agent = os.fork()
    if agent == 0:
        try:
            child.run(work, Deadline(60), "making a target")
        finally:
            os._exit(1)
    worker = int(os.read(ready, 20))
    os.kill(agent, 9)
    os.waitpid(agent, 0)
    Deadline(10).wait_until(lambda: _is_gone(worker), "the child has ended", 0.01)
    assert not (tmp_path / "made").exists()
    os.close(ready)
    os.close(tell)


def _is_gone(pid: int) -> bool:
    """Whether a process has ended; nobody may have waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
