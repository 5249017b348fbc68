# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures of the fence handlers, whose exit status is DRBD's answer."""

from __future__ import annotations

from twinsan.errors import Failure


class Undecided(Failure):
    """The state of the peer is not certain yet. It may be at the next attempt."""


class NotUp(Failure):
    """The DRBD resource is not up on this node. Another attempt would not help."""
