# SPDX-License-Identifier: GPL-2.0-or-later
"""The files of this node that a site has another text for: DRBD's, corosync's, and SBD's."""

from __future__ import annotations

import os

from twinsan.drbd import setup
from twinsan.errors import DeadlinePassed, NotInstalled
from twinsan.host import command
from twinsan.operate.change import leftovers
from twinsan.site import corosync, drbd, model, sbd, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from twinsan.deadline import Deadline
    from twinsan.site.draft import Change
    from twinsan.site.model import Resource, Site

DRBD_FOLDER = "/etc/drbd.d"
COROSYNC = "/etc/corosync/corosync.conf"
# Where distributions have it.
SBD = ("/etc/sysconfig/sbd", "/etc/default/sbd")

# What belongs to a volume, or to a node's place: a change of it is a change of disks or of who is who.
_OF_VOLUMES = (" / volume ", " / on ")


class File:
    """A file at `place` that differs, and how: its `changes`. `wanted` is its text as the site has it, `present` as it
    is; `what` says in words what is so. `resource` is that of DRBD, None for other files.
    """

    __slots__ = ("changes", "place", "present", "resource", "wanted", "what")

    def __init__(
        self,
        place: str,
        what: str,
        changes: list[Change],
        wanted: str = "",
        resource: Resource | None = None,
        present: str = "",
    ) -> None:
        self.place = place
        self.what = what
        self.changes = changes
        self.wanted = wanted
        self.resource = resource
        self.present = present

    @property
    def touches_volumes(self) -> bool:
        """Whether it differs in a disk, a device or an address."""
        return any(part in f"{change.attribute} / " for change in self.changes for part in _OF_VOLUMES)

    def rows(self) -> Iterator[str]:
        """The changes, a line each."""
        for change in self.changes:
            value = f"{change.old} -> {change.new}" if change.sign == "~" else change.new or change.old or ""
            yield f"{change.sign} {change.attribute}  {value}".rstrip()


def differing(site: Site, deadline: Deadline, root: str = "") -> list[File]:
    """Return the files that differ. `root` is the folder that stands for /, for tests."""
    return [*_of_drbd(site, deadline, root), *_others(site, root)]


def left(site: Site, root: str = "") -> list[str]:
    """Return what DRBD's files have that the site has no more: what to know of each volume."""
    notes = []
    for resource in site.resources:
        place, text = find(resource, drbd_files(root), root)
        notes += [leftovers.note(resource, volume, place) for volume in leftovers.of(resource, site, text)]
    return notes


def find(resource: Resource, present: dict[str, str], root: str = "") -> tuple[str, str]:
    """Return the place and the text of the file that has a resource, of those in the folder; if none has, the place
    where it belongs, and "".
    """
    head = f"resource {resource.name}"
    own = f"{root}{DRBD_FOLDER}/{resource.name}.res"
    return next(((name, text) for name, text in present.items() if head in settings.of_drbd(text)), (own, ""))


def _of_drbd(site: Site, deadline: Deadline, root: str) -> Iterator[File]:
    present = drbd_files(root)
    for resource in site.resources:
        place, text = find(resource, present, root)
        new = drbd.text(leftovers.kept(resource, site, text), site, _version(text, deadline))
        changes = settings.differences(place, text, new, settings.of_drbd)
        if not text:
            yield File(place, "there is no such file, and no other one with the resource", [], new, resource)
        elif changes:
            yield File(place, "differs from the site", changes, new, resource, text)


def drbd_files(root: str = "") -> dict[str, str]:
    """Return the texts of DRBD's files of resources, by their places."""
    try:
        names = sorted(os.listdir(root + DRBD_FOLDER))
    except OSError:
        return {}
    found = {}
    for name in names:
        if name.endswith(".res"):
            place = f"{root}{DRBD_FOLDER}/{name}"
            found[place] = _read(place)
    return found


def _version(text: str, deadline: Deadline) -> str:
    """The version of DRBD that this node has: of the module, or else of the file that is there, or of the tools."""
    loaded = setup.version()
    if not loaded and text:
        return "9" if "node-id" in text else "8.4"
    if not loaded:
        try:
            told = command.run("modinfo", "--field", "version", "drbd", deadline=deadline, check=False).stdout.strip()
        except (NotInstalled, DeadlinePassed):
            told = ""
        loaded = told or "9"
    return "8.4" if loaded.startswith("8.") else "9"


def _others(site: Site, root: str) -> Iterator[File]:
    yield from _compared(root + COROSYNC, corosync.text(site), settings.of_corosync)
    if site.fencing.by != model.IPMI:
        place = next((root + each for each in SBD if os.path.exists(root + each)), root + SBD[0])
        yield from _compared(place, sbd.text(site), settings.of_sbd)


def _compared(place: str, wanted: str, read: Callable[[str], dict[str, str]]) -> Iterator[File]:
    if not os.path.exists(place):
        yield File(place, "there is no such file", [], wanted)
        return
    changes = settings.differences(place, _read(place), wanted, read)
    if changes:
        yield File(place, "differs from the site", changes, wanted)


def _read(place: str) -> str:
    with open(place, encoding="utf-8", errors="replace") as file:
        return file.read()
