# SPDX-License-Identifier: GPL-2.0-or-later
"""LIO as a whole on this host: its modules, its tree, its folder for reservations, its lock.

The suite writes configfs itself and does not use rtslib: every step is one mkdir, symlink or write whose errno says
what was wrong, where rtslib swallows it; steps come in our order (attributes before a LUN is visible), a half-made
object can be repaired, nothing is chosen at random, no reservation comes back from an old file; and its import alone
(pyudev, a udev context) takes longer than all that is done here. `targetcli ls` shows what we make like its own.
"""

from __future__ import annotations

import os

from twinsan.errors import NotInstalled
from twinsan.system import command, configfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# Whoever changes LIO's tree in a start holds this one; see lock.Held. A stop does not wait for it: what it takes away
# has names that nobody else uses, and waiting for a start that hangs would fence the node.
LOCK = "lio"

TARGET_MODULES = ("target_core_mod", "iscsi_target_mod")
LUN_MODULES = ("target_core_mod", "target_core_iblock")

_loaded_modules = "/sys/module"


def prepare(modules: tuple[str, ...], deadline: Deadline) -> None:
    """Load what a start needs, mount configfs, and make the folder for reservations. Where all is done, a few reads."""
    for module in modules:
        if not os.path.isdir(f"{_loaded_modules}/{module}"):
            _load(module, deadline)
    if not configfs.available():
        _mount(deadline)
    _make_reservation_folders()


def _load(module: str, deadline: Deadline) -> None:
    result = command.run("modprobe", module, deadline=deadline, check=False)
    if result.status != 0:
        raise NotInstalled(
            f"kernel module {module} cannot be loaded ({result.stderr.strip() or 'modprobe gave no reason'}); "
            "install this kernel's package of extra modules, or see 'dmesg'"
        )


def _mount(deadline: Deadline) -> None:
    """Mount configfs. The core registers its folder when it is loaded or configfs mounted, whichever comes later."""
    place = os.path.dirname(configfs.root)
    if not os.path.ismount(place):
        command.run("mount", "-t", "configfs", "configfs", place, deadline=deadline)
    if not configfs.available():
        raise NotInstalled(f"{configfs.root} does not appear although the modules of LIO are loaded; see 'dmesg'")


def _make_reservation_folders() -> None:
    """Make the folders that the kernel writes persistent reservations and ALUA states to.

    Without the first it fails PERSISTENT RESERVE OUT with NOT READY, although it has recorded the registration. No
    package makes it. Where it belongs only the kernel knows: distributions patch it, and module order changes it.
    """
    base = configfs.read(configfs.place("dbroot")) or "/var/target"
    for name in ("pr", "alua"):
        os.makedirs(f"{base}/{name}", mode=0o700, exist_ok=True)
