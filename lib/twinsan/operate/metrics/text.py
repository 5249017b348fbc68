# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers in the text format of OpenMetrics 1.0, in the part of it that node_exporter's textfile collector reads, too.

That collector has the older parser of Prometheus: it knows the types gauge and counter of those used here, takes UNIT
and EOF for comments, and a counter, whose samples end in _total, for a metric without a type.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Number = Union[bool, int, float, None]

GAUGE, COUNTER = "gauge", "counter"

# A name that ends in one of these has it as its unit.
UNITS = ("bytes", "ratio", "seconds")

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Family:
    """What a metric is: its name, type and description, and the labels of its samples."""

    __slots__ = ("help", "kind", "labels", "name")

    def __init__(self, name: str, kind: str, description: str, labels: str = "") -> None:
        self.name = name
        self.kind = kind
        self.help = description
        self.labels = tuple(labels.split())

    @property
    def unit(self) -> str:
        """Return the unit that the name ends with; "" for none."""
        last = self.name.rpartition("_")[2]
        return last if last in UNITS else ""

    @property
    def sample(self) -> str:
        """Return the name of its samples."""
        return f"{self.name}_total" if self.kind == COUNTER else self.name


class Samples:
    """The samples of all metrics. One without a value is left out: it is unknown."""

    def __init__(self) -> None:
        self._lines: dict[Family, dict[tuple[str, ...], str]] = {}

    def add(self, family: Family, value: Number, *labels: str) -> None:
        """Add a sample, with values for the labels of its metric. The first of two with the same labels counts."""
        assert len(labels) == len(family.labels), family.name
        if value is not None:
            self._lines.setdefault(family, {}).setdefault(labels, _number(value))

    def text(self) -> str:
        """Return the text: each metric with its description and its samples."""
        lines = []
        for family, samples in self._lines.items():
            lines.append(f"# TYPE {family.name} {family.kind}")
            if family.unit:
                lines.append(f"# UNIT {family.name} {family.unit}")
            lines.append(f"# HELP {family.name} {_escaped(family.help)}")
            for values, number in samples.items():
                pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in zip(family.labels, values))
                lines.append(f"{family.sample}{{{pairs}}} {number}" if pairs else f"{family.sample} {number}")
        return "\n".join([*lines, "# EOF"]) + "\n"


def _escaped(text: str) -> str:
    # A name in configfs may have bytes that are no UTF-8, for which node_exporter would refuse the whole file.
    return text.translate(_ESCAPED).encode("utf-8", "replace").decode()


def _number(value: float) -> str:
    """A number, of which true and false are 1 and 0."""
    if isinstance(value, int):
        return str(int(value))
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
