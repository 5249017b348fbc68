# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that belong to whom a test says, whoever runs the tests."""

from __future__ import annotations

import os

import pytest


def pretend(monkeypatch: pytest.MonkeyPatch, user: int) -> None:
    """Let every open file belong to `user`, a number as of os.geteuid."""
    look = os.stat

    def fstat(descriptor: int) -> os.stat_result:
        found = list(look(descriptor))
        # The order of stat.ST_MODE and its like.
        found[4] = user
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", fstat)
