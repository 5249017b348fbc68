# SPDX-License-Identifier: GPL-2.0-or-later
"""The command ``twinsan``: what operators type, and what DRBD calls."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from twinsan import __version__
from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# The modules of the commands, as the help has them: what an operator types first, then what Pacemaker and DRBD call.
_MODULES = (
    *("status", "init", "render", "apply", "adopt", "check", "drill", "grow", "replace_disk", "stop", "remove"),
    *("metrics", "reservations", "alert", "fence"),
)
# Commands that are in a module of another name.
_DECLARED_BY = {"inventory": "init", "fence-peer": "fence", "unfence-peer": "fence", "split-brain": "fence"}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line `words`, by default that of the process. Returns the exit status."""
    _open_standard_streams()
    words = sys.argv[1:] if words is None else words
    # A promotion waits for its handler, and a person for a look: neither reads a command line but its own.
    arguments = parser(words[0] if words else "").parse_args(words)
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


def parser(command: str = "") -> argparse.ArgumentParser:
    """Return the parser of the command line; where `command` is the name of a command, with that one alone. The manual
    page is generated from it.
    """
    parser = argparse.ArgumentParser(prog="twinsan", description="Two Linux servers as one iSCSI SAN.")
    parser.add_argument("--version", action="version", version=f"twinsan {__version__}")
    # Without `prog`, argparse formats its usage to find that, and imports what measures the terminal.
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, prog="twinsan")
    named = _DECLARED_BY.get(command, command.replace("-", "_"))
    for module in (named,) if named in _MODULES else _MODULES:
        importlib.import_module(f"twinsan.commands.{module}").declare(commands)
    return parser
