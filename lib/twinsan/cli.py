# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``twinsan``: what operators type, and what DRBD calls."""

from __future__ import annotations

import argparse
import os
import sys

from twinsan import __version__
from twinsan.commands import adopt, alert, apply, check, drill, fence, init, metrics, render, reservations, status
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# In the order of the help: what an operator types first, then what Pacemaker and DRBD call.
_SUBJECTS = (status, init, render, apply, adopt, check, drill, metrics, reservations, alert, fence)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`, by default that of the process. Returns the exit status."""
    _open_standard_streams()
    arguments = parser().parse_args(words)
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


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. The manual page is generated from it."""
    parser = argparse.ArgumentParser(prog="twinsan", description="Two Linux servers as one iSCSI SAN.")
    parser.add_argument("--version", action="version", version=f"twinsan {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for subject in _SUBJECTS:
        subject.declare(commands)
    return parser
