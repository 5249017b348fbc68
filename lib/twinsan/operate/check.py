# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan check``: find what is wrong with a pair before it matters."""

from __future__ import annotations

import json
import sys

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.operate import packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.checks.report import Report

# As for a wrong command line: what was given has to be changed.
WRONG = 2

# More than any cluster has.
_LARGEST = 16 << 20
_SECONDS_FOR_FILE = 30.0

# For the pair, all together: what has not answered by then was not seen. The answer takes a moment more.
SECONDS = 4.0

NO_FILE = Reason(Failure, "{name} cannot be read: {error}", "name a site file, or what cibadmin --query has printed")
MISTAKES = Reason(Failure, "{name} has mistakes:\n{mistakes}")
TOO_LARGE = Reason(
    Failure, "{name} has more than {most} bytes", "name a site file, or what cibadmin --query has printed"
)


def check(name: str | None, *, as_json: bool, most: float | None = None) -> int:
    """Check the file `name`, or the pair for None, within `most` seconds. Returns the exit status: by the worst
    finding, 2 for a file that is wrong by itself.
    """
    # Before the imports, which count as well.
    deadline = Deadline(most or (SECONDS if name is None else _SECONDS_FOR_FILE))
    try:
        report = _of_pair(deadline) if name is None else _of_file(name, deadline)
    except Failure as failure:
        print(f"twinsan: {failure}", file=sys.stderr)
        return WRONG
    print(json.dumps(report.json(), indent=2) if as_json else report.text(name or "the pair"))
    return report.status


def facts(most: float | None = None) -> int:
    """Print what this node sees of itself, for the other node. Returns the exit status."""
    deadline = Deadline(most or SECONDS)
    from twinsan.operate.checks import live

    print(live.facts_as_json(deadline))
    return 0


def _of_pair(deadline: Deadline) -> Report:
    from twinsan.operate.checks import live

    return live.check(deadline)


def _of_file(name: str, deadline: Deadline) -> Report:
    """Raises Failure, with all mistakes of a site file."""
    packages.find()
    from twinsan.operate.checks import cluster, site_file
    from twinsan.operate.checks.configuration import Configuration
    from twinsan.site import reader

    content = _content(name)
    if not name.endswith(".toml"):
        return cluster.check(Configuration.read(content, name), deadline)
    site, mistakes = reader.parse(content)
    if site is None:
        raise MISTAKES(mistakes="\n".join(f"{name}:{each.line}: {each}" for each in mistakes), name=name)
    return site_file.check(site, deadline)


def _content(name: str) -> bytes:
    try:
        with open(name, "rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise NO_FILE(name=name, error=getattr(error, "strerror", None) or error) from None
    if len(content) > _LARGEST:
        raise TOO_LARGE(name=name, most=_LARGEST)
    return content
