# SPDX-License-Identifier: GPL-2.0-or-later
"""corosync.conf: the name of the cluster, its nodes with their links, and the third vote."""

from __future__ import annotations

from twinsan.operate.adoption.found import Node

_MOST_LINKS = 8


class Conf:
    """What a corosync.conf says. Lines that are none of it are passed over, as corosync passes over unknown keys."""

    def __init__(self, text: str) -> None:
        self.name = ""
        self.nodes: list[Node] = []
        self.witness = ""
        self.token = 0
        self.consensus = 0
        for section, values in _sections(text):
            if section == "totem":
                self.name = values.get("cluster_name", "")
                self.token, self.consensus = _number(values.get("token")), _number(values.get("consensus"))
            elif section == "nodelist.node":
                links = [values.get(f"ring{number}_addr", "") for number in range(_MOST_LINKS)]
                known = [link for link in links if link]
                self.nodes.append(Node(values.get("name") or (known[0] if known else ""), known))
            elif section == "quorum.device.net":
                self.witness = values.get("host", "")


def _sections(text: str) -> list[tuple[str, dict[str, str]]]:
    """Return each section with its keys, by its path, as quorum.device.net."""
    found: list[tuple[str, dict[str, str]]] = []
    open_ones: list[tuple[str, dict[str, str]]] = [("", {})]
    for line in text.splitlines():
        words = line.strip()
        if words.startswith("#"):
            continue
        if words.endswith("{"):
            name = words[:-1].strip()
            path = f"{open_ones[-1][0]}.{name}".lstrip(".")
            open_ones.append((path, {}))
            found.append(open_ones[-1])
        elif words == "}" and len(open_ones) > 1:
            open_ones.pop()
        else:
            key, colon, value = words.partition(":")
            if colon:
                open_ones[-1][1][key.strip()] = value.strip()
    return found


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 9 else 0
