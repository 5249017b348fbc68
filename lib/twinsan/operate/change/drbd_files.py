# SPDX-License-Identifier: GPL-2.0-or-later
"""Put the resource files of DRBD in place on this node, where that changes neither a disk nor who is who."""

from __future__ import annotations

import os
import re

from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.host import command, durable_file
from twinsan.operate.change import node_files
from twinsan.site import drbd, settings
from twinsan.site.draft import HIDDEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.operate.change.node_files import File

UNUSABLE = Reason(
    Failure, "DRBD does not take the new {place}: {complaint}", "see: twinsan render SITE --output FOLDER"
)
CHANGED = Reason(
    Failure, "{place} has changed meanwhile, so it stays as it is", "look at it, then type twinsan apply again"
)

_BY_HAND = (
    "{place} is not changed: it differs in a disk, a device or an address; change it by hand, on both nodes, then "
    "type, on both: drbdadm adjust {name}"
)
_OPEN = "{place} is not changed: the file that is there has no secret; see the head of the new one"
_STRANGE = (
    "{place} is not changed: its secret has characters beyond ASCII, which could become others; change it by hand, on "
    "both nodes, then type, on both: drbdadm adjust {name}"
)
_ELSEWHERE = "{place} is not changed: change it by hand, on both nodes; then type, on one: corosync-cfgtool -R"
_SBD = "{place} is not changed: change it by hand, on both nodes; SBD reads it when the cluster starts"
_NEXT = (
    "{place} is the site's now. On the other node: scp -p {place} {other}:{place}. Then, on both: drbdadm adjust {name}"
)

# The secret in a file, or in a command of drbdsetup.
_SECRET = re.compile(rf'({settings.SECRET}(?:=|\s+))(?:"(?:[^"\\]|\\.)*"|(?:[^\s;"\\]|\\.)+)')


class Ready:
    """A file of DRBD that was tried and can be put in place."""

    __slots__ = ("file", "text")

    def __init__(self, file: File, text: str) -> None:
        self.file = file
        self.text = text


def prepare(files: list[File], folder: str, deadline: Deadline, tell: Callable[[str], None]) -> list[Ready]:
    """Return the files that can be put in place, and tell of the others what to do. What DRBD would do with each is
    shown. Raises Failure if DRBD does not take one.
    """
    found = []
    for file in files:
        if file.resource is None:
            is_sbd = any(file.place.endswith(each) for each in node_files.SBD)
            tell((_SBD if is_sbd else _ELSEWHERE).format(place=file.place))
            continue
        secret = settings.secret(file.present)
        if not file.changes or file.touches_volumes:
            tell(_BY_HAND.format(place=file.place, name=file.resource.name))
        elif not secret or secret == drbd.NO_SECRET:
            tell(_OPEN.format(place=file.place))
        elif not secret.isascii():
            tell(_STRANGE.format(place=file.place, name=file.resource.name))
        else:
            found.append(_tried(Ready(file, drbd.with_secret(file.wanted, secret)), folder, deadline, tell))
    return found


def install(ready: list[Ready], tell: Callable[[str], None], other: str) -> None:
    """Put the files in place, each at once. `other` is the name of the other node. Raises Failure if somebody has
    changed one since it was compared.
    """
    for each in ready:
        file = each.file
        if _read(file.place) != file.present:
            raise CHANGED(place=file.place)
        durable_file.write(file.place, each.text)
        name = file.resource.name if file.resource else ""
        tell(_NEXT.format(place=file.place, other=other, name=name))


def _tried(ready: Ready, folder: str, deadline: Deadline, tell: Callable[[str], None]) -> Ready:
    """Let DRBD read the new file in place of the old one, and show what it would do."""
    file = ready.file
    assert file.resource is not None
    name = os.path.join(folder, os.path.basename(file.place))
    with open(name, "w", encoding="utf-8") as new:
        new.write(ready.text)
    others = os.path.dirname(file.place)
    listed = [os.path.join(others, each) for each in sorted(os.listdir(others)) if each.endswith((".res", ".conf"))]
    main = os.path.join(folder, "drbd.conf")
    with open(main, "w", encoding="utf-8") as conf:
        conf.writelines(f'include "{name if each == file.place else each}";\n' for each in listed)
    dumped = command.run("drbdadm", "--config-file", main, "dump", file.resource.name, deadline=deadline, check=False)
    if not dumped.ok:
        raise UNUSABLE(place=file.place, complaint=_without_secret(dumped.complaint))
    words = ("drbdadm", "--config-file", main, "--dry-run", "adjust", file.resource.name)
    try:
        would = command.run(*words, deadline=deadline, check=False)
        shown = would.stdout.strip() or (would.complaint if not would.ok else "nothing")
    except DeadlinePassed as passed:
        shown = str(passed)
    tell(f"{file.place} can be changed. After that, drbdadm adjust {file.resource.name} would do:")
    for line in _without_secret(shown).splitlines():
        tell(f"  {line}")
    return ready


def _without_secret(text: str) -> str:
    """What drbdadm says, without the secret: it is in each command that sets the options of a connection."""
    return _SECRET.sub(rf"\1{HIDDEN}", text)


def _read(place: str) -> str:
    try:
        with open(place, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
