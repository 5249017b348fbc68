# SPDX-License-Identifier: GPL-2.0-or-later
"""What was found on the nodes before anything is changed: what is in the way, and what only should be known."""

from __future__ import annotations

from twinsan.operate import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.errors import Reason

_HEADINGS = ("NODE", "FOUND, AND WHAT TO TYPE")

# What stands in place of a node's name for what both have.
BOTH = "both"


class Finding:
    """Something on a node: what it is, what to type, and whether it is in the way."""

    __slots__ = ("in_the_way", "node", "remedy", "what")

    def __init__(self, node: str, what: str, remedy: str, *, in_the_way: bool) -> None:
        self.node = node
        self.what = what
        self.remedy = remedy
        self.in_the_way = in_the_way


class Findings:
    """All findings, in the order in which they were made."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(self, node: str, reason: Reason, **values: object) -> None:
        """Add what is in the way."""
        self._add(node, reason, values, in_the_way=True)

    def remark(self, node: str, reason: Reason, **values: object) -> None:
        """Add what should be known, and is not in the way."""
        self._add(node, reason, values, in_the_way=False)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    @property
    def in_the_way(self) -> list[Finding]:
        """Those that are in the way."""
        return [finding for finding in self._found if finding.in_the_way]

    def text(self) -> str:
        """Return all as a table: what is in the way, then the remarks."""
        rows = []
        for finding in sorted(self._found, key=lambda each: not each.in_the_way):
            mark = "" if finding.in_the_way else "(remark) "
            rows.append((finding.node, f"{mark}{finding.what}"))
            if finding.remedy:
                rows.append(("", f"  {finding.remedy}"))
        return table.text(_HEADINGS, rows)

    def json(self) -> list[dict[str, object]]:
        """Return all for programs; the names never change."""
        return [
            {"node": each.node, "what": each.what, "remedy": each.remedy, "in_the_way": each.in_the_way}
            for each in self._found
        ]

    def _add(self, node: str, reason: Reason, values: dict[str, object], *, in_the_way: bool) -> None:
        values = {"node": node, **values}
        what, remedy = reason.what.format(**values), reason.remedy.format(**values)
        if all((each.node, each.what) != (node, what) for each in self._found):
            self._found.append(Finding(node, what, remedy, in_the_way=in_the_way))
