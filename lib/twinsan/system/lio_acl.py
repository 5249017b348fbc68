# SPDX-License-Identifier: GPL-2.0-or-later
"""The access control lists of a portal group: which initiators may log in, how they prove themselves, and which LUNs
they see. One that has no list has no access, unless the group is in demo mode.
"""

from __future__ import annotations

import os

from twinsan import rundir
from twinsan.system import chap, configfs, storage_object

# How a list without a session begins its "info" (iscsi_target_configfs.c, lio_target_nacl_info_show).
_NO_SESSION = "No active iSCSI Session"


def place(group: str, initiator: str) -> str:
    """The place of an initiator's list."""
    return f"{group}/acls/{initiator}"


def admitted(group: str) -> list[str]:
    """The initiators that have a list."""
    return configfs.names(f"{group}/acls")


def mapping(group: str, initiator: str, number: int) -> str:
    """The place of LUN `number` in an initiator's list. It has the same number there."""
    return f"{place(group, initiator)}/lun_{number}"


def ensure(group: str, initiator: str, credentials: chap.Credentials, depth: int) -> None:
    """Admit an initiator with these credentials; one that comes new sees the LUNs that are meant for it."""
    path = place(group, initiator)
    configfs.make(path)
    prove(path, credentials)
    if configfs.read(f"{path}/cmdsn_depth") != str(depth) and not _has_session(path):
        # With a session, the kernel would end it to make the change.
        configfs.write(f"{path}/cmdsn_depth", str(depth))
    _show_what_is_meant(group, initiator)


def prove(path: str, credentials: chap.Credentials) -> None:
    """Set the credentials of a list, or of the group in demo mode. Sessions that live are not asked again."""
    for name, wanted in credentials.values().items():
        present = configfs.read(f"{path}/auth/{name}") or ""
        if present != wanted and not (wanted == "" and present.startswith(chap.UNSET)):
            configfs.write(f"{path}/auth/{name}", wanted or chap.UNSET)


def unproven(path: str, credentials: chap.Credentials) -> list[str]:
    """Which of the credentials differ from these, in words that show none of them."""
    words = {
        "userid": "CHAP user name",
        "password": "CHAP secret",
        "userid_mutual": "CHAP user name of the target",
        "password_mutual": "CHAP secret of the target",
    }
    found = []
    for name, wanted in credentials.values().items():
        present = configfs.read(f"{path}/auth/{name}") or ""
        if ("" if present.startswith(chap.UNSET) else present) != wanted:
            found.append(words[name])
    return found


def remove(group: str, initiator: str) -> None:
    """Take a list away, with whatever it shows. Its session ends."""
    path = place(group, initiator)
    for mapped in [name for name in configfs.names(path) if name.startswith("lun_")]:
        hide(group, initiator, int(mapped[4:]))
    configfs.remove(path)


def show(group: str, initiator: str, number: int, name: str) -> None:
    """Show a LUN to an initiator, writable; `name` is what the link is called."""
    path = mapping(group, initiator, number)
    if configfs.read(f"{path}/write_protect") == "":
        # The LUN was removed under it: such a mapping stays, and is dead.
        hide(group, initiator, number)
    configfs.make(path)
    configfs.link(f"{group}/lun/lun_{number}", f"{path}/{name}")
    configfs.settle(f"{path}/write_protect", "0")


def hide(group: str, initiator: str, number: int) -> None:
    """Show a LUN to an initiator no longer."""
    path = mapping(group, initiator, number)
    for link in configfs.links(path):
        configfs.unlink(f"{path}/{link}")
    configfs.remove(path)


def blind(group: str, initiator: str, number: int) -> bool:
    """Whether an initiator that is admitted does not see a LUN."""
    return not configfs.read(f"{mapping(group, initiator, number)}/write_protect")


def _show_what_is_meant(group: str, initiator: str) -> None:
    for unit in configfs.names(f"{group}/lun"):
        for link in configfs.links(f"{group}/lun/{unit}"):
            if not (seen_by_all(f"{group}/lun/{unit}/{link}") or initiator in _listed(link)):
                continue
            try:
                show(group, initiator, int(unit[4:]), link)
            except OSError:
                if configfs.exists(f"{group}/lun/{unit}/{link}"):
                    raise
                # Its stop, which waits for nobody, has taken it away meanwhile.
                hide(group, initiator, int(unit[4:]))


def seen_by_all(storage: str) -> bool:
    """Whether a LUN, by the place of its storage object, is meant for every initiator that is admitted."""
    return storage_object.notes(storage).get("audience") == "all"


def mean(name: str, initiators: tuple[str, ...]) -> None:
    """Write down whom a LUN is meant for, by the name of its storage object: who is admitted later is shown it then.
    Where it is meant for all, nothing is written: the object itself says so (seen_by_all). The caller holds lio.LOCK.
    """
    path = rundir.path(f"audience.{name}")
    if initiators:
        rundir.write(path, "\n".join(initiators))
    else:
        rundir.forget(path)


def _listed(name: str) -> list[str]:
    """The initiators that a LUN is meant for, by the name of its storage object; none where nothing is written."""
    try:
        with open(os.path.join(rundir.DIRECTORY, f"audience.{name}"), encoding="ascii", errors="replace") as file:
            return file.read().split()
    except OSError:
        return []


def _has_session(path: str) -> bool:
    return not (configfs.read(f"{path}/info") or _NO_SESSION).startswith(_NO_SESSION)
