# SPDX-License-Identifier: GPL-2.0-or-later
"""A fault that is looked for, and one that was found."""

from __future__ import annotations

# If it matters, data or service is lost; something is worse than it could be; good to know.
ERROR, WARNING, NOTE = "error", "warning", "note"
SEVERITIES = (ERROR, WARNING, NOTE)

# The most characters of a value in a message: it comes from a file that may hold anything.
_LONGEST = 200


class Fault:
    """A fault that ``twinsan check`` knows, declared once, as a constant. `key` is its name for programs and never
    changes. `what` is wrong, `why` it matters, `mend` what to type: templates of str.format, which the manual page
    lists.
    """

    __slots__ = ("key", "mend", "severity", "what", "why")

    def __init__(self, key: str, severity: str, what: str, *, why: str, mend: str) -> None:
        self.key = key
        self.severity = severity
        self.what = what
        self.why = why
        self.mend = mend

    def at(self, where: str, *, node: str = "", **values: object) -> Finding:
        """Return the finding of this fault at a place: a resource, an option, a file. `node` is the node that has it,
        "" if it is in what both share. `values` fill the templates.
        """
        shown = {key: on_one_line(value) for key, value in values.items()}
        return Finding(self, str(on_one_line(where)), node, shown)


class Finding:
    """A fault that was found, `where` and on which `node`."""

    __slots__ = ("_values", "fault", "node", "where")

    def __init__(self, fault: Fault, where: str, node: str, values: dict[str, object]) -> None:
        self.fault = fault
        self.where = where
        self.node = node
        self._values = {"where": where, "node": node, **values}

    @property
    def values(self) -> dict[str, object]:
        """What fills the templates, besides where and on which node."""
        return {key: value for key, value in self._values.items() if key not in ("where", "node")}

    @property
    def what(self) -> str:
        """What is wrong."""
        return self.fault.what.format(**self._values)

    @property
    def why(self) -> str:
        """Why it matters."""
        return self.fault.why.format(**self._values)

    @property
    def mend(self) -> str:
        """What to type."""
        return self.fault.mend.format(**self._values)

    def json(self) -> dict[str, str]:
        """For programs: its names never change."""
        return {
            "fault": self.fault.key,
            "severity": self.fault.severity,
            "node": self.node,
            "where": self.where,
            "what": self.what,
            "why": self.why,
            "mend": self.mend,
        }


def on_one_line(value: object, longest: int = _LONGEST) -> object:
    """Return a value for a message: a text becomes printable, on one line, and not too long."""
    if not isinstance(value, str):
        return value
    plain = value if value.isprintable() else ascii(value)[1:-1]
    return plain if len(plain) <= longest else plain[: longest - 3] + "..."
