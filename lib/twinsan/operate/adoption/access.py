# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may use a target that targetcli has saved: its access control lists, and CHAP."""

from __future__ import annotations

from twinsan.operate.adoption import clusterlabs, secrets
from twinsan.operate.adoption.saved import inner, objects, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.found import Found, Notes, Target
    from twinsan.operate.adoption.saved import Saved

_WORDS = ("chap_userid", "chap_password", "chap_mutual_userid", "chap_mutual_password")
_READ_ONLY = "with twinsan it may write. Keep it from that before, or leave it out of allowed_initiators"
_OTHER_NUMBER = (
    "with twinsan every initiator sees a LUN by its number in the target: for this one it is another path. Give the "
    "LUN that number, if no other initiator uses it"
)
_DEMO_READ_ONLY = "with demo_mode they may write. Name those that may in allowed_initiators, and take demo_mode out"
_SOME = "all initiators of a target use CHAP, or none. Give it credentials, or take those of the others out"


def grant(target: Target, group: Saved, place: str, made: Found, source: str) -> None:
    """Let in who is let in now. `place` is that of the portal group in the saved configuration `c` of the file
    `source`, as Python has it.
    """
    notes = made.notes
    acls = objects(group, "node_acls")
    target.initiators = tuple(dict.fromkeys(word(acl, "node_wwn").lower() for acl in acls))
    attributes = inner(group, "attributes")
    if clusterlabs.is_on(word(attributes, "generate_node_acls")):
        if acls:
            notes.lose(target.place, "it lets everybody in beside those it names", "name all in allowed_initiators")
        else:
            target.values["demo_mode"] = True
            if word(attributes, "demo_mode_write_protect") == "1":
                notes.lose(target.place, "initiators that it does not name may only read", _DEMO_READ_ONLY)
    _map(target, acls, notes)
    if clusterlabs.is_on(word(attributes, "authentication")):
        _authenticate(target, group, acls, place, made, source)


def _map(target: Target, acls: list[Saved], notes: Notes) -> None:
    """Keep which initiators see which LUN."""
    seeing: dict[str, list[str]] = {disk.number: [] for disk in target.disks}
    for acl in acls:
        name = word(acl, "node_wwn").lower()
        for mapped in objects(acl, "mapped_luns"):
            number, index = word(mapped, "tpg_lun"), word(mapped, "index")
            seeing.setdefault(number, []).append(name)
            if index != number:
                notes.lose(target.place, f"{name} sees LUN {number} as {index}", _OTHER_NUMBER)
            if word(mapped, "write_protect") == "1":
                notes.lose(target.place, f"{name} may only read LUN {number}", _READ_ONLY)
    for disk in target.disks:
        if acls and not seeing[disk.number]:
            remedy = "nobody used it: leave it out, or name its initiators in allowed_initiators"
            notes.lose(target.place, f"LUN {disk.number} is mapped to nobody", remedy)
        disk.initiators = tuple(seeing[disk.number])


def _authenticate(target: Target, group: Saved, acls: list[Saved], place: str, made: Found, source: str) -> None:
    """Keep CHAP: one name and secret for all, or those of each initiator. In demo mode the group has them."""
    holders = [(f'{place}["node_acls"][{number}]', acl) for number, acl in enumerate(acls)] or [(place, group)]
    given = [tuple(word(holder, name) for name in _WORDS) for _, holder in holders]
    for (user, secret, back_user, back), (_, holder) in zip(given, holders):
        whose = word(holder, "node_wwn") or target.place
        if user:
            secrets.check_chap(secret, whose, made.notes, back if back_user else "")
        elif any(others[0] for others in given):
            made.notes.lose(whose, "it has no CHAP credentials, and others have", _SOME)
    if not any(user for user, *_ in given):
        return
    if len(set(given)) > 1:
        path = f"{secrets.OWN}{_tail(made)}"
        target.values["initiator_credentials_file"] = path
        listed = f'" ".join(a[k] for k in ["node_wwn", *{list(_WORDS)!r}] if k in a) for a in {place}["node_acls"]'
        made.secrets.append(secrets.of_saveconfig(source, listed, path))
        return
    user, _, back_user, _ = given[0]
    target.values["incoming_username"] = user
    for name, key, path in (
        ("incoming_password_file", _WORDS[1], secrets.CHAP),
        *((("outgoing_password_file", _WORDS[3], secrets.BACK),) if back_user else ()),
    ):
        target.values[name] = f"{path}{_tail(made)}"
        expression = f'[{holders[0][0]}["{key}"]]'
        made.secrets.append(secrets.of_saveconfig(source, expression, f"{path}{_tail(made)}"))
    if back_user:
        target.values["outgoing_username"] = back_user


def _tail(made: Found) -> str:
    """What tells the files of several targets apart."""
    return f"-{len(made.served)}" if len(made.served) > 1 else ""
