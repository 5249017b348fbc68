# SPDX-License-Identifier: GPL-2.0-or-later
"""corosync.conf, as a flat list of keys and values: ``totem.token``, ``nodelist.node.0.ring0_addr``."""

from __future__ import annotations

import re

# Sections of which there may be several.
_COUNTED = ("node", "interface", "logger_subsys")


def parse(text: str) -> dict[str, str]:
    """Return all keys and their values. What cannot be understood is left out."""
    found: dict[str, str] = {}
    path: list[str] = []
    counts: dict[str, int] = {}
    for raw in text.splitlines():
        line = raw.strip()
        opened = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*\{", line)
        given = re.fullmatch(r"([A-Za-z0-9_.-]+)\s*:\s*(.*)", line)
        if line.startswith("#"):
            continue
        if opened:
            path.append(opened[1])
            place = ".".join(path)
            if opened[1] in _COUNTED:
                number = counts.get(place, 0)
                counts[place] = number + 1
                path[-1] = f"{opened[1]}.{number}"
        elif line == "}" and path:
            path.pop()
        elif given:
            found[".".join([*path, given[1]])] = given[2].strip()
    return found


def nodes(values: dict[str, str]) -> list[dict[str, str]]:
    """Return the nodes of the node list, each with its keys."""
    found: dict[str, dict[str, str]] = {}
    for key, value in values.items():
        match = re.fullmatch(r"nodelist\.node\.(\d+)\.(\w+)", key)
        if match:
            found.setdefault(match[1], {})[match[2]] = value
    return [found[number] for number in sorted(found, key=int)]


def links(node: dict[str, str]) -> list[str]:
    """Return the addresses of a node, one for each link."""
    return [value for key, value in sorted(node.items()) if re.fullmatch(r"ring\d+_addr", key)]


def running(printed: str) -> dict[str, str]:
    """Return what corosync-cmapctl prints, in the same form."""
    pairs = re.findall(r"^(\S+) \(\w+\) = (.*)$", printed, re.MULTILINE)
    return {key: value.strip() for key, value in pairs}
