# SPDX-License-Identifier: GPL-2.0-or-later
"""Ask for what a site file says, and write one. What the nodes tell of themselves is offered; each answer is checked as
the site file will be.
"""

from __future__ import annotations

import ipaddress
import os

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.operate import remote, table
from twinsan.operate.setting_up import facts
from twinsan.operate.setting_up.disk_checks import in_words
from twinsan.operate.setting_up.draft import Draft
from twinsan.site import reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.facts import Candidate, Facts

NO_NETWORK = Reason(
    Failure,
    "{one} and {other} have no network in common: {addresses}",
    "give both an address in one network, at best in two",
)
EXISTS = Reason(Failure, "{path} is there already", "type: twinsan init {path}; or name another file")
NOT_WRITTEN = Reason(Failure, "{path} cannot be written: {error}", "name another file")

_DISK_HEADINGS = ("NUMBER", "DISK", "SIZE", "KIND", "ON IT", "MODEL")
_LINKS = "The networks that link the nodes, the fastest first, which DRBD uses: numbers with spaces"


def site_file() -> str:
    """Ask, write the site file, and return its path. Raises Failure."""
    print("A site file will be written. Enter alone takes what is in brackets; Ctrl-C ends this, and changes nothing.")
    here = remote.Node(os.uname().nodename)
    other = _other_node()
    told = tuple(
        remote.on_each([here, other], lambda node: facts.ask(node, [], Deadline(facts.SECONDS), candidates=True))
    )
    draft = Draft((here.name, other.name))
    _ask(draft, "The name of the cluster", "name", ("name",), "san")
    _ask_links(draft, told)
    for number, has in enumerate(told):
        keys = (f"nodes.{has.node}",)
        _ask(draft, f"The address of the BMC of {has.node}, for IPMI", f"bmc{number}", keys, has.bmc)
    _ask(draft, "The user of both BMCs, who may switch them off", "username", ("fencing",), "twinsan")
    _ask_disks(draft, "to serve", "disk", told)
    _ask_disks(draft, "for the state volume, of 160 MiB or more (XFS: 300)", "state", told)
    _ask(draft, "The address that initiators log in to, on whichever node serves", "portal", ("resources",), "")
    iqn = f"iqn.2003-01.org.example:{draft.values['name']}"
    _ask(draft, "The name of the target; at best with a domain of yours", "iqn", ("resources",), iqn)
    _ask(draft, "The names of the initiators, with spaces between", "initiators", ("resources",), "")
    return _write(draft)


def _other_node() -> Node:
    while True:
        name = input("The other node, by its name as uname -n prints it there; ssh to it as root has to work: ").strip()
        if not name:
            continue
        node = remote.Node(name)
        if node.is_here:
            continue
        try:
            node.require_name()
        except Failure as failure:
            print(f"  {failure}")
        else:
            return node


def _ask(draft: Draft, question: str, name: str, keys: tuple[str, ...], default: str) -> None:
    """Ask until the answer makes no mistake at one of `keys` of the site file."""

    def take(text: str) -> str:
        draft.values[name] = text
        return _mistake(draft, keys)

    _repeat(question, default, take)


def _repeat(question: str, default: str, take: Callable[[str], str]) -> None:
    """Ask until `take` says nothing against the answer."""
    while True:
        text = input(f"{question}{f' [{default}]' if default else ''}: ").strip() or default
        wrong = take(text)
        if not wrong:
            return
        print(f"  {wrong}")


def _mistake(draft: Draft, keys: tuple[str, ...]) -> str:
    _, mistakes = reader.parse(draft.text().encode())
    return next((str(each) for each in mistakes if each.key.startswith(keys)), "")


def _ask_links(draft: Draft, told: tuple[Facts, ...]) -> None:
    """Ask which of the networks that both nodes are in link them."""
    networks = [_networks(has) for has in told]
    common = [network for network in networks[0] if network in networks[1]]
    if not common:
        addresses = "; ".join(f"{has.node} {' '.join(each.address for each in has.addresses)}" for has in told)
        raise NO_NETWORK(one=told[0].node, other=told[1].node, addresses=addresses)
    rows = [(str(number), each, *(own[each] for own in networks)) for number, each in enumerate(common, 1)]
    print(table.text(("NUMBER", "NETWORK", *(has.node for has in told)), rows))

    def take(text: str) -> str:
        words = text.split()
        if not words or not all(word.isdecimal() and 0 < int(word) <= len(common) for word in words):
            return f"type numbers of the list, as in {numbers}"
        draft.networks = [common[int(word) - 1] for word in dict.fromkeys(words)]
        draft.links = [[own[each] for each in draft.networks] for own in networks]
        # The portal may be in any of them.
        draft.networks += [each for each in common if each not in draft.networks]
        return _mistake(draft, ("networks", "nodes"))

    numbers = " ".join(str(number) for number in range(1, len(common) + 1))
    _repeat(_LINKS, numbers, take)


def _networks(has: Facts) -> dict[str, str]:
    """The networks that a node is in, with its first address in each."""
    found: dict[str, str] = {}
    for each in has.addresses:
        found.setdefault(str(ipaddress.ip_interface(f"{each.address}/{each.prefix}").network), each.address)
    return found


def _ask_disks(draft: Draft, what: str, name: str, told: tuple[Facts, ...]) -> None:
    default = ""
    for number, has in enumerate(told):
        rows = [_row(index, each) for index, each in enumerate(has.candidates, 1)]
        print(f"Disks of {has.node}:\n{table.text(_DISK_HEADINGS, rows)}")
        paths = [each.path for each in has.candidates]

        def take(text: str, number: int = number, paths: list[str] = paths) -> str:
            chosen = paths[int(text) - 1] if text.isdecimal() and 0 < int(text) <= len(paths) else text
            draft.values[f"{name}{number}"] = chosen
            if chosen not in paths and not chosen.startswith("/dev/"):
                return "type a number of the list, or a path such as /dev/disk/by-id/ID"
            return _mistake(draft, ("resources",))

        _repeat(f"The disk of {has.node} {what}", default, take)
        chosen = draft.values[f"{name}{number}"]
        # A name that may differ after a boot is offered as it is: the other node's disk is its own.
        default = chosen if all(chosen in [each.path for each in one.candidates] for one in told) else ""


def _row(number: int, each: Candidate) -> tuple[str, ...]:
    return str(number), each.path, in_words(each.size), each.kind, each.content or "nothing", each.model


def _write(draft: Draft) -> str:
    """Write the file, and return its path."""
    text = draft.text()
    _, mistakes = reader.parse(text.encode())
    for each in mistakes:
        print(f"  line {each.line}: {each}")
    written: list[str] = []

    def take(path: str) -> str:
        try:
            with open(path, "x", encoding="ascii") as file:
                file.write(text)
        except FileExistsError:
            return EXISTS.text(path=path)
        except (OSError, ValueError) as error:
            return NOT_WRITTEN.text(path=path, error=getattr(error, "strerror", None) or error)
        written.append(path)
        return ""

    _repeat("The site file", f"{draft.values['name']}.toml", take)
    return written[0]
