# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for every kind of test."""

from __future__ import annotations

import pytest
from hypothesis import configuration, settings

# A machine that others share may be slow, and a slow example is no defect.
settings.register_profile("twinsan", deadline=None)
settings.load_profile("twinsan")
configuration.set_hypothesis_home_dir("build/hypothesis")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let words such as ``-k failover`` select nothing in one of the several runs of `make test`."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("keyword"):
        session.exitstatus = pytest.ExitCode.OK
