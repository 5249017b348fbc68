# SPDX-License-Identifier: GPL-2.0-or-later
"""Make new volumes of resources that serve.

Without data, a volume is a reason for the monitor of the Primary to fail, and for the cluster to stop the SAN: so the
cluster is in maintenance mode from the moment in which DRBD gets the volume until it has data. If a step fails between,
the volume is taken back before that ends.
"""

from __future__ import annotations

import contextlib
import signal
import time

from twinsan.deadline import Deadline
from twinsan.drbd import setup
from twinsan.errors import Failure, Reason
from twinsan.host import lock
from twinsan.operate.change import addition_checks, additions, maintenance, new_volume_steps, settling, volumes
from twinsan.operate.setting_up import nodes, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from twinsan.operate.change.additions import Additions
    from twinsan.operate.remote import Node
    from twinsan.site.model import Site

# Another one that has begun at the same time ends in this time.
_SECONDS_FOR_LOCK = 1.0
_SECONDS_FOR_CLUSTER = 120.0
_SECONDS_TO_SETTLE = 60.0

NOT_QUIET = Reason(
    Failure, "the cluster is at work, so no volume is made now: {doing}", "see: crm_mon -1; then type this again"
)
NOT_SETTLED = Reason(
    Failure, "the volume is made, and the cluster is still at work: {doing}", "when it has settled, type this again"
)
WITHOUT_DATA = Reason(
    Failure,
    "maintenance mode stays on: {resource}/{number} has no data, so the cluster would stop the SAN",
    "apply the site with the LUN that it is for; or, on both nodes: drbdsetup detach {minor}; drbdsetup del-minor "
    "{minor}; then type this again",
)
STAYS = Reason(
    Failure,
    "maintenance mode stays on: {volumes} on {node} has no data, so the cluster would stop the SAN",
    "type this again; or, by hand, there: drbdsetup detach {minor}; drbdsetup del-minor {minor}; then "
    f"{maintenance.END}",
)
NOT_TAKEN_BACK = Reason(
    Failure,
    "maintenance mode stays on: whether {volumes} would stop the SAN is not known",
    f"type this again; or, when all volumes are UpToDate: {maintenance.END}",
)
NOT_ENDED = Reason(Failure, "maintenance mode could not be ended: {failure}", f"type: {maintenance.END}")


def make(found: Additions, folder: str, tell: Callable[[str], None]) -> None:
    """Make the volumes, on both nodes. `folder` is one that only this user can read. Raises Failure; what was begun is
    gone on with when the command is typed again.
    """
    with lock.Held("new-volume", Deadline(_SECONDS_FOR_LOCK)):
        addition_checks.ask_again(found)
        _require_quiet(tell)
        files = new_volume_steps.Files(found)
        wipe = new_volume_steps.Wipe(found)
        prepare: list[steps.Step] = [] if wipe.is_done() else [wipe]
        try:
            steps.carry_out([*prepare, new_volume_steps.Read(found), files, new_volume_steps.Metadata(found)], tell)
        except BaseException:
            # With the volume in its file, DRBD would get it with the next start of the resource, without data.
            files.put_back()
            raise
        with _uninterrupted(tell) as say:
            _in_maintenance(found, files, folder, say)
        for each in found.new:
            additions.note(each).forget()


def end_maintenance(site: Site, folder: str, tell: Callable[[str], None]) -> None:
    """End a maintenance mode that an interrupted command has left, and wait until the cluster has settled. Raises
    Failure if a volume without data would stop the SAN then.
    """
    for resource in site.resources:
        replica = setup.query(resource.name, Deadline(_SECONDS_FOR_CLUSTER))
        for volume in replica.volumes if replica is not None else ():
            if replica is not None and not volumes.has_data(replica, volume.number):
                raise WITHOUT_DATA(resource=resource.name, number=volume.number, minor=volume.minor)
    maintenance.end(folder, Deadline(_SECONDS_FOR_CLUSTER))
    tell("maintenance mode has ended")
    settling.wait(_SECONDS_TO_SETTLE, tell)


def _require_quiet(tell: Callable[[str], None]) -> None:
    doing = settling.wait(_SECONDS_TO_SETTLE, tell)
    if doing:
        raise NOT_QUIET(doing=doing)


def _in_maintenance(found: Additions, files: new_volume_steps.Files, folder: str, tell: Callable[[str], None]) -> None:
    begin = time.monotonic()
    ours = maintenance.begin(folder, Deadline(_SECONDS_FOR_CLUSTER))
    left = ""
    try:
        tell("The cluster is in maintenance mode.")
        # A monitor that has begun before would still be heard.
        _require_quiet(tell)
        to_do = (new_volume_steps.Connect, new_volume_steps.FirstData, new_volume_steps.Promote)
        steps.carry_out([step(found) for step in to_do], tell)
    except BaseException:
        # If what follows fails as well, this is what is so.
        left = NOT_TAKEN_BACK.text(volumes=" ".join(each.name for each in found.new))
        left = _take_back(found, files, tell)
        raise
    finally:
        if left:
            tell(left)
        elif ours:
            _end(folder, tell)
            tell(f"Maintenance mode has ended, after {time.monotonic() - begin:.0f} s.")
    doing = settling.wait(_SECONDS_TO_SETTLE, tell)
    if doing:
        raise NOT_SETTLED(doing=doing)


def _end(folder: str, tell: Callable[[str], None]) -> None:
    try:
        maintenance.end(folder, Deadline(_SECONDS_FOR_CLUSTER))
    except (Failure, OSError) as failure:
        tell(NOT_ENDED.text(failure=failure))
        raise


def _take_back(found: Additions, files: new_volume_steps.Files, tell: Callable[[str], None]) -> str:
    """Take volumes without data from DRBD again, and put its files back. Returns why the cluster must not look at the
    resource yet; "" if it may.
    """
    stays, kept = "", False
    for node in found.pair.nodes:
        for each in found.new:
            try:
                kept = not _taken_back(node, each) or kept
            except (Failure, OSError) as failure:
                tell(f"{node.name}: {failure}")
                kept = True
                if _serves(found, node, each):
                    stays = STAYS.text(volumes=each.name, node=node.name, minor=each.volume.minor)
    if not kept:
        tell("A step failed: DRBD does not have the new volumes any more, and the SAN is as before.")
        try:
            files.put_back()
        except (Failure, OSError) as failure:
            tell(str(failure))
    return stays


def _taken_back(node: Node, each: volumes.New) -> bool:
    """Take a volume from a node if it has no data. Returns whether the node does not have it now."""
    replica = nodes.replica(node, each.resource.name)
    if replica is None or all(one.number != each.volume.number for one in replica.volumes):
        return True
    if volumes.has_data(replica, each.volume.number):
        return False
    minor = str(each.volume.minor)
    nodes.run(node, "drbdsetup", "detach", minor, check=False)
    nodes.run(node, "drbdsetup", "del-minor", minor)
    return True


def _serves(found: Additions, node: Node, each: volumes.New) -> bool:
    """Whether a node is Primary, as far as DRBD of this one knows. If the Primary is gone, the cluster has to act."""
    if each.resource.name not in found.primary or node is not found.leaders[each.resource.name]:
        return False
    if node.is_here:
        return True
    try:
        replica = nodes.replica(found.pair.here, each.resource.name)
    except (Failure, OSError):
        return False
    return replica is not None and any(one.connected and one.role == "Primary" for one in replica.connections)


@contextlib.contextmanager
def _uninterrupted(tell: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Let no signal end what must not be left half done, such as that of a terminal that is gone; the command ends
    after it. Gives a way to tell that does not fail if nobody can read it any more.
    """
    caught: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        caught.append(number)

    def say(text: str) -> None:
        with contextlib.suppress(OSError):
            tell(text)

    before = {each: signal.signal(each, remember) for each in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)}
    try:
        yield say
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    if caught:
        raise KeyboardInterrupt
