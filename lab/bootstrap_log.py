# SPDX-License-Identifier: GPL-2.0-or-later
"""The log of what the bootstrap runs, and what a failure in it means to the reader."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from lab import apt

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PATH = BUILD / "log" / "bootstrap.log"

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


def run(command: Sequence[str]) -> int:
    """Run `command` with its output in the log alone; if this program is ended, so is the command."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with PATH.open("a") as log:
        print(f"+ {' '.join(command)}", file=log, flush=True)
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=ROOT
        ) as process:
            try:
                return process.wait()
            except BaseException:
                process.terminate()
                raise


def cause() -> str:
    """Why the commands failed, as far as their output tells."""
    output = PATH.read_text(errors="replace")
    for signs, meaning in _CAUSES:
        if any(sign in output for sign in signs):
            return f"{meaning} (log: {PATH})"
    last = output.strip().splitlines()[-1]
    return f"{last} (log: {PATH})"
