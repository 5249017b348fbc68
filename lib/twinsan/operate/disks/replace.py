# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan replace-disk``: another disk for the replica of this node, while the other node has all data."""

from __future__ import annotations

import sys

from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.errors import Failure, Misconfigured
from twinsan.host import lock
from twinsan.operate import question, reading
from twinsan.operate.disks import replacement, replacement_checks, replacement_steps, resync
from twinsan.operate.setting_up import disk_checks, steps
from twinsan.operate.setting_up.findings import Findings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.disks.replacement import Looked
    from twinsan.operate.setting_up.steps import Step

_SECONDS_FOR_LOCK = 1.0


class Options:
    """What was typed beside the site file and the name."""

    def __init__(
        self,
        *,
        overwrite: list[str] | None = None,
        detach: bool = False,
        even_if_serving: bool = False,
        wait: bool = True,
        dry_run: bool = False,
        yes: bool = False,
    ) -> None:
        self.overwrite = frozenset(overwrite or ())
        self.detach = detach
        self.even_if_serving = even_if_serving
        self.wait = wait
        self.dry_run = dry_run
        self.yes = yes


def replace(site_file: str, name: str, options: Options) -> int:
    """Give the replica of this name on this node the disk that the site file has. Returns the exit status: 2 for a file
    with mistakes and for what was typed, 1 if something is in the way. Raises Failure.
    """
    try:
        question.require_root()
        site = reading.site(site_file)
        if site is None:
            return reading.WRONG
        disk_checks.require_words(site, options.overwrite)
        with lock.Held("replace-disk", Deadline(_SECONDS_FOR_LOCK)):
            looked = replacement.look(site, name, options.overwrite)
            if options.detach:
                return _detach(looked, site_file, name, options)
            return _replace(looked, options)
    except Misconfigured as wrong:
        print(f"twinsan: {wrong}", file=sys.stderr)
        return reading.WRONG


def _replace(looked: Looked, options: Options) -> int:
    if looked.to_do:
        found = Findings()
        replacement_checks.check(looked, found, even_if_serving=options.even_if_serving)
        to_do = replacement_steps.of(looked)
        if not _begin(looked, found, _what(looked), to_do, options):
            return 1 if found.in_the_way else 0
        if not options.yes:
            _require_unchanged(looked)
        steps.carry_out(to_do, question.say)
    else:
        named = ", ".join(f"{looked.name_of(volume)} has {volume.disks[looked.here.name]}" for volume in looked.volumes)
        question.say(
            f"{named}, as the site file says: nothing to replace. To take a disk out that still works, type this with "
            "--detach first."
        )
    return _wait(looked, options)


def _detach(looked: Looked, site_file: str, name: str, options: Options) -> int:
    """Only let the disks go, so that they can be taken out."""
    found = Findings()
    to_do: list[Step] = [replacement_steps.Detach(looked, volume) for volume in looked.volumes]
    if not all(each.is_done() for each in to_do):
        replacement_checks.check_copy(looked, looked.volumes, found)
        replacement_checks.check_serving(looked, found, even_if_serving=options.even_if_serving)
    lost = " ".join(map(looked.name_of, looked.volumes))
    what = (
        f"{looked.here.name} lets the disk of {lost} go; the data is on {looked.other.name} alone until there is a new "
        "one."
    )
    if not _begin(looked, found, what, to_do, options):
        return 1 if found.in_the_way else 0
    steps.carry_out(to_do, question.say)
    question.say(f"The disk can be taken out. With the new one in place: twinsan replace-disk {site_file} {name}")
    return 0


def _begin(looked: Looked, found: Findings, what: str, to_do: list[Step], options: Options) -> bool:
    """Say what is in the way, or what will be done, and ask. Returns whether to go on."""
    if list(found):
        print(found.text(), flush=True)
    if found.in_the_way:
        print("twinsan: nothing was changed", file=sys.stderr)
        return False
    question.say(what)
    question.say(_interrupts(looked))
    for each in to_do:
        question.say(f"  {each.what}")
    if options.dry_run:
        return False
    question.ask(yes=options.yes)
    return True


def _what(looked: Looked) -> str:
    lines = [f"On {looked.here.name}:"]
    for volume in looked.to_do:
        disk = looked.disk(volume)
        name, size = looked.name_of(volume), disk_checks.in_words(disk.size)
        lines.append(f"  {name} ({volume.device}) gets the disk {disk.path}, {size}, and all its data")
    return "\n".join(lines)


def _interrupts(looked: Looked) -> str:
    if looked.state is None or not looked.state.primary:
        return (
            f"Interrupts nothing: {looked.other.name} has all data. {looked.here.name} cannot take over until it has "
            "them too."
        )
    return (
        f"Interrupts nothing, but {looked.here.name} serves: it reads and writes through {looked.other.name} until the "
        f"copy has ended. If {looked.other.name} or the link is lost before that, I/O of hosts waits."
    )


def _require_unchanged(looked: Looked) -> None:
    """Look at the disks again, before the first change: an answer may take hours. Raises Failure."""
    names = [looked.name_of(volume) for volume in looked.to_do]
    for name, volume in zip(names, looked.to_do):
        now = replacement.look(looked.site, name, looked.overwrite)
        if now.disk(volume) != looked.disk(volume) or now.condition(volume) != looked.condition(volume):
            raise disk_checks.CHANGED(path=looked.disk(volume).path, node=looked.here.name)


def _wait(looked: Looked, options: Options) -> int:
    numbers = [volume.number for volume in looked.volumes]
    copying = resync.progress(setup.query(looked.resource.name, Deadline(60)), numbers)
    if copying and (not options.wait or options.dry_run):
        question.say(f"The data is being copied ({copying}). Until that has ended, see: twinsan status")
        return 0
    if options.dry_run:
        return 0
    if copying:
        question.say("The data is being copied. To leave the command does not stop that (Ctrl-C).")
    try:
        resync.wait(looked.resource.name, numbers, looked.here.name, question.say)
    except Failure as failure:
        print(f"twinsan: {failure}", file=sys.stderr)
        return 1
    done = " ".join(map(looked.name_of, looked.volumes))
    question.say(f"{looked.here.name} has all data of {done}.")
    return 0
