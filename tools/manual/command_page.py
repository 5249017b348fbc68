# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page twinsan(8), from the argument parser of the command."""

from __future__ import annotations

import argparse

from tools.manual import agent_class, findings
from tools.manual.roff import escape
from twinsan import __version__

_STATUS = (
    "0 for success; 1 for a failure, explained by one line on standard error; 2 for a wrong command line, and for a "
    "file that is wrong by itself. status and check have others for what they find, fence-peer those that DRBD "
    "expects, as above."
)


def render(parser: argparse.ArgumentParser) -> str:
    """Return the page for `parser`, in roff."""
    lines = [
        '.\\" Generated from the command by "make man".',
        f'.TH TWINSAN 8 "" "twinsan {__version__}" "System administration"',
        ".SH NAME",
        f"twinsan \\- {escape((parser.description or '').rstrip('.'))}",
        ".SH SYNOPSIS",
        "\\fBtwinsan\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]",
        ".SH COMMANDS",
    ]
    for name, command in commands(parser).items():
        lines += [f".SS {escape(name)}", *_command(command)]
    lines += [*findings.section(), ".SH EXIT STATUS", escape(_STATUS)]
    pages = [f"ocf_twinsan_{agent}" for agent in agent_class.NAMES]
    lines += [".SH SEE ALSO", *(f".BR {escape(page)} (7)," for page in pages), ".BR drbd.conf (5),", ".BR crm_mon (8)"]
    return "\n".join(lines) + "\n"


def commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the commands that the help lists, by name."""
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  argparse has no public access to its parts
            listed = [choice.dest for choice in _choices(action)]
            return {name: command for name, command in action.choices.items() if name in listed}
    return {}


def _choices(action: argparse._SubParsersAction[argparse.ArgumentParser]) -> list[argparse.Action]:
    return action._choices_actions  # noqa: SLF001


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001


def _command(command: argparse.ArgumentParser) -> list[str]:
    words = command.format_usage().replace("usage: ", "").split()
    lines = [f"\\fB{escape(' '.join(words))}\\fR", ".PP", escape(command.description or "")]
    for action in _actions(command)[1:]:
        name = ", ".join(action.option_strings) or str(action.metavar)
        value = f" {action.metavar}" if action.option_strings and action.metavar else ""
        lines += [".TP", f"\\fB{escape(name)}\\fR\\fI{escape(value)}\\fR", escape(action.help or "")]
    return [*lines, ".PP", escape(command.epilog)] if command.epilog else lines
