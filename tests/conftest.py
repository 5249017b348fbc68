# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules for every kind of test."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from pathlib import Path

import pytest

# Compiled tests stay in build/, also where PYTHONDONTWRITEBYTECODE keeps them out of the checkout: each process that
# runs tests would compile all of them anew. Programs that a test starts do not inherit it.
sys.pycache_prefix = str(Path(__file__).resolve().parents[1] / "build" / "pycache")
sys.dont_write_bytecode = False

# To collect thousands of tests makes objects that all stay: half of the time went into looking for garbage among them.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, and no more at what was there before the first test."""
    gc.freeze()
    gc.enable()


def pytest_configure() -> None:
    """Choose how hypothesis looks for examples."""
    # Not before sys.pycache_prefix is set: pytest compiles all of it anew where nothing of it is kept.
    from hypothesis import configuration, settings

    # A machine that others share may be slow, and a slow example is no defect.
    settings.register_profile("twinsan", deadline=None)
    settings.load_profile("twinsan")
    configuration.set_hypothesis_home_dir("build/hypothesis")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have counted, summed over all processes (record_property, with a number)."""
    counted = Counter[str]()
    for reports in terminalreporter.stats.values():
        for report in reports:
            for what, number in getattr(report, "user_properties", ()):
                # A test has several reports, and each lists the same.
                if report.when == "call" and isinstance(number, int):
                    counted[what] += number
    for what, number in sorted(counted.items()):
        terminalreporter.write_line(f"{what:42}{number:8}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Let words such as ``-k failover`` select nothing in one of the several runs of `make test`."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and session.config.getoption("keyword"):
        session.exitstatus = pytest.ExitCode.OK
