# SPDX-License-Identifier: GPL-2.0-or-later
"""Kernels for the guests: user-mode Linux of several releases of Debian, each with its modules and its C library.

They are unpacked into the cache. With a library of its own the kernel of a newer release runs on an older one.
The variable KERNEL chooses another than the newest: forky (Linux 7.2 in 2026), trixie (6.12) or bookworm (6.1).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab import apt, xstate
from lab.errors import LabError

CHOICE = "KERNEL"
# The releases, each with the arguments that its kernel alone knows. From 6.16 on (arch/um/os-Linux/start_up.c) a
# guest's processes may run below a seccomp filter in place of ptrace, if the host allows it: a program starts in a
# fourth of the time.
SUITES = {"forky": ("seccomp=auto",), "trixie": (), "bookworm": ()}

# Later ones than 6.12 have no modules of iptables, which portblock needs, an agent of ClusterLabs.
_WITHOUT_IPTABLES = ("forky",)

_PACKAGES = ("user-mode-linux", "libc6")
_LIBRARIES = ("ld-linux-x86-64.so.2", "libc.so.6")
_INTERPRETER = b"/lib64/ld-linux-x86-64.so.2\0"
_ROOM_MB = 600


@dataclass(frozen=True)
class Kernel:
    """The kernel of one release of Debian."""

    suite: str

    def folder(self) -> Path:
        """Where it is, or is to be."""
        key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        return apt.cache() / f"kernel-{self.suite}-{key[:16]}"

    def is_missing(self) -> bool:
        """Whether it has to be made. One that is there is marked as used."""
        if not self.folder().is_dir():
            return True
        self.folder().touch()
        return False

    def make(self, mirror: str, log: Path, note: Callable[[str], None]) -> None:
        """Make its folder from the packages of a mirror. Raises LabError."""
        with apt.making(self.folder(), self.suite, mirror, log, _ROOM_MB) as making:
            if making is None:
                return
            packages, made = making
            note("the package lists")
            packages.run("apt-get", "update")
            note("the packages")
            unpacked = made / "unpacked"
            packages.unpack(_PACKAGES, unpacked)
            (made / "lib").mkdir()
            for library in _LIBRARIES:
                _found(unpacked, library).rename(made / "lib" / library)
            _found(unpacked, "uml/modules").rename(made / "modules")
            program = made / "linux"
            program.write_bytes(_with_own_loader(_found(unpacked, "linux.uml").read_bytes()))
            program.chmod(0o755)
            shutil.rmtree(unpacked)
        apt.forget_old("kernel-*", [Kernel(suite).folder() for suite in SUITES])

    def release(self) -> str:
        """Its release, as uname tells it. Raises LabError where it is not there."""
        releases = sorted(path.name for path in (self.folder() / "modules").glob("*"))
        if not releases:
            raise LabError("the guests' kernel has not been fetched; type: python3 -m lab.bootstrap lab")
        return releases[-1]

    def modules(self) -> Path:
        """The folder with its modules."""
        return self.folder() / "modules" / self.release()

    def command(self) -> list[str]:
        """The program, with the arguments that it alone knows. It must be started in `folder()`."""
        return [str(self.folder() / "linux"), *SUITES[self.suite]]

    def environment(self) -> dict[str, str]:
        """The variables that it has to be started with. Raises LabError."""
        own = {"LD_LIBRARY_PATH": str(self.folder() / "lib")}
        # Below a seccomp filter the host saves the registers of a guest's processes.
        return own if SUITES[self.suite] else {**own, **xstate.environment(apt.cache())}


def chosen() -> Kernel:
    """The kernel that the guests have where nothing else is needed. Raises LabError."""
    suite = os.environ.get(CHOICE) or next(iter(SUITES))
    if suite not in SUITES:
        raise LabError(f"{CHOICE}={suite} is no release with a kernel for the lab; choose {', '.join(SUITES)}")
    return Kernel(suite)


def chosen_with_iptables() -> Kernel:
    """The chosen kernel, or one that has the modules of iptables where that has none. Raises LabError."""
    kernel = chosen()
    return kernel if kernel.suite not in _WITHOUT_IPTABLES else Kernel("trixie")


def _found(unpacked: Path, name: str) -> Path:
    """A file or folder of the packages. The link of libc6 that names its loader is absolute in some releases."""
    for path in sorted(unpacked.rglob(name)):
        if not path.is_symlink():
            return path
    raise LabError(f"the packages {' and '.join(_PACKAGES)} at that mirror have no {name}")


def _with_own_loader(program: bytes) -> bytes:
    """A program that takes its loader from the folder lib of the working directory.

    The loader cannot be started in its place: then the heap would be elsewhere, where this kernel does not expect it.
    """
    own = f"lib/{_LIBRARIES[0]}".encode()
    if program.count(_INTERPRETER) != 1:
        raise LabError("the kernel of user-mode-linux names its loader in a way that is not known here")
    return program.replace(_INTERPRETER, own.ljust(len(_INTERPRETER), b"\0"))
