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
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lab import apt, kernel, pacemaker_root, progress, xstate
from lab.errors import LabError

_ROOT = Path(__file__).resolve().parent.parent
_BUILD = _ROOT / "build"
_LOG = _BUILD / "log" / "bootstrap.log"
_VENV = _BUILD / "venv"
_REQUIREMENTS = _ROOT / "tests" / "requirements.txt"
_DEBIAN_PYTHON = Path("/usr/bin/python3")
_OLDEST_PYTHON = (3, 11)

# pacemaker-common has the schemas of the CIB, pacemaker-cli-utils the scheduler's simulator, drbd-utils reads the
# resource files, groff-base formats the man pages.
_PACKAGES = {
    "check": ("python3-venv", "pacemaker-common", "pacemaker-cli-utils", "drbd-utils", "groff-base"),
    "lab": (
        "python3-venv",
        "mmdebstrap",
        "debian-archive-keyring",
        "openipmi",
        "iproute2",
        "e2fsprogs",
        "uidmap",
        "kmod",
        "tshark",
    ),
}

# What the lab runs without installing it: on a server its packages would start services.
_UNPACKED = {"check": (), "lab": ("prometheus", "prometheus-node-exporter")}

# Where user-mode Linux needs it (see lab.xstate).
_COMPILER = ("gcc", "libc6-dev")

# What the logs of apt-get and pip say, and what it means to the reader. The first that fits is told.
_CAUSES = (
    (("No space left on device", "enough free space"), "the disk is full; make room and try again"),
    (
        ("Could not get lock", "Unable to acquire the dpkg"),
        "another package manager is at work; try again when it is done",
    ),
    (("dpkg was interrupted",), "an installation was interrupted; type: dpkg --configure -a"),
    (
        (
            "Temporary failure",
            "Could not resolve",
            "Could not connect",
            "Failed to establish a new connection",
            "Network is unreachable",
            "Connection timed out",
            "Unable to connect",
            "Read timed out",
        ),
        "the packages cannot be reached; look at the network (and at any proxy settings), then try again",
    ),
    (
        ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed", "certificate verification failed"),
        "the certificate of the package source is not trusted here; if a proxy replaces it, install the proxy's "
        "certificate (ca-certificates; for pip also PIP_CERT)",
    ),
    (
        ("does not have a Release file", "no longer has a Release file"),
        "the mirror does not have that release of Debian; give the address of one that has it, as in: "
        f"{apt.MIRROR}=ADDRESS make check",
    ),
    (
        ("Unable to locate package", "has no installation candidate", "No matching distribution found"),
        "the package sources do not have what is needed; Debian 12 and 13 have it",
    ),
)


class BootstrapError(Exception):
    """Something that is needed cannot be installed; the text says why and what to do."""


def main(purposes: Sequence[str]) -> int:
    """Bring this machine to where `purposes` can be served."""
    signal.signal(signal.SIGTERM, _end)
    unknown = [purpose for purpose in purposes if purpose not in _PACKAGES]
    if unknown or not purposes:
        print(f"usage: python3 -m lab.bootstrap {{{'|'.join(_PACKAGES)}}}...", file=sys.stderr)
        return 2
    try:
        require_architecture(purposes)
        with _alone():
            install_packages(missing_packages(purposes))
            unpack_packages(purposes)
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


def missing_packages(purposes: Sequence[str]) -> list[str]:
    """The Debian packages that are declared and not installed."""
    wanted = list(dict.fromkeys(package for purpose in purposes for package in _PACKAGES[purpose]))
    if "lab" in purposes and xstate.is_needed():
        wanted += _COMPILER
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        if "lab" in purposes:
            raise BootstrapError(
                "the lab is made of Debian's packages and runs on Debian 12 or newer; make check works here"
            )
        return []
    listing = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
        text=True,
    ).stdout
    installed = {line.split()[0] for line in listing.splitlines() if line.endswith(" installed")}
    return [package for package in wanted if package not in installed]


def install_packages(packages: Sequence[str]) -> None:
    """Install Debian packages, with fresh package lists where the present ones do not do."""
    if not packages:
        return
    prefix = _become_root(packages)
    with progress.step(f"Installing {_some(packages)}"):
        install = [*prefix, "apt-get", "install", "--yes", "--no-install-recommends", *packages]
        if _has_candidates(packages) and _run(install) == 0:
            return
        _run([*prefix, "apt-get", "update"])
        if _run(install) != 0:
            raise BootstrapError(f"apt-get could not install {' '.join(packages)}: {_cause()}")


def unpack_packages(purposes: Sequence[str]) -> None:
    """Unpack Debian packages into folders of their names, unless they are there."""
    wanted = [package for purpose in purposes for package in _UNPACKED[purpose]]
    missing = [package for package in wanted if not (_BUILD / "unpacked" / package).is_dir()]
    if not missing:
        return
    with progress.step(f"Fetching {_some(missing)}"):
        for package in missing:
            place = _BUILD / "unpacked" / package
            building = place.with_name(f"{package}.new")
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(parents=True)
            # It writes into the present folder.
            fetch = ["sh", "-c", f"cd {shlex.quote(str(building))} && apt-get download {package}"]
            if _run(fetch) != 0:
                raise BootstrapError(f"apt-get could not fetch {package}: {_cause()}")
            (archive,) = building.glob("*.deb")
            if _run(["dpkg-deb", "--extract", str(archive), str(building)]) != 0:
                raise BootstrapError(f"{archive} could not be unpacked: {_cause()}")
            archive.unlink()
            building.rename(place)


def ensure_venv() -> None:
    """Make the virtual environment anew, unless it is the one that the requirements ask for."""
    python = _choose_python()
    content = _REQUIREMENTS.read_bytes() + os.fsencode(python.resolve())
    wanted = hashlib.sha256(content).hexdigest()
    stamp = _VENV / "stamp"
    if stamp.is_file() and stamp.read_text() == wanted and (_VENV / "bin" / "python").exists():
        return
    with progress.step("Installing the tools of tests/requirements.txt"):
        if _run([str(python), "-m", "venv", "--clear", str(_VENV)]) != 0:
            raise BootstrapError(f"{python} could not make a virtual environment in {_VENV}: {_cause()}")
        pip = [str(_VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
        if _run([*pip, "install", "--requirement", str(_REQUIREMENTS)]) != 0:
            raise BootstrapError(f"pip could not install tests/requirements.txt: {_cause()}")
        stamp.write_text(wanted)


def ensure_pacemakers() -> None:
    """Fetch the tools of the versions of Pacemaker that the tests simulate and this machine has not."""
    versions = pacemaker_root.missing()
    # Elsewhere the tests that need them fail, and say so; the others can run.
    if not versions or shutil.which("dpkg-deb") is None or shutil.which("apt-get") is None:
        return
    mirror = _mirror()
    for version in versions:
        make = functools.partial(pacemaker_root.make, version, mirror, _LOG)
        _fetch(f"the simulator of Pacemaker {version}", make)


def ensure_kernels() -> None:
    """Fetch the guests' kernels that are not there."""
    for each in dict.fromkeys((kernel.chosen(), kernel.chosen_with_iptables())):
        if each.is_missing():
            _fetch(f"the guests' kernel from Debian's {each.suite}", functools.partial(each.make, _mirror(), _LOG))


def _fetch(what: str, make: Callable[[Callable[[str], None]], None]) -> None:
    with progress.step(f"Fetching {what}") as step:
        try:
            make(step.note)
        except apt.ProgramFailed as error:
            raise BootstrapError(f"{what} could not be fetched: {error}: {_cause()}") from error
        except LabError as error:
            raise BootstrapError(str(error)) from error


def _mirror() -> str:
    """The mirror of this machine, where root has no lists after apt-get update."""
    try:
        return apt.mirror()
    except LabError as error:
        if os.geteuid() != 0 or _run(["apt-get", "update"]) != 0:
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


def _become_root(packages: Sequence[str]) -> list[str]:
    """What to put before a command that needs root."""
    if os.geteuid() == 0:
        return []
    allowed = (
        shutil.which("sudo")
        and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode == 0
    )
    if allowed:
        return ["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive"]
    raise BootstrapError(
        "some Debian packages are missing and only root may install them; as root, type: "
        f"apt-get install --no-install-recommends {' '.join(packages)}"
    )


def _has_candidates(packages: Sequence[str]) -> bool:
    """Whether the present package lists know all `packages`."""
    known = subprocess.run(["apt-cache", "show", "--no-all-versions", *packages], check=False, capture_output=True)
    return known.returncode == 0 and b"Unable to locate" not in known.stderr


def _run(command: Sequence[str]) -> int:
    """Run `command` with its output in the log alone; if this program is ended, so is the command."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with _LOG.open("a") as log:
        print(f"+ {' '.join(command)}", file=log, flush=True)
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=_ROOT
        ) as process:
            try:
                return process.wait()
            except BaseException:
                process.terminate()
                raise


def _cause() -> str:
    """Why the commands failed, as far as their output tells."""
    output = _LOG.read_text(errors="replace")
    for signs, meaning in _CAUSES:
        if any(sign in output for sign in signs):
            return f"{meaning} (log: {_LOG})"
    last = output.strip().splitlines()[-1]
    return f"{last} (log: {_LOG})"


def _some(packages: Sequence[str]) -> str:
    if len(packages) == 1:
        return packages[0]
    return f"{len(packages)} packages: {', '.join(packages[:2])}{', ...' if len(packages) > 2 else ''}"


@contextmanager
def _alone() -> Iterator[None]:
    """Let two calls at once wait for one another, and give this one a fresh log."""
    _LOG.parent.mkdir(parents=True, exist_ok=True)
    with (_BUILD / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _LOG.write_text("")
        yield


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
