# SPDX-License-Identifier: GPL-2.0-or-later
"""The question before the first change."""

from __future__ import annotations

import os
import sys

from twinsan.errors import Failure, Misconfigured, NotPermitted, Reason

NOT_ROOT = Reason(NotPermitted, "only root can do this", "type it as root")
NOT_ASKED = Reason(Misconfigured, "without a terminal nobody can be asked, and nothing was changed", "add --yes")
REFUSED = Reason(Failure, "nothing was changed")


def require_root() -> None:
    """Raise NotPermitted for anybody but root."""
    if os.geteuid() != 0:
        raise NOT_ROOT()  # noqa: RSE102  a Reason, which makes the exception


def ask(refused: Reason = REFUSED, *, yes: bool) -> None:
    """Ask whether to go on, unless `yes`. Raises `refused` for any other answer; Misconfigured without a terminal."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise NOT_ASKED()  # noqa: RSE102
    try:
        answer = input("Go on? (yes/no) ")
    except EOFError:
        answer = ""
    if answer.strip().lower() not in ("y", "yes"):
        raise refused()


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)
