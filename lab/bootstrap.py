# SPDX-License-Identifier: GPL-2.0-or-later
"""Install what a purpose needs and this machine lacks: Debian packages, and the tools of tests/requirements.txt.

``python3 -m lab.bootstrap check`` for linters and unit tests, ``lab`` for the demonstration and the cluster tests. For
check that is also the tools of other versions of Pacemaker, for lab the guests' kernel, which are not installed but
kept in the cache.
Needs nothing but the standard library. When all is there already it takes a fraction of a second.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import platform
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lab import apt, bootstrap_log, kernel, pacemaker_root, packages, progress
from lab.bootstrap_log import BUILD, ROOT, BootstrapError
from lab.errors import LabError

_VENV = BUILD / "venv"
_REQUIREMENTS = ROOT / "tests" / "requirements.txt"
_DEBIAN_PYTHON = Path("/usr/bin/python3")
_OLDEST_PYTHON = (3, 11)


def main(purposes: Sequence[str]) -> int:
    """Bring this machine to where `purposes` can be served."""
    signal.signal(signal.SIGTERM, _end)
    unknown = [purpose for purpose in purposes if purpose not in packages.INSTALLED]
    if unknown or not purposes:
        print(f"usage: python3 -m lab.bootstrap {{{'|'.join(packages.INSTALLED)}}}...", file=sys.stderr)
        return 2
    try:
        require_architecture(purposes)
        with _alone():
            packages.install(packages.missing(purposes))
            packages.unpack(purposes)
            ensure_venv()
            if "check" in purposes:
                ensure_pacemakers()
            if "lab" in purposes:
                ensure_kernels()
    except (BootstrapError, LabError) as error:
        print(f"twinsan: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def require_architecture(purposes: Sequence[str]) -> None:
    """Refuse the lab where user-mode Linux does not exist."""
    if "lab" in purposes and platform.machine() != "x86_64":
        raise BootstrapError(
            "the demonstration and the cluster tests need an x86-64 machine, because user-mode Linux exists for no "
            f"other and this is {platform.machine()}; make check works here"
        )


def ensure_venv() -> None:
    """Make the virtual environment anew, unless it is the one that the requirements ask for."""
    python = _choose_python()
    content = _REQUIREMENTS.read_bytes() + os.fsencode(python.resolve())
    wanted = hashlib.sha256(content).hexdigest()
    stamp = _VENV / "stamp"
    if stamp.is_file() and stamp.read_text() == wanted and (_VENV / "bin" / "python").exists():
        return
    with progress.step("Installing the tools of tests/requirements.txt"):
        if bootstrap_log.run([str(python), "-m", "venv", "--clear", str(_VENV)]) != 0:
            raise BootstrapError(f"{python} could not make a virtual environment in {_VENV}: {bootstrap_log.cause()}")
        pip = [str(_VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        if bootstrap_log.run([*pip, "install", "--requirement", str(_REQUIREMENTS)]) != 0:
            raise BootstrapError(f"pip could not install tests/requirements.txt: {bootstrap_log.cause()}")
        stamp.write_text(wanted)


def ensure_pacemakers() -> None:
    """Fetch the tools of the versions of Pacemaker that the tests simulate and this machine has not."""
    versions = pacemaker_root.missing()
    # Elsewhere the tests that need them fail, and say so; the others can run.
    if not versions or shutil.which("dpkg-deb") is None or shutil.which("apt-get") is None:
        return
    mirror = _mirror()
    for version in versions:
        make = functools.partial(pacemaker_root.make, version, mirror, bootstrap_log.PATH)
        _fetch(f"the simulator of Pacemaker {version}", make)


def ensure_kernels() -> None:
    """Fetch the guests' kernels that are not there."""
    for each in dict.fromkeys((kernel.chosen(), kernel.chosen_with_iptables())):
        if each.is_missing():
            _fetch(
                f"the guests' kernel from Debian's {each.suite}",
                functools.partial(each.make, _mirror(), bootstrap_log.PATH),
            )


def _fetch(what: str, make: Callable[[Callable[[str], None]], None]) -> None:
    with progress.step(f"Fetching {what}") as step:
        try:
            make(step.note)
        except apt.ProgramFailed as error:
            raise BootstrapError(f"{what} could not be fetched: {error}: {bootstrap_log.cause()}") from error
        except LabError as error:
            raise BootstrapError(str(error)) from error


def _mirror() -> str:
    """The mirror of this machine, where root has no lists after apt-get update."""
    try:
        return apt.mirror()
    except LabError as error:
        if os.geteuid() != 0 or bootstrap_log.run(["apt-get", "update"]) != 0:
            raise BootstrapError(f"the tests need packages of other releases of Debian: {error}") from error
    try:
        return apt.mirror()
    except LabError as error:
        raise BootstrapError(f"the tests need packages of other releases of Debian: {error}") from error


def _choose_python() -> Path:
    """The distribution's Python, for which its python3-venv is, or else the one that runs this."""
    if sys.version_info >= _OLDEST_PYTHON and not _DEBIAN_PYTHON.exists():
        return Path(sys.executable)
    if _version_of(_DEBIAN_PYTHON) >= _OLDEST_PYTHON:
        return _DEBIAN_PYTHON
    if sys.version_info >= _OLDEST_PYTHON:
        return Path(sys.executable)
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    raise BootstrapError(f"the tools need Python {oldest} or newer (Debian 12 has it); {_DEBIAN_PYTHON} is older")


def _version_of(python: Path) -> tuple[int, ...]:
    """The version, from the name that the distribution's link resolves to (``python3.11``)."""
    numbers = python.resolve().name.replace("python", "").split(".")
    return tuple(int(number) for number in numbers if number.isdecimal())


@contextmanager
def _alone() -> Iterator[None]:
    """Let two calls at once wait for one another, and give this one a fresh log."""
    bootstrap_log.PATH.parent.mkdir(parents=True, exist_ok=True)
    with (BUILD / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bootstrap_log.PATH.write_text("")
        yield


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
