# SPDX-License-Identifier: GPL-2.0-or-later
"""LIO as a whole on this host: its modules, its tree, its folder for reservations, its lock.

The agents write configfs themselves and do not use rtslib. So every step is one mkdir, symlink or write whose errno
says what was wrong, which rtslib swallows. The order of the steps is ours (attributes before a LUN is visible), a
half-made object can be repaired, nothing is chosen at random, and no reservation comes back from an old file. Importing
rtslib alone (pyudev, a udev context) takes longer than all that is done here. `targetcli ls` shows the agents' objects
like its own.
"""

from __future__ import annotations

import errno
import os

from twinsan.errors import NotInstalled, Passing, Reason
from twinsan.host import command, lock
from twinsan.lio import configfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from twinsan.deadline import Deadline

    Result = TypeVar("Result")

# The lock to hold while changing LIO's tree; see lock.Held. A stop waits for it no longer than this: the objects that
# it removes have names that nobody else uses, and waiting for a start that hangs would fence the node.
LOCK = "lio"
_SECONDS_FOR_A_STOP = 2
_SECONDS_FOR_A_LOOK = 3

# How long a start waits for a transient obstacle: a device that udev or a backup has claimed, a portal of a target that
# is being stopped. A third of a start's 60 s: if it does not pass, the rest is left for the other node.
SECONDS_FOR_WHAT_PASSES = 20

# What a target and its LUNs need. The target's start loads all, so that a missing one is found before a failover.
_MODULES = ("target_core_mod", "iscsi_target_mod", "target_core_iblock")

_loaded_modules = "/sys/module"

BUSY = Reason(Passing, "LIO is busy: {error}", "see 'dmesg'")
NO_MODULE = Reason(
    NotInstalled,
    "kernel module {module} cannot be loaded",
    "see 'dmesg', or install this kernel's package of extra modules: {error}",
)
NO_TREE = Reason(NotInstalled, f"{configfs.root} does not appear although the modules of LIO are loaded", "see 'dmesg'")


def prepare(deadline: Deadline) -> None:
    """Load the kernel modules, mount configfs, and make the folders for reservations and ALUA. If all is there, this
    costs a few reads. Raises NotInstalled if a module cannot be loaded.
    """
    for module in _MODULES:
        if not os.path.isdir(f"{_loaded_modules}/{module}"):
            _load(module, deadline)
    if not configfs.available():
        _mount(deadline)
    _make_reservation_folders()


def change(work: Callable[[], Result], deadline: Deadline, note: Callable[[str], None]) -> Result:
    """Return the result of `work`, called with the lock of LIO's tree held. While it raises Passing or the kernel is
    busy, it is called again, for up to SECONDS_FOR_WHAT_PASSES; then its last failure is raised. `note` is called once
    with what is waited for.
    """

    def attempt() -> Result:
        with lock.Held(LOCK, deadline):
            try:
                return work()
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.EAGAIN):
                    raise
                raise BUSY(error=error) from None

    return deadline.within(SECONDS_FOR_WHAT_PASSES).retry(attempt, note)


def take_away(work: Callable[[], None], deadline: Deadline, note: Callable[[str], None]) -> None:
    """Do the `work` of a stop with the lock of LIO's tree; if it is not free within 2 s, call `note` and go on without
    the lock.
    """
    with lock.BestEffort(LOCK, deadline.within(_SECONDS_FOR_A_STOP), note):
        work()


def look_between_changes(look: Callable[[], Result], deadline: Deadline) -> Result:
    """Return the result of `look`, called while nobody changes LIO's tree, so that it sees no half-done change. A
    change that takes longer than 3 s is not waited for.
    """
    with lock.BestEffort(LOCK, deadline.within(_SECONDS_FOR_A_LOOK), lambda _why: None):
        return look()


def _load(module: str, deadline: Deadline) -> None:
    result = command.run("modprobe", module, deadline=deadline, check=False)
    if result.status != 0:
        raise NO_MODULE(module=module, error=result.stderr.strip() or "modprobe gave no reason")


def _mount(deadline: Deadline) -> None:
    """Mount configfs. LIO's directory appears when its core is loaded or configfs is mounted, whichever is later."""
    place = os.path.dirname(configfs.root)
    if not os.path.ismount(place):
        command.run("mount", "-t", "configfs", "configfs", place, deadline=deadline)
    if not configfs.available():
        raise NO_TREE()  # noqa: RSE102  a Reason, which makes the exception


def _make_reservation_folders() -> None:
    """Make the folders that the kernel writes persistent reservations and ALUA states to.

    Without the first it fails PERSISTENT RESERVE OUT with NOT READY, although it has recorded the registration. No
    package makes it. Only the kernel knows its path: distributions patch it, and the order of modules changes it.
    """
    base = configfs.read(configfs.place("dbroot")) or "/var/target"
    for name in ("pr", "alua"):
        os.makedirs(f"{base}/{name}", mode=0o700, exist_ok=True)
