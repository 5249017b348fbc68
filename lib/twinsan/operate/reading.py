# SPDX-License-Identifier: GPL-2.0-or-later
"""Read the site file of a command, and print its mistakes."""

from __future__ import annotations

import json
import sys

from twinsan.errors import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.mistakes import Mistake
    from twinsan.site.model import Site

# As for a wrong command line: what was given has to be changed.
WRONG = 2


def site(site_file: str, *, as_json: bool = False) -> Site | None:
    """Return the site of a file; None if it cannot be read or has mistakes, which are printed."""
    from twinsan.site import reader

    try:
        found, mistakes = reader.load(site_file)
    except Failure as failure:
        print(f"twinsan: {failure}", file=sys.stderr)
        return None
    if found is None:
        _print_mistakes(site_file, mistakes, as_json=as_json)
    return found


def _print_mistakes(site_file: str, mistakes: list[Mistake], *, as_json: bool) -> None:
    if as_json:
        listed = [{"line": each.line, "key": each.key, "what": each.what, "remedy": each.remedy} for each in mistakes]
        print(json.dumps({"mistakes": listed}, indent=2))
        return
    for each in mistakes:
        print(f"{site_file}:{each.line}: {each}", file=sys.stderr)
    number = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    print(f"twinsan: {number} in {site_file}; nothing was written", file=sys.stderr)
