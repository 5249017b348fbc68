# SPDX-License-Identifier: GPL-2.0-or-later
"""Stands for apt-get, apt-cache and dpkg-deb of a mirror, in place of `subprocess.run`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path


class Programs:
    """`said` has what a command prints, by its first word; `unpack` makes what is in a package. The command `failing`
    fails. `seen` has what was started.
    """

    def __init__(self, said: dict[str, str], unpack: Callable[[Path], None], failing: str = "") -> None:
        self._said = said
        self._unpack = unpack
        self._failing = failing
        self.seen: list[str] = []

    def __call__(self, argv: list[str], cwd: Path, stderr: object, **_: object) -> subprocess.CompletedProcess[str]:
        words = [word for word in argv if not word.startswith("--option")]
        self.seen.append(" ".join(words[:2]))
        if words[1] == "download":
            for package in words[2:]:
                (cwd / f"{package}_1_all.deb").touch()
        if words[1] == "--extract":
            self._unpack(Path(words[3]))
        return subprocess.CompletedProcess(argv, int(words[1] == self._failing), stdout=self._said.get(words[1], ""))
