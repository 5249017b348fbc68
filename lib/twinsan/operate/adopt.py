# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan adopt``: from what serves today to a site file."""

from __future__ import annotations

import json
import os
import sys

from twinsan.cluster import cib as live_cib
from twinsan.deadline import Deadline
from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.operate import packages
from twinsan.operate.adoption import here, pair, report, saveconfig, server, site_file, takeover
from twinsan.operate.adoption.cib import Cib
from twinsan.operate.reading import WRONG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.operate.adoption.found import Found
    from twinsan.operate.adoption.takeover import Step
    from twinsan.site.mistakes import Mistake
    from twinsan.site.model import Site

_COROSYNC = "/etc/corosync/corosync.conf"

# The name of a site file that is printed, in the steps.
_UNNAMED = "SITE.toml"

# More than any configuration has.
_LARGEST = 16 << 20

# The time for all programs that are asked.
_SECONDS = 30.0

NO_CLUSTER = Reason(
    Misconfigured,
    "the cluster does not tell its configuration ({failure})",
    "type this as root on a node of it that runs, or name a file that has it: --cib FILE",
)
NO_FILE = Reason(Misconfigured, "{name} cannot be read: {error}", "name the file that has it")
TOO_LARGE = Reason(Misconfigured, "{name} has more than {most} bytes", "name the file that has the configuration")
EXISTS = Reason(Misconfigured, "{name} exists, and nothing is written over it", "name another file, or move that one")
NOT_WRITTEN = Reason(Failure, "{name} cannot be written: {error}", "name another file")
NO_SAVECONFIG = Reason(
    Misconfigured, f"there is neither {' nor '.join(saveconfig.PLACES)}", "name the file: --saveconfig FILE"
)


def adopt(
    *, cib: str | None, saved: str | None, drbd: str | None, corosync: str | None, output: str | None, as_json: bool
) -> int:
    """Print the site file of what serves, or write it into the file `output`; and report what that means. `cib`,
    `saved`, `drbd` and `corosync` are files with what is otherwise asked of this node; "" for `saved` is the usual
    place. Returns the exit status: 1 if the site file is not complete, 2 for a file that is not what it should be.
    """
    packages.find()
    try:
        if output is not None and os.path.lexists(output):
            raise EXISTS(name=output)
        found, steps_of = _read(cib, saved, _known(cib, saved, drbd, corosync))
        text = site_file.text(found)
        from twinsan.site import reader

        site, mistakes = reader.parse(text.encode())
        steps = steps_of(found, output or _UNNAMED, site)
        if output is not None:
            _write(output, text)
    except Misconfigured as failure:
        print(f"twinsan: {report.plain(str(failure))}", file=sys.stderr)
        return WRONG
    _print(found, text, mistakes, steps, written=output is not None, as_json=as_json)
    return 0 if site is not None and not found.notes.lost else 1


def _known(cib: str | None, saved: str | None, drbd: str | None, corosync: str | None) -> pair.Sources:
    """What is known beside the configuration. Nothing is asked of this node if the configuration is that of a file."""
    known = pair.Sources()
    if cib is None and not saved:
        deadline = Deadline(_SECONDS)
        known.drbd = here.drbd_dump(deadline) if drbd is None else ""
        known.interfaces = tuple(here.networks(deadline))
        known.confirm = here.confirm
        if corosync is None and os.path.exists(_COROSYNC):
            corosync = _COROSYNC
    if drbd is not None:
        known.drbd, known.drbd_name = _text(drbd), drbd
    if corosync is not None:
        known.corosync = _text(corosync)
    return known


def _read(
    cib: str | None, saved: str | None, known: pair.Sources
) -> tuple[Found, Callable[[Found, str, Site | None], list[Step]]]:
    """Return what serves, and what makes the steps of it."""
    if saved is not None:
        name = saved or next((place for place in saveconfig.PLACES if os.path.exists(place)), "")
        if not name:
            raise NO_SAVECONFIG()  # noqa: RSE102  a Reason, which makes the exception
        found = server.read(_text(name), name, known)
        return found, lambda found, output, _site: server.steps(found, output, name)
    source = "the running cluster" if cib is None else cib
    text = _running() if cib is None else _text(cib)
    found, old = pair.read(Cib(text, source), source, known)
    return found, lambda found, output, site: takeover.steps(found, old, output, site)


def _running() -> str:
    """The configuration of the running cluster."""
    try:
        return live_cib.query(Deadline(_SECONDS))
    except Failure as failure:
        raise NO_CLUSTER(failure=failure) from None


def _text(name: str) -> str:
    try:
        with open(name, "rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise NO_FILE(name=name, error=getattr(error, "strerror", None) or error) from None
    if len(content) > _LARGEST:
        raise TOO_LARGE(name=name, most=_LARGEST)
    return content.decode(errors="replace")


def _write(name: str, text: str) -> None:
    """Write a file that does not exist."""
    try:
        with open(name, "x", encoding="ascii") as file:
            file.write(text)
    except FileExistsError:
        raise EXISTS(name=name) from None
    except (OSError, ValueError) as error:
        raise NOT_WRITTEN(name=name, error=getattr(error, "strerror", None) or error) from None


def _print(
    found: Found, text: str, mistakes: list[Mistake], steps: list[Step], *, written: bool, as_json: bool
) -> None:
    if as_json:
        print(json.dumps({"site": text, **report.as_json(found.notes, mistakes, steps)}, indent=2))
        return
    if not written:
        # The report beside it, so that the site file can be redirected.
        sys.stdout.write(text)
        sys.stdout.flush()
    print(report.text(found.notes, mistakes, steps), file=sys.stdout if written else sys.stderr)
