# SPDX-License-Identifier: GPL-2.0-or-later
"""What a check has found, and what it could not see."""

from __future__ import annotations

from twinsan.operate.checks.finding import ERROR, SEVERITIES, WARNING, on_one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.operate.checks.finding import Finding

# Exit statuses beside those of any command: 1 for a failure, 2 for a wrong command line or file.
NOT_ALL_SEEN, WARNINGS, ERRORS = 1, 3, 4

# A reason ends with what to type.
_LONGEST_REASON = 600


class Report:
    """The findings, each once, and in words what could not be seen and why."""

    def __init__(self) -> None:
        self._findings: dict[tuple[str, str, str, str], Finding] = {}
        self.unseen: list[tuple[str, str]] = []

    def add(self, findings: Iterable[Finding]) -> None:
        """Add findings."""
        for each in findings:
            self._findings.setdefault((each.fault.key, each.node, each.where, each.what), each)

    def not_seen(self, what: str, why: object) -> None:
        """Add what could not be seen."""
        told = (what, str(on_one_line(str(why), _LONGEST_REASON)))
        if told not in self.unseen:
            self.unseen.append(told)

    def join(self, other: Report) -> None:
        """Add all of another report."""
        self.add(other.findings())
        for what, why in other.unseen:
            self.not_seen(what, why)

    def findings(self) -> list[Finding]:
        """The findings, the worst first."""
        return sorted(self._findings.values(), key=lambda each: SEVERITIES.index(each.fault.severity))

    def number(self, severity: str) -> int:
        """How many findings have a severity."""
        return sum(each.fault.severity == severity for each in self._findings.values())

    @property
    def status(self) -> int:
        """The exit status: 4 if there is an error, 3 if there is a warning, 1 if not all was seen, else 0."""
        if self.number(ERROR):
            return ERRORS
        if self.number(WARNING):
            return WARNINGS
        return NOT_ALL_SEEN if self.unseen else 0

    def json(self) -> dict[str, object]:
        """For programs: its names never change."""
        return {
            "findings": [each.json() for each in self.findings()],
            "unseen": [{"what": what, "why": why} for what, why in self.unseen],
        }

    def text(self, name: str) -> str:
        """For people: `name` is what was checked."""
        lines = []
        for each in self.findings():
            node = f"{each.node}: " if each.node and not each.what.startswith(each.node) else ""
            lines += [f"{each.fault.severity}: {node}{each.what}", f"    {each.why}", f"    -> {each.mend}"]
        lines += [f"not seen: {what}: {why}" for what, why in self.unseen]
        counted = [
            f"{number} {severity}{'s' * (number != 1)}" for severity in SEVERITIES if (number := self.number(severity))
        ]
        return "\n".join([*lines, f"{name}: {', '.join(counted) or 'nothing found'}"])
