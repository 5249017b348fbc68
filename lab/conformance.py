# SPDX-License-Identifier: GPL-2.0-or-later
"""libiscsi's conformance suite, iscsi-test-cu, run from the initiator, and what it says of each test.

Each of its suites is a process of its own with a bound of its own, so that one that hangs costs the others nothing.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lab.errors import LabError
from lab.machine import Machine

# The names that it logs in with, unless told otherwise.
INITIATORS = tuple(f"iqn.2007-10.com.github:sahlberg:libiscsi:{name}" for name in ("iscsi-test", "iscsi-test-2"))

# How much later arrives what a suite sends, in ms. LIO answers a logout, and closes the session after that, which ends
# an SPC-2 reservation (iscsi_target.c, iscsit_logout_post_handler_closesession). A suite that logs in anew and reserves
# at once, three times at most, may be done with it before; this way its login alone takes five times as long.
_DELAYS_MS = {"Reserve6": 100}

# What CUnit prints for a test: its name, whatever the test says, and the verdict at the start of a line or right after
# the name.
_SUITE = re.compile(r"^Suite: (\S+)\n", re.MULTILINE)
_TEST = re.compile(r"^  Test: (\S+) \.\.\.", re.MULTILINE)
_VERDICT = re.compile(r"^(passed|FAILED)", re.MULTILINE)
_SKIPPED = re.compile(r"\[SKIPPED\] (.*)")
_COUNTED = re.compile(r"^ +tests +\d+ +(\d+) +(\d+) +(\d+) +\d+$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """Of one test: "passed", "failed" or "unfinished"; `skipped` is why it, or a part of it, was not run."""

    verdict: str
    skipped: str = ""
    said: str = ""


@dataclass(frozen=True)
class Run:
    """Of one suite: its tests' outcomes by their names, and the seconds that it took."""

    outcomes: dict[str, Outcome]
    seconds: float

    def count(self, verdict: str) -> int:
        """How many tests have that verdict."""
        return sum(outcome.verdict == verdict for outcome in self.outcomes.values())

    def reasons(self) -> list[str]:
        """Why tests were skipped, each reason once."""
        return sorted({outcome.skipped for outcome in self.outcomes.values() if outcome.skipped})

    def skipped(self) -> int:
        """How many tests were skipped, wholly or in part. They are passed as well."""
        return sum(bool(outcome.skipped) for outcome in self.outcomes.values())


def suites(initiator: Machine) -> dict[str, list[str]]:
    """All that there is to run: the tests' names by suites, in their order."""
    found: dict[str, list[str]] = {}
    for line in initiator.succeed("iscsi-test-cu --list").splitlines():
        family, _, suite = line.partition(".")
        suite, _, test = suite.partition(".")
        if family == "ALL" and test:
            found.setdefault(suite, []).append(test)
    return found


def run(initiator: Machine, url: str, suite: str, tests: Iterable[str], seconds: int) -> Run:
    """Run a suite, which destroys what is on the LUN; a test that has not ended after these seconds is unfinished."""
    begin = time.monotonic()
    with _delayed(initiator, url, _DELAYS_MS.get(suite, 0)):
        said = _said(initiator, url, suite, seconds)
    outcomes = parse(said).get(suite, {})
    unfinished = {test: Outcome("unfinished", said=said[-500:]) for test in tests if test not in outcomes}
    return Run({**outcomes, **unfinished}, time.monotonic() - begin)


@contextlib.contextmanager
def _delayed(initiator: Machine, url: str, milliseconds: int) -> Iterator[None]:
    """Have all that the initiator sends to the portal in `url` arrive later."""
    if not milliseconds:
        yield
        return
    portal = url.split("/")[2].partition(":")[0]
    device = initiator.succeed(f"ip -oneline route get {portal} | grep -o 'dev [^ ]*'").split()[1]
    initiator.succeed(f"tc qdisc add dev {device} root netem delay {milliseconds}ms")
    try:
        yield
    finally:
        initiator.succeed(f"tc qdisc del dev {device} root")


def _said(initiator: Machine, url: str, suite: str, seconds: int) -> str:
    """What a suite printed until it ended, or was ended after these seconds."""
    # By lines, or what it said before a hang would be lost with it.
    command = f"timeout {seconds} stdbuf --output=L iscsi-test-cu --dataloss --test=ALL.{suite} {url} 2>&1"
    # It ends with 0 also where all was skipped, and with 1 where a test failed: what it says decides.
    return initiator.run(command, timeout=seconds + 60).stdout


def parse(said: str) -> dict[str, dict[str, Outcome]]:
    """The outcomes of tests by suites. Raises LabError where they do not add up to what the suite counted itself."""
    _, *parts = _SUITE.split(said)
    found = {suite: _tests(body) for suite, body in zip(parts[::2], parts[1::2])}
    counted = _COUNTED.search(said)
    verdicts = [outcome.verdict for outcomes in found.values() for outcome in outcomes.values()]
    ours = (len(verdicts), verdicts.count("passed"), verdicts.count("failed"))
    if counted and ours != tuple(map(int, counted.groups())):
        raise LabError(f"iscsi-test-cu counts {counted[0].split()}, and its words were read as {ours}")
    return found


def _tests(body: str) -> dict[str, Outcome]:
    _, *parts = _TEST.split(body.partition("\nRun Summary:")[0])
    return {name: _outcome(said) for name, said in zip(parts[::2], parts[1::2])}


def _outcome(said: str) -> Outcome:
    verdict = _VERDICT.search(said)
    skipped = _SKIPPED.search(said)
    return Outcome(
        "unfinished" if verdict is None else verdict[1].lower(), skipped[1].strip() if skipped else "", said.strip()
    )


def table(runs: dict[str, Run]) -> str:
    """The counts of each suite, as lines for people."""
    lines = [f"{'suite':<24}{'tests':>6}{'passed':>8}{'failed':>8}{'skipped':>9}{'s':>7}  skipped because"]
    for suite, ran in runs.items():
        failed = len(ran.outcomes) - ran.count("passed")
        lines.append(
            f"{suite:<24}{len(ran.outcomes):>6}{ran.count('passed') - ran.skipped():>8}{failed:>8}{ran.skipped():>9}"
            f"{ran.seconds:>7.1f}  {'; '.join(ran.reasons())}".rstrip()
        )
    return "\n".join(lines)
