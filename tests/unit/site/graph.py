# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan of Pacemaker's scheduler as the graph that it is: which of its actions has to wait for which."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

_CHANGES = re.compile(r"(\S+)_(start|stop|promote|demote) (\S+)")


class Graph:
    """A plan. An action is named as in "p_lun1_start atlas", the fencing of a node as in "fence atlas"."""

    def __init__(self, path: Path) -> None:
        self._inputs: dict[str, set[str]] = {}
        self._numbers: dict[str, list[str]] = {}
        # How long the fencing of a node waits in favour of it, in s (priority-fencing-delay).
        self.delays: dict[str, int] = {}
        self.notifications = 0
        for synapse in ET.parse(path).iter("synapse"):
            before = {str(each.get("id")) for each in synapse.findall("inputs/trigger/*")}
            for action in synapse.findall("action_set/*"):
                self._add(action, before)
        self.actions = set(self._numbers)
        self._earlier: dict[str, frozenset[str]] = {}

    def _add(self, action: ET.Element, before: set[str]) -> None:
        number, node = str(action.get("id")), action.get("on_node", "")
        self._inputs[number] = before
        key = re.sub(r":\d+_", "_", str(action.get("operation_key", "")))
        if action.get("operation") == "stonith":
            key = "fence"
            attributes = action.find("attributes")
            delay = "" if attributes is None else attributes.get("CRM_meta_priority_fencing_delay", "")
            self.delays[node] = int(re.sub(r"s?$", "", delay) or "0")
        self.notifications += action.get("operation") in ("notify", "notified")
        if action.tag != "pseudo_event" or node:
            self._numbers.setdefault(f"{re.sub('_0$', '', key)} {node}", []).append(number)

    def before(self, first: str, then: str) -> bool:
        """Whether the action `then` waits for `first`, directly or because it waits for what does."""
        firsts = set(self._numbers.get(first, ()))
        return all(firsts & self._all_before(number) for number in self._numbers.get(then, ()))

    def changes(self) -> set[tuple[str, str, str]]:
        """The actions that start, stop, promote or demote something: its name, the verb, the node."""
        found = (_CHANGES.fullmatch(action) for action in self.actions)
        return {(match[1], match[2], match[3]) for match in found if match}

    def fenced(self) -> set[str]:
        """The nodes that are fenced."""
        return {action.split()[1] for action in self.actions if action.startswith("fence ")}

    def _all_before(self, number: str) -> frozenset[str]:
        if number not in self._earlier:
            found: set[str] = set()
            waiting = [number]
            while waiting:
                for each in self._inputs.get(waiting.pop(), set()) - found:
                    found.add(each)
                    waiting.append(each)
            self._earlier[number] = frozenset(found)
        return self._earlier[number]
