# SPDX-License-Identifier: GPL-2.0-or-later
"""The password of the BMCs: where it is read, that it is right, and how the cluster keeps it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat

from twinsan.deadline import Deadline
from twinsan.errors import Failure, NotPermitted, Reason, TooSlow
from twinsan.operate.setting_up import nodes
from twinsan.operate.setting_up.steps import Step
from twinsan.site import model
from twinsan.site.table import CIB_SECRET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.operate.setting_up.nodes import Pair
    from twinsan.site.model import Site

NO_PASSWORD_FILE = Reason(Failure, "{path} cannot be read: {error}", "name a file that holds the password of the BMCs")
OPEN_FILE = Reason(NotPermitted, "others than root can read {path}", "type: chmod 600 {path}")
BAD_PASSWORD_FILE = Reason(
    Failure,
    "{path} has {number} lines",
    "one line is the password of both BMCs; two lines are those of {one} and of {other}",
)
NO_SCRIPT = Reason(
    Failure,
    "{node} has no program {path} that tells the password of the BMCs ([fencing] password_script)",
    "put it there, with mode 0700",
)
BMC_FAILS = Reason(
    Failure,
    "the BMC of {node} ({address}) does not answer {other} with the status of its power: {complaint}",
    "type on {other}: ipmitool -I lanplus -C {cipher} -H {address} -U {username} power status; correct the password, "
    "nodes.{node}.bmc or fencing.username",
)
SECRETS = "/var/lib/pacemaker/lrm/secrets"
# The agent asks the BMC, logs in, and asks again.
_SECONDS_FOR_BMC = 60.0
_SIGNED = 'cd "$1" && test -s password && test "$(md5sum <password | cut -c1-32)" = "$(cat password.sign)"'


def with_secret(site: Site) -> Site:
    """Return the site as it will be: one that names neither a password nor a program that tells it has the cluster keep
    it.
    """
    given = site.fencing.parameters
    if not keeps_password(site) or given.get("password"):
        return site
    fencing = dataclasses.replace(site.fencing, parameters={**given, "password": CIB_SECRET})
    return dataclasses.replace(site, fencing=fencing)


def keeps_password(site: Site) -> bool:
    """Whether the cluster keeps the password of the BMCs, and not a program."""
    return site.fencing.by == model.IPMI and "password_script" not in site.fencing.parameters


def read_passwords(path: str, site: Site) -> dict[str, str]:
    """Return the password of each node's BMC from a file that only root can read. Raises Failure."""
    try:
        with open(path, encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            lines = file.read().splitlines()
    except (OSError, ValueError) as error:
        raise NO_PASSWORD_FILE(path=path, error=getattr(error, "strerror", None) or "it is no text") from None
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise OPEN_FILE(path=path)
    names = [node.name for node in site.nodes]
    if len(lines) not in (1, 2) or not all(lines):
        raise BAD_PASSWORD_FILE(path=path, number=len(lines), one=names[0], other=names[1])
    return dict(zip(names, lines * 2 if len(lines) == 1 else lines))


def check(pair: Pair, passwords: Mapping[str, str], found: Findings) -> None:
    """Each node asks the BMC of the other, as it would to fence it."""
    script = pair.site.fencing.parameters.get("password_script", "")
    for asked, asking in zip(pair.site.nodes, reversed(pair.nodes)):
        if script and not nodes.succeeds(asking, "test", "-x", script):
            found.add(asking.name, NO_SCRIPT, path=script)
            continue
        words = ["action=status", f"ip={asked.bmc}", "lanplus=1"]
        words += [f"{name}={value}" for name, value in pair.site.fencing.parameters.items() if name != "password"]
        words += [f"password={passwords[asked.name]}"] if asked.name in passwords else []
        missing = "fence_ipmilan" not in pair.facts_of(asking).programs
        if missing or (not script and asked.name not in passwords):
            continue
        given = "\n".join([*words, ""])
        told = _complaint_of_bmc(asking, given)
        if told:
            values = {name: pair.site.fencing.parameters[name] for name in ("cipher", "username")}
            found.add(asked.name, BMC_FAILS, address=asked.bmc, other=asking.name, complaint=told, **values)


def _complaint_of_bmc(asking: Node, given: str) -> str:
    """Ask a BMC for the status of its power. Returns what is wrong, "" if nothing is."""
    try:
        result = nodes.run(asking, "fence_ipmilan", seconds=_SECONDS_FOR_BMC, given=given, check=False)
    except TooSlow:
        return f"fence_ipmilan did not end in {_SECONDS_FOR_BMC:.0f} s"
    return "" if result.ok else result.complaint[:200] or f"exit status {result.status}"


class Passwords(Step):
    """The password of each BMC, on both nodes, where Pacemaker looks for the secrets of its resources."""

    what = "Give the password of the BMCs to the cluster"

    def __init__(self, pair: Pair, passwords: Mapping[str, str]) -> None:
        self._pair = pair
        self._passwords = passwords

    def is_done(self) -> bool:
        return not self._passwords or all(self._pair.on_both(self._has_them))

    def do(self) -> str:
        self._pair.on_both(self._store)
        return ""

    def _has_them(self, node: Node) -> bool:
        return all(
            node.read(f"{folder(name)}/password", deadline=Deadline(60)) == password.encode() and is_signed(node, name)
            for name, password in self._passwords.items()
        )

    def _store(self, node: Node) -> None:
        if self._has_them(node):
            return
        for name, password in self._passwords.items():
            nodes.run(node, "install", "-d", "-m", "700", SECRETS, folder(name))
            digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
            # Pacemaker takes a secret only with its checksum.
            node.put(f"{folder(name)}/password", password, deadline=Deadline(60), mode=0o600)
            node.put(f"{folder(name)}/password.sign", digest, deadline=Deadline(60), mode=0o600)


def stored(pair: Pair) -> bool:
    """Whether both nodes have the same password of each BMC already."""
    for each in pair.site.nodes:
        one, other = (node.read(f"{folder(each.name)}/password", deadline=Deadline(60)) for node in pair.nodes)
        if one is None or one != other or not all(is_signed(node, each.name) for node in pair.nodes):
            return False
    return True


def is_signed(node: Node, name: str) -> bool:
    """Whether a node has the password of a BMC with its right checksum."""
    return nodes.succeeds(node, "sh", "-c", _SIGNED, "sh", folder(name))


def folder(name: str) -> str:
    """Where the secrets of the device that fences a node are."""
    return f"{SECRETS}/fence_{name}"
