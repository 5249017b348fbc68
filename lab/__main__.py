# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's command: ``python3 -m lab demo | bench | test | soak | procedures | up | down``."""

from __future__ import annotations

import argparse
import os
import sys

from lab import image, namespace, session
from lab.errors import LabError

# The commands that run tests on a cluster; see lab.tests.
_TESTS = ("test", "soak", "procedures")


def main() -> int:
    """Parse the command line and run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab", description="A pair of servers and an initiator on user-mode kernels.")
    parser.add_argument(
        "--suite", choices=image.SUITES, default=os.environ.get("SUITE", "trixie"), help="Debian release of the guests"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("demo", help="show a switchover and a power cut under load; results in build/demo/")
    bench = commands.add_parser("bench", help="measure failovers, actions and data path against the alternatives")
    bench.description = "Measure all; results in build/bench/. QUICK=1 is for a test of the benchmark itself."
    bench.add_argument("part", nargs="*", help="only these parts: failover, data_path, price, luns, many_luns")
    test = (
        "run tests/cluster, without those marked soak or procedure; further words go to pytest: -m soak -k NAME runs a"
        " marked one, -m '' takes all kinds"
    )
    commands.add_parser("test", help=test, add_help=False)
    soak = "run the tests that repeat for their statistics or wait for minutes, and print their counts"
    commands.add_parser("soak", help=soak, add_help=False)
    procedures = "run what an operator does, and a quick benchmark"
    commands.add_parser("procedures", help=procedures, add_help=False)
    commands.add_parser("up", help="start a pair and leave it running: lab/ssh atlas")
    commands.add_parser("down", help="stop that pair")
    arguments, words = parser.parse_known_args()
    if words and arguments.command not in _TESTS:
        parser.error(f"unknown words: {' '.join(words)}")
    try:
        return _run(arguments, words)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, words: list[str]) -> int:
    if arguments.command == "down":
        return session.down()
    namespace.require_host()
    # Outside the namespaces: they have no way to the packages.
    if arguments.command == "bench":
        image.build(arguments.suite, image.MORE_PACKAGES)
        return namespace.enter(lambda: _bench(arguments))
    image.build(arguments.suite)
    if arguments.command == "procedures" or "-m" in words:
        image.build(arguments.suite, image.MORE_PACKAGES)
    if arguments.command == "up":
        return session.up(arguments.suite)
    if arguments.command in _TESTS:
        from lab import tests

        return tests.run(arguments.suite, tests.WHICH[arguments.command], words)
    return namespace.enter(lambda: _demo(arguments.suite))


def _demo(suite: str) -> int:
    from lab import demo

    return demo.run(suite)


def _bench(arguments: argparse.Namespace) -> int:
    from lab.bench import run

    return run.run(arguments.suite, arguments.part)


if __name__ == "__main__":
    sys.exit(main())
