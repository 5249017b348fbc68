# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan of Pacemaker's scheduler, as a graph: which action waits for which."""

from __future__ import annotations

import re

from twinsan.operate.checks.xml import etree

# What only looks, or only tells.
_CHANGES_NOTHING = re.compile(r"_(monitor|cancel|notify|notified)(_\d+)? ")


class Plan:
    """A plan: its `actions`, as in "p_lun1_start atlas" or "fence atlas"; what `ran` where before it. `delays` has the
    priority-fencing-delay of each node that is fenced, in seconds.
    """

    def __init__(self, graph: bytes, ran: dict[str, set[str]]) -> None:
        self.ran = ran
        self._inputs: dict[str, set[str]] = {}
        self._names: dict[str, str] = {}
        self.delays: dict[str, float] = {}
        for synapse in etree.fromstring(graph).iter("synapse"):
            before = {str(each.get("id")) for each in synapse.iterfind("inputs/trigger/*")}
            for action in synapse.iterfind("action_set/*"):
                number = str(action.get("id"))
                self._inputs[number] = before
                node = action.get("on_node", "")
                key = re.sub(r":\d+_", "_", action.get("operation_key", ""))
                if action.get("operation") == "stonith":
                    key = "fence"
                    self._note_delay(action, node)
                if node:
                    self._names[number] = f"{re.sub('_0$', '', key)} {node}"
        self.actions = set(self._names.values())

    def _note_delay(self, action: object, node: str) -> None:
        assert isinstance(action, etree._Element)  # noqa: SLF001  the class of all elements
        for attributes in action.iterfind("attributes"):
            text = attributes.get("CRM_meta_priority_fencing_delay", "0").rstrip("s")
            self.delays[node] = float(text) if text.isdecimal() else 0.0

    @property
    def acts(self) -> bool:
        """Whether anything changes by it."""
        return any(_CHANGES_NOTHING.search(action) is None for action in self.actions)

    def waits(self, then: str, first: str) -> bool:
        """Whether the action `then` waits for `first`; True if one of the two is not in the plan."""
        if not {then, first} <= self.actions:
            return True
        waiting = [number for number, name in self._names.items() if name == then]
        seen: set[str] = set()
        while waiting:
            for each in self._inputs.get(waiting.pop(), set()) - seen:
                if self._names.get(each) == first:
                    return True
                seen.add(each)
                waiting.append(each)
        return False

    def nodes(self, action: str) -> list[str]:
        """The nodes on which an action such as "p_lun1_start" is."""
        return sorted(each.rpartition(" ")[2] for each in self.actions if each.rpartition(" ")[0] == action)
