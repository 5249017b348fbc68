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

NO_FILE = Reason(Failure, "{name} cannot be read: {error}", "name a site file, or what cibadmin --query has printed")
TOO_LARGE = Reason(
    Failure, "{name} has more than {most} bytes", "name a site file, or what cibadmin --query has printed"
)


def check(name: str, *, as_json: bool) -> int:
    """Check the file `name`. Returns the exit status: by the worst finding, 2 for a file that is wrong by itself."""
    packages.find()
    try:
        report = _of_file(name, Deadline(_SECONDS_FOR_FILE))
    except Failure as failure:
        print(f"twinsan: {failure}", file=sys.stderr)
        return WRONG
    print(json.dumps(report.json(), indent=2) if as_json else report.text(name))
    return report.status


def _of_file(name: str, deadline: Deadline) -> Report:
    from twinsan.operate.checks import cluster
    from twinsan.operate.checks.configuration import Configuration

    return cluster.check(Configuration.read(_content(name), name), deadline)


def _content(name: str) -> bytes:
    try:
        with open(name, "rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise NO_FILE(name=name, error=getattr(error, "strerror", None) or error) from None
    if len(content) > _LARGEST:
        raise TOO_LARGE(name=name, most=_LARGEST)
    return content
