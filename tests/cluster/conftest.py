# SPDX-License-Identifier: GPL-2.0-or-later
"""One pair for all cluster tests; each test finds it settled and in sync, and is judged by the guests' logs as well.

A file of tests that need another pair names a site file of examples/, or "iptables" for a kernel that has it, or
"benchmark" for the pair of the benchmark, which logs the initiator in itself:

    pytestmark = pytest.mark.parametrize("whole_pair", ["two-resources.toml"], indirect=True)
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab import evidence, image, kernel, namespace, site
from lab.bench import run
from lab.errors import LabError
from lab.machine import Machine
from lab.pair import IQN, Pair
from lab.site_pair import SitePair
from tests.cluster.hand import CONFIGFS

IPTABLES, BENCHMARK = "iptables", "benchmark"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """What a failed test leaves is kept, before its fixtures repair the pair."""
    report = yield
    pair = item.funcargs.get("whole_pair")
    if report.failed and isinstance(pair, Pair):
        where = pair.collect(evidence.new_folder(item.name))
        report.sections.append(("evidence", f"the state of all guests is in {where}"))
    return report


@pytest.fixture(scope="session")
def whole_pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """The pair, serving, with esx logged in."""
    import os

    namespace.require_own()
    suite = os.environ.get("SUITE", image.SUITES[0])
    wanted = getattr(request, "param", None)
    if wanted == IPTABLES:
        pair = Pair(suite, kernel=kernel.chosen_with_iptables())
    elif wanted == BENCHMARK:
        pair = run.new_pair(suite)
    else:
        pair = SitePair(site.load(wanted), suite) if wanted else Pair(suite)
    try:
        pair.ready()
        pair.disk = "" if wanted == BENCHMARK else pair.log_in()
        yield pair
    except LabError:
        print(f"the state of all guests is in {pair.collect(evidence.new_folder('start'))}")
        raise
    finally:
        pair.close()


@pytest.fixture(autouse=True)
def _judged(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test on the pair none of its guests may tell of an oops, a traceback or a core dump."""
    if "whole_pair" not in request.fixturenames:
        yield
        return
    pair: Pair = request.getfixturevalue("whole_pair")
    yield
    found = [f"{guest}: {line}" for guest in pair.guests for line in evidence.defects(guest)]
    if found:
        # The last test's pair is closed before its report is made.
        print(f"the state of all guests is in {pair.collect(evidence.new_folder(request.node.name))}")
    assert not found, "\n".join(found)


@pytest.fixture
def pair(whole_pair: Pair) -> Pair:
    """The pair, for one test."""
    return whole_pair


# The whole is the first, as where a test has it alone: tests of one number are run in their order.
@pytest.fixture(scope="module", params=[pytest.param(True, marks=pytest.mark.soak), False], ids=["whole", "sample"])
def whole(request: pytest.FixtureRequest) -> bool:
    """Whether a test does all that there is of a series (make soak), or a sample of it (make test)."""
    return bool(request.param)


@pytest.fixture
def site_pair(pair: Pair) -> SitePair:
    """The pair, where it is that of a site file."""
    assert isinstance(pair, SitePair)
    return pair


@pytest.fixture
def recovering(pair: Pair) -> Iterator[Pair]:
    """For tests that disturb the cluster: afterwards all is on, settled and in sync again, for the next one."""
    yield pair
    pair.recover()


@pytest.fixture
def started(recovering: Pair) -> Pair:
    """The pair, with nothing that a probe has only found running: Pacemaker can reload what it has started itself."""
    recovering.have_started("p_target", "p_lun1", "p_portal")
    return recovering


@pytest.fixture(scope="module")
def nothing_remembered(whole_pair: Pair) -> None:
    """For tests of what says whether all is well: the cluster remembers no failure of the tests before."""
    whole_pair.forget_failures()


@pytest.fixture
def active(pair: Pair) -> Machine:
    """The server that serves."""
    return pair.wait_until_serving()


@pytest.fixture
def passive(pair: Pair, active: Machine) -> Machine:
    """The other one."""
    return pair.peer_of(active)


@pytest.fixture
def without_the_san(recovering: Pair, passive: Machine) -> Iterator[None]:
    """The pair's own target does not stand by on the passive server, where it would have the relative target port that
    kernels from 6.4 on give to the first target.
    """
    recovering.standby(passive)
    passive.wait_until(f"! test -e {CONFIGFS}/iscsi/{IQN}", "the pair's target is gone", 60)
    yield
    recovering.standby(passive, standby=False)


@pytest.fixture
def project() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[2]
