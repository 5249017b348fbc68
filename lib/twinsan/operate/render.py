# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan render``: make of a site file all that the pair needs."""

from __future__ import annotations

import json
import sys

from twinsan.errors import Failure, Reason
from twinsan.operate import packages, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.files import File
    from twinsan.site.mistakes import Mistake

# As for a wrong command line: what was given has to be changed.
WRONG = 2

NO_SUCH_FILE = Reason(Failure, "{name} is none of the files of a site", "those that there are: {names}")

_HEADINGS = ("FILE", "LINES", "WHAT FOR")


def render(site_file: str, *, output: str | None, only: str | None, as_json: bool) -> int:
    """Write the files of a site into the folder `output`, print the one named `only`, or list them all. Returns the
    exit status: 2 if the site file has mistakes, which are printed. Nothing is written then.
    """
    packages.find()
    from twinsan.site import files, folder, reader

    try:
        site, mistakes = reader.load(site_file)
        if site is None:
            _print_mistakes(site_file, mistakes, as_json=as_json)
            return WRONG
        made = files.of(site)
        if only is not None:
            made = [file for file in made if file.name == only]
            if not made:
                raise NO_SUCH_FILE(name=ascii(only), names=" ".join(file.name for file in files.of(site)))
        if output is not None:
            folder.write(output, made)
    except Failure as failure:
        print(f"twinsan: {failure}", file=sys.stderr)
        return WRONG
    if as_json:
        print(json.dumps({"files": [_json(file) for file in made]}, indent=2))
    elif only is not None and output is None:
        sys.stdout.write(made[0].text)
    else:
        print(table.text(_HEADINGS, ((file.name, str(file.text.count("\n")), file.purpose) for file in made)))
    return 0


def _print_mistakes(site_file: str, mistakes: list[Mistake], *, as_json: bool) -> None:
    if as_json:
        listed = [{"line": each.line, "key": each.key, "what": each.what, "remedy": each.remedy} for each in mistakes]
        print(json.dumps({"mistakes": listed}, indent=2))
        return
    for each in mistakes:
        print(f"{site_file}:{each.line}: {each}", file=sys.stderr)
    number = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
    print(f"twinsan: {number} in {site_file}; nothing was written", file=sys.stderr)


def _json(file: File) -> dict[str, str]:
    """The JSON for programs: its names never change."""
    return {"name": file.name, "purpose": file.purpose, "text": file.text}
