# SPDX-License-Identifier: GPL-2.0-or-later
"""Failures of the fence handlers, which DRBD is answered by."""

from __future__ import annotations

from twinsan.errors import Failure


class Undecided(Failure):
    """The fate of the peer is not certain yet: another look may find it so."""


class NotUp(Failure):
    """The DRBD resource is not up on this node: no other look will find more."""
