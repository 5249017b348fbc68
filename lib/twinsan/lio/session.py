# SPDX-License-Identifier: GPL-2.0-or-later
"""The session of an initiator, as the kernel tells of it below its ACL. Of several sessions it tells of the last."""

from __future__ import annotations

from twinsan.lio import configfs

# What the kernel says for each parameter if there is no session.
_NO_SESSION = "no active iscsi session"

# The prefixes of the states that the kernel prints.
_CONNECTION_STATE = "Connection State: TARG_CONN_STATE_"
_SESSION_STATE = "Session State: TARG_SESS_STATE_"


class Session:
    """A session: the `state` of its connection, such as LOGGED_IN, and the `address` of the initiator; each "" if the
    kernel does not say it.
    """

    __slots__ = ("address", "state")

    def __init__(self, state: str, address: str) -> None:
        self.state = state
        self.address = address


def parse(info: str) -> Session | None:
    """Return the session in the text of the attribute "info" of an ACL; None if there is none."""
    if not info or info.lower().startswith(_NO_SESSION):
        return None
    words = info.partition("   Address ")[2].split() or info.partition(" Address ")[2].split()
    state = _after(info, _CONNECTION_STATE) or _after(info, _SESSION_STATE)
    return Session(state, words[0] if words else "")


def _after(text: str, words: str) -> str:
    rest = text.partition(words)[2].split()
    return rest[0] if rest else ""


def parameters(acl: str) -> dict[str, str]:
    """Return the parameters that were negotiated in the session of the ACL at this configfs path; empty without one."""
    found = {name: configfs.read(f"{acl}/param/{name}") or "" for name in configfs.names(f"{acl}/param")}
    return {name: value for name, value in found.items() if value and not value.lower().startswith(_NO_SESSION)}
