# SPDX-License-Identifier: GPL-2.0-or-later
"""One guest: a user-mode Linux process with a disk, three cables and a control channel.

The vocabulary of tests: start, power_off, crash, unplug, plug, run, succeed, fail, wait_until, copy, journal.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import signal
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lab import control, counts, network
from lab.control import Result
from lab.errors import CommandFailed, LabError, MachineLost, WaitTimedOut
from lab.kernel import Kernel

# Seconds; each is many times what the step takes on two cores, so that only a real hang meets it.
BOOT_TIMEOUT = 120.0
RUN_TIMEOUT = 120.0


def wait_until(condition: Callable[[], bool], description: str, timeout: float, interval: float = 0.2) -> float:
    """Poll until `condition` holds; returns the seconds it took, raises WaitTimedOut naming `description`.

    Between two looks are `interval` seconds. After one that took long it is more, up to a second: a look takes its time
    from what is waited for.
    """
    begin = time.monotonic()
    while True:
        looked = time.monotonic()
        if condition():
            return time.monotonic() - begin
        now = time.monotonic()
        if now - begin > timeout:
            raise WaitTimedOut(f"after {timeout:.0f} s it is still not so that {description}")
        time.sleep(max(interval, min(2 * (now - looked), 1.0)))


class Machine:
    """A guest named `name` with number `number` in each of the lab's networks; files go to `folder`."""

    def __init__(
        self,
        name: str,
        number: int,
        kernel: Kernel,
        base: Path,
        folder: Path,
        memory: str,
        data_disks: Sequence[Path] = (),
    ) -> None:
        self.name = name
        self.number = number
        self.address = f"{network.WIRES['lab']}.{number}"
        self.san_address = f"{network.WIRES['san']}.{number}"
        self.console = folder / f"console-{name}.log"
        self.boots = 0
        # What evidence.defects has read: of the console's bytes, and of the present boot's journal, a cursor.
        self.console_judged = 0
        self.journal_judged = ""
        self._kernel = kernel
        self._base = base
        self._folder = folder
        self._memory = memory
        self._data_disks = data_disks
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return self.name

    # -- power ---------------------------------------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        """Whether the guest has power."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Press the power button; does nothing where the guest is on."""
        with self._lock:
            if self.is_on:
                return
            with self.console.open("ab") as console:
                self._process = subprocess.Popen(
                    self._command(),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    env={
                        "PATH": os.environ["PATH"],
                        "TMPDIR": str(self._folder),
                        "HOME": str(self._folder),
                        **self._kernel.environment(),
                    },
                    cwd=self._kernel.folder(),
                    start_new_session=True,
                )
            self.boots += 1
            self.journal_judged = ""

    def renew(self, base: Path) -> None:
        """Make it a new machine, with `base` as its system and with empty disks, and power it on."""
        self.power_off(counted_as="")
        (self._folder / f"{self.name}.cow").unlink(missing_ok=True)
        for disk in self._data_disks:
            make_disk(disk, disk.stat().st_size >> 20)
        self._base = base
        self.start()

    def wait_until_on(self) -> float:
        """Wait until somebody, its BMC for instance, has powered it on; returns the seconds it took."""
        return wait_until(lambda: self.is_on, f"{self.name} has been powered on again", BOOT_TIMEOUT)

    def wait_for_boot(self) -> float:
        """Wait until the guest takes commands; returns the seconds it took."""

        def answers() -> bool:
            if not self.is_on:
                raise MachineLost(f"{self.name} ended while it booted; its console is {self.console}")
            try:
                return self.run("true", timeout=10).status == 0
            except (MachineLost, WaitTimedOut):
                return False

        return wait_until(answers, f"{self.name} has booted (console: {self.console})", BOOT_TIMEOUT)

    def power_off(self, counted_as: str = counts.POWER_CUTS) -> None:
        """Cut the power: what the guest had not written is gone."""
        with self._lock:
            if self._process is None:
                return
            if self.is_on and counted_as:
                counts.add(counted_as)
            # The user-mode kernel keeps one host process for each address space of the guest. They share its group, and
            # are this process's children once it is gone (see lab.namespace).
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            with contextlib.suppress(ChildProcessError):
                while True:
                    os.waitpid(-self._process.pid, 0)

    def crash(self) -> None:
        """Let the guest's kernel panic. By the end of this it may have been fenced, and be on again."""
        kernel = self._process
        assert kernel is not None
        try:
            self.run("echo c >/proc/sysrq-trigger", timeout=10)
        except (MachineLost, WaitTimedOut):
            pass
        wait_until(lambda: kernel.poll() is not None, f"{self.name} has crashed", 30)
        # The trace of a panic that was asked for is no sign of a defect.
        self.console_judged = self.console.stat().st_size

    # -- cables --------------------------------------------------------------------------------------------------

    def unplug(self, wire: str = "san") -> None:
        """Pull the cable of `wire` (san or management)."""
        network.plug(self.name, wire, connected=False)

    def plug(self, wire: str = "san") -> None:
        """Put the cable back."""
        network.plug(self.name, wire, connected=True)

    # -- commands ------------------------------------------------------------------------------------------------

    def run(self, command: str | list[str], *, stdin: bytes = b"", timeout: float = RUN_TIMEOUT) -> Result:
        """Run a command (a string goes to the shell); the exit status is the caller's to judge."""
        argv = ["sh", "-c", command] if isinstance(command, str) else command
        try:
            return control.run(self.address, argv, stdin=stdin, timeout=timeout)
        except (MachineLost, WaitTimedOut) as error:
            raise type(error)(f"{self.name}: {shlex.join(argv)}: {error}") from None

    def succeed(self, command: str | list[str], *, stdin: bytes = b"", timeout: float = RUN_TIMEOUT) -> str:
        """Run a command that must end with 0; returns its output."""
        result = self.run(command, stdin=stdin, timeout=timeout)
        if result.status != 0:
            raise CommandFailed(f"{self.name}: {command} ended with {result.status}: {result.stderr or result.stdout}")
        return result.stdout

    def fail(self, command: str | list[str], *, timeout: float = RUN_TIMEOUT) -> Result:
        """Run a command that must not end with 0."""
        result = self.run(command, timeout=timeout)
        if result.status == 0:
            raise CommandFailed(f"{self.name}: {command} succeeded and should not have: {result.stdout}")
        return result

    def wait_until(self, command: str, description: str, timeout: float, interval: float = 0.3) -> float:
        """Poll until a shell command ends with 0; returns the seconds it took."""
        return wait_until(lambda: self.run(command).status == 0, f"{description} on {self.name}", timeout, interval)

    def copy(self, files: dict[str, Path | bytes]) -> None:
        """Copy files and folders into the guest: {path in the guest: path here, or the content itself}."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for target, source in files.items():
                if isinstance(source, bytes):
                    entry = tarfile.TarInfo(target.lstrip("/"))
                    entry.size, entry.mode = len(source), 0o644
                    tar.addfile(entry, io.BytesIO(source))
                else:
                    tar.add(source, target.lstrip("/"), filter=_as_root)
        self.succeed(["tar", "-xf", "-", "-C", "/"], stdin=archive.getvalue())

    def read(self, path: str) -> str:
        """A file of the guest."""
        return self.succeed(["cat", path])

    def journal(self, arguments: str = "--boot") -> str:
        """The guest's journal."""
        return self.succeed(f"journalctl --no-pager --output=short-unix {arguments}")

    def journal_cursor(self) -> str:
        """Where the guest's journal ends now, for journalctl --after-cursor."""
        return self.succeed("journalctl --lines=1 --show-cursor --output=cat | sed -n 's/^-- cursor: //p'").strip()

    def kernel_log(self, since: str) -> str:
        """What the guest's kernel has logged after a cursor of the journal: dmesg has all of the boot, and so what
        earlier tests did.
        """
        self.succeed("journalctl --sync")
        return self.journal(f"--dmesg --after-cursor='{since}'")

    def _command(self) -> list[str]:
        disks = [f"ubd0={self._folder}/{self.name}.cow,{self._base}"]
        disks += [f"ubd{number}={disk}" for number, disk in enumerate(self._data_disks, 1)]
        cables = [
            f"vec{index}:transport=tap,ifname={network.tap(self.name, wire)}"
            f",mac=52:54:00:00:{index:02x}:{self.number:02x}"
            for index, wire in enumerate(network.WIRES)
        ]
        return [
            *self._kernel.command(), f"umid={self.name}", f"uml_dir={self._folder}/", f"mem={self._memory}",
            *disks, *cables,
            "root=/dev/ubda", "rw", "con0=null,fd:1", "con=null", "ssl=null",
            # A panic ends the process, as it resets a server; an oops is a panic, so that none is missed.
            "panic=-1", "oops=panic", "loglevel=5",
            # Without it dmesg has the last 16 KiB only, and a test would not see what has been overwritten.
            "log_buf_len=1M",
            f"systemd.hostname={self.name}", f"systemd.machine_id={self.number:032x}", f"lab.number={self.number}",
            "systemd.show_status=false", "systemd.journald.forward_to_console=false", "net.ifnames=0",
        ]  # fmt: skip


def _as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if entry.name.endswith((".pyc", "__pycache__")):
        return None
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def make_disk(path: Path, megabytes: int) -> Path:
    """An empty disk that takes room as it is written."""
    try:
        with path.open("wb") as file:
            file.truncate(megabytes << 20)
    except OSError as error:
        raise LabError(f"disk full: {path} cannot be made: {error.strerror}") from error
    return path
