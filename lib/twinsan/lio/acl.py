# SPDX-License-Identifier: GPL-2.0-or-later
"""The ACLs of a portal group: which initiators may log in, with which CHAP credentials, and which LUNs they see. An
initiator without an ACL has no access, unless the group is in demo mode.
"""

from __future__ import annotations

from twinsan.host.note import Note
from twinsan.lio import configfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.lio import chap

# The beginning of an ACL's "info" if it has no session (iscsi_target_configfs.c, lio_target_nacl_info_show).
_NO_SESSION = "No active iSCSI Session"

# The name of each CHAP attribute in a reason.
_WORDS = {
    "userid": "CHAP user name",
    "password": "CHAP secret",
    "userid_mutual": "CHAP user name of the target",
    "password_mutual": "CHAP secret of the target",
}


def place(group: str, initiator: str) -> str:
    """The configfs path of an initiator's ACL in the portal group at `group`."""
    return f"{group}/acls/{initiator}"


def initiators(group: str) -> list[str]:
    """The initiators that the portal group admits: those that have an ACL."""
    return configfs.names(f"{group}/acls")


def mapped_lun(group: str, initiator: str, number: int) -> str:
    """The configfs path of the mapped LUN of LUN `number` in an initiator's ACL. It has the same number."""
    return f"{place(group, initiator)}/lun_{number}"


def ensure(group: str, initiator: str, credentials: chap.Credentials, depth: int) -> None:
    """Admit an initiator with these credentials and a queue depth of `depth` commands, and map the LUNs that are meant
    for it. While the initiator has a session, its depth is not changed.
    """
    path = place(group, initiator)
    configfs.make(path)
    set_credentials(path, credentials)
    if configfs.read(f"{path}/cmdsn_depth") != str(depth) and not _has_session(path):
        # The kernel would end a session to make the change.
        configfs.write(f"{path}/cmdsn_depth", str(depth))
    _show_its_luns(group, initiator)


def set_queue_depths(group: str) -> None:
    """Give each ACL of a portal group without sessions the group's queue depth."""
    depth = configfs.read(f"{group}/attrib/default_cmdsn_depth") or ""
    for initiator in initiators(group):
        configfs.set_if_different(f"{place(group, initiator)}/cmdsn_depth", depth)


def set_credentials(path: str, credentials: chap.Credentials) -> None:
    """Set the credentials of an ACL, or of the group for demo mode. Existing sessions do not authenticate again."""
    from twinsan.lio.chap import UNSET

    for name, wanted in _differing(path, credentials):
        configfs.write(f"{path}/auth/{name}", wanted or UNSET)


def differing_credentials(path: str, credentials: chap.Credentials) -> list[str]:
    """The names of those credentials of an ACL, or of the group, that differ from these; never their values."""
    return [_WORDS[name] for name, _ in _differing(path, credentials)]


def _differing(path: str, credentials: chap.Credentials) -> Iterator[tuple[str, str]]:
    """Yield (attribute, wanted value) for each attribute that holds another value."""
    from twinsan.lio.chap import UNSET

    for name, wanted in credentials.values().items():
        present = configfs.read(f"{path}/auth/{name}") or ""
        if ("" if present.startswith(UNSET) else present) != wanted:
            yield name, wanted


def remove(group: str, initiator: str) -> None:
    """Remove an initiator's ACL with its mapped LUNs. Its session ends."""
    path = place(group, initiator)
    for mapped in [name for name in configfs.names(path) if name.startswith("lun_")]:
        hide(group, initiator, int(mapped[4:]))
    configfs.remove(path)


def show(group: str, initiator: str, number: int, name: str) -> None:
    """Map LUN `number` for an initiator, writable. `name` is the name of the symbolic link to the LUN."""
    path = mapped_lun(group, initiator, number)
    if configfs.read(f"{path}/write_protect") == "":
        # The LUN was removed first: the mapped LUN stays, and leads nowhere.
        hide(group, initiator, number)
    configfs.make(path)
    configfs.link(f"{group}/lun/lun_{number}", f"{path}/{name}")
    configfs.set_if_different(f"{path}/write_protect", "0")


def hide(group: str, initiator: str, number: int) -> None:
    """Remove the mapped LUN of LUN `number` from an initiator's ACL."""
    path = mapped_lun(group, initiator, number)
    for link in configfs.links(path):
        configfs.unlink(f"{path}/{link}")
    configfs.remove(path)


def sees(group: str, initiator: str, number: int) -> bool:
    """Whether an initiator sees LUN `number`. A mapped LUN whose LUN was removed shows nothing."""
    return bool(configfs.read(f"{mapped_lun(group, initiator, number)}/write_protect"))


def _show_its_luns(group: str, initiator: str) -> None:
    for unit in configfs.names(f"{group}/lun"):
        for link in configfs.links(f"{group}/lun/{unit}"):
            if not (is_for_all(f"{group}/lun/{unit}/{link}") or initiator in _recorded_initiators(link)):
                continue
            try:
                show(group, initiator, int(unit[4:]), link)
            except OSError:
                if configfs.exists(f"{group}/lun/{unit}/{link}"):
                    raise
                # The stop of that LUN does not wait for the lock for long, and has removed it meanwhile.
                hide(group, initiator, int(unit[4:]))


def is_for_all(storage: str) -> bool:
    """Whether the LUN of the storage object at `storage` is meant for every admitted initiator."""
    from twinsan.lio import alias

    return alias.read(storage).get("audience") == "all"


def record_initiators(name: str, initiators: tuple[str, ...]) -> None:
    """Record in /run which initiators a LUN is meant for, by the `name` of its storage object, so that one that is
    admitted later sees it. An empty tuple removes the record: a LUN for all is marked in its alias (is_for_all).

    The caller holds core.LOCK.
    """
    note = Note(f"audience.{name}")
    if initiators:
        note.replace("\n".join(initiators))
    else:
        note.forget()


def _recorded_initiators(name: str) -> list[str]:
    """The initiators that were recorded for a storage object; empty if none were or the record is unreadable."""
    try:
        return (Note(f"audience.{name}").read() or "").split()
    except OSError:
        return []


def _has_session(path: str) -> bool:
    return not (configfs.read(f"{path}/info") or _NO_SESSION).startswith(_NO_SESSION)
