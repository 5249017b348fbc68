# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for every kind of test."""

from __future__ import annotations

import pytest


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let words such as ``-k failover`` select nothing in one of the several runs of `make test`."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("keyword"):
        session.exitstatus = pytest.ExitCode.OK
