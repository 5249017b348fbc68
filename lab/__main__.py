# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's command: ``python3 -m lab demo | bench | test | soak | up | down``."""

from __future__ import annotations

import argparse
import os
import sys

from lab import image, kernel, namespace, session
from lab.errors import LabError


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
        "run tests/cluster, without those marked soak; further words go to pytest: -m soak -k NAME runs a marked one,"
        " -m '' takes both kinds"
    )
    commands.add_parser("test", help=test, add_help=False)
    soak = "run the tests that repeat for their statistics or wait for minutes, and print their counts"
    commands.add_parser("soak", help=soak, add_help=False)
    commands.add_parser("up", help="start a pair and leave it running: lab/ssh atlas")
    commands.add_parser("down", help="stop that pair")
    arguments, words = parser.parse_known_args()
    if words and arguments.command not in ("test", "soak"):
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
        from lab.bench import data_path

        image.build(arguments.suite, data_path.PACKAGES, kernel.chosen_with_iptables())
        return namespace.enter(lambda: _bench(arguments))
    image.build(arguments.suite)
    if arguments.command == "soak" or "-m" in words:
        from lab import bare

        image.build(arguments.suite, bare.PACKAGES)
        image.build(arguments.suite, (), kernel.chosen_with_iptables())
    if arguments.command == "up":
        return session.up(arguments.suite)
    if arguments.command in ("test", "soak"):
        from lab import tests

        return tests.run(arguments.suite, tests.SOAK if arguments.command == "soak" else tests.TEST, words)
    return namespace.enter(lambda: _demo(arguments.suite))


def _demo(suite: str) -> int:
    from lab import demo

    return demo.run(suite)


def _bench(arguments: argparse.Namespace) -> int:
    from lab.bench import run

    return run.run(arguments.suite, arguments.part)


if __name__ == "__main__":
    sys.exit(main())
