# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user-mode kernel needs on a processor with more registers than it knows; xstate.c says why."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from lab.errors import LabError

_SOURCE = Path(__file__).with_suffix(".c")

# The processor's flag for the first state component that user-mode Linux 6.1 has no room for.
_UNKNOWN = "amx_tile"


def is_needed() -> bool:
    """Whether this machine's processor has such registers."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return False
    return _UNKNOWN in flags


def environment(cache: Path) -> dict[str, str]:
    """The variables that linux.uml has to be started with; what is compiled for it is kept in `cache`.

    Raises LabError where it cannot be compiled.
    """
    return {"LD_PRELOAD": str(_library(cache))} if is_needed() else {}


def _library(cache: Path) -> Path:
    digest = hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:16]
    library = cache / f"xstate-{digest}.so"
    if not library.exists():
        cache.mkdir(parents=True, exist_ok=True)
        descriptor, unfinished = tempfile.mkstemp(dir=cache)
        os.close(descriptor)
        command = ["gcc", "-O2", "-shared", "-fPIC", "-o", unfinished, str(_SOURCE)]
        compiled = subprocess.run(command, capture_output=True, text=True, check=False)
        if compiled.returncode != 0:
            os.unlink(unfinished)
            raise LabError(f"{_SOURCE} cannot be compiled: {compiled.stderr.strip()}")
        # Whoever compiles it at the same time puts the same in its place.
        os.rename(unfinished, library)
    return library
