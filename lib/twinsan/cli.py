# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``twinsan``: what operators type, and what DRBD calls."""

from __future__ import annotations

import argparse
import os
import sys

from twinsan import __version__
from twinsan.commands import fence
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# What DRBD calls.
_HANDLERS = ("fence-peer", "unfence-peer", "split-brain")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`, by default that of the process. Returns the exit status."""
    _open_standard_streams()
    words = sys.argv[1:] if words is None else words
    # A promotion waits for its handler: that reads no command line but its own.
    handlers_only = bool(words) and words[0] in _HANDLERS
    arguments = parser(handlers_only=handlers_only).parse_args(words)
    try:
        ended: int = arguments.run(arguments)
        return ended
    except Failure as failure:
        print(f"twinsan: {failure}", file=sys.stderr)
    except OSError as error:
        print(f"twinsan: {arguments.command} failed: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("twinsan: interrupted", file=sys.stderr)
    return 1


def _open_standard_streams() -> None:
    """Open /dev/null for each standard stream that is closed. The kernel starts DRBD's handlers without any open file:
    the next file to be opened would become a standard stream.
    """
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)


def parser(*, handlers_only: bool = False) -> argparse.ArgumentParser:
    """Return the parser of the command line, or of DRBD's handlers alone. The manual page is generated from it."""
    parser = argparse.ArgumentParser(prog="twinsan", description="Two Linux servers as one iSCSI SAN.")
    parser.add_argument("--version", action="version", version=f"twinsan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    if not handlers_only:
        from twinsan.commands import (
            adopt,
            alert,
            apply,
            check,
            drill,
            grow,
            init,
            metrics,
            remove,
            render,
            replace_disk,
            reservations,
            status,
            stop,
        )

        # In the order of the help: what an operator types first, then what Pacemaker and DRBD call.
        typed = (status, init, render, apply, adopt, check, drill, grow, replace_disk, stop, remove, metrics)
        for subject in (*typed, reservations, alert):
            subject.declare(commands)
    fence.declare(commands)
    return parser
