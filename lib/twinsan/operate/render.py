# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan render``: make of a site file all that the pair needs."""

from __future__ import annotations

import json
import sys

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.operate import packages, reading, table
from twinsan.operate.reading import WRONG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.files import File

# Something differs. 1 is for a failure.
DIFFERS = 3

# For the cluster's answer, and two plans of its scheduler.
_SECONDS = 120.0

NO_SUCH_FILE = Reason(Failure, "{name} is none of the files of a site", "those that there are: {names}")

_HEADINGS = ("FILE", "LINES", "WHAT FOR")


def render(site_file: str, *, output: str | None, only: str | None, as_json: bool) -> int:
    """Write the files of a site into the folder `output`, print the one named `only`, or list them all. Returns the
    exit status: 2 if the site file has mistakes, which are printed. Nothing is written then.
    """
    packages.find()
    from twinsan.site import files, folder

    site = reading.site(site_file, as_json=as_json)
    if site is None:
        return WRONG
    try:
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


def diff(site_file: str, *, cib_file: str, as_json: bool) -> int:
    """Print what differs between a site and the running cluster, or the configuration in `cib_file`. Returns the exit
    status: 0 if nothing differs, 3 if something does, 2 if the site file has mistakes, which are printed. Raises
    Failure.
    """
    packages.find()
    from twinsan.host import private_folder
    from twinsan.operate.change import comparison, listing

    site = reading.site(site_file, as_json=as_json)
    if site is None:
        return WRONG
    with private_folder.made() as private:
        # The files of this node belong to the cluster that runs here.
        compared = comparison.make(site, private, Deadline(_SECONDS), cib_file=cib_file, with_files=not cib_file)
    print(json.dumps(listing.as_json(compared), indent=2) if as_json else listing.text(compared) or "nothing differs")
    return DIFFERS if compared.differs else 0


def _json(file: File) -> dict[str, str]:
    """The JSON for programs: its names never change."""
    return {"name": file.name, "purpose": file.purpose, "text": file.text}
