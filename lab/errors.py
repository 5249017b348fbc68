# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong in the lab, told apart: the lab's own trouble, a lost guest, a command that failed, a wait."""

from __future__ import annotations


class LabError(Exception):
    """The lab cannot go on; the text says why and what to do."""


class MachineLost(LabError):
    """A guest ended, or its control channel broke, while it was wanted."""


class CommandFailed(LabError):
    """A command in a guest ended with a status that was not asked for."""


class WaitTimedOut(LabError):
    """A condition did not come true by its deadline."""
