# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of a configuration: a lane for each DRBD resource, in which what starts later stands to the right."""

from __future__ import annotations

from xml.sax.saxutils import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tools.graphs.configuration import Configuration, Member

_WIDTH = 960
_LEFT, _CARD, _HIGH, _GAP, _BETWEEN = 32, 216, 56, 18, 116
_CLONE_GAP = 46
_HEAD, _LANE_HEAD, _PAD = 92, 62, 26

_NOUNS = {"promote": "promotion", "start": "start"}

# Light, and dark for who reads in the dark.
_STYLE = """
    svg { font-family: "DejaVu Sans", Verdana, Helvetica, Arial, sans-serif; }
    .page { fill: #ffffff } .lane { fill: #f7fafc; stroke: #d3dce4 }
    .together { fill: #e8f1f8; stroke: #2f6f9f; stroke-width: 1.5; stroke-dasharray: 6 4 }
    .card { fill: #ffffff; stroke: #2f6f9f; stroke-width: 1.5 } .behind { fill: #eef2f6; stroke: #9aa8b5 }
    .device { fill: #ffffff; stroke: #9aa8b5 }
    .ink { fill: #1f2933 } .muted { fill: #55636f } .blue { fill: #24597f }
    .order { fill: none; stroke: #1f2933; stroke-width: 1.8 } .tip { fill: #1f2933 }
    .place { fill: none; stroke: #2f6f9f; stroke-width: 1.5; stroke-dasharray: 2 4 }
    @media (prefers-color-scheme: dark) {
      .page { fill: #0f151b } .lane { fill: #161e26; stroke: #2c3a46 }
      .together { fill: #16293a; stroke: #6aa9d8 }
      .card { fill: #0f151b; stroke: #6aa9d8 } .behind { fill: #1c262f; stroke: #55636f }
      .device { fill: #0f151b; stroke: #55636f }
      .ink { fill: #e6edf3 } .muted { fill: #a3b1bd } .blue { fill: #8cc1e8 }
      .order { stroke: #e6edf3 } .tip { fill: #e6edf3 } .place { stroke: #6aa9d8 }
    }
"""


class Picture:
    """Draws a configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self._told = configuration
        self._drawn: list[str] = []
        self._boxes: dict[str, tuple[float, float, float, float]] = {}

    def svg(self) -> str:
        """Return the picture."""
        y: float = _HEAD
        for part in self._told.parts():
            y = self._lane(part, y) + 18
        y = self._fencing(y) + 22
        head = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:.0f}" role="img" '
            'aria-labelledby="title desc">',
            f'  <title id="title">{escape(title(self._told))}</title>',
            f'  <desc id="desc">{escape(description(self._told))}</desc>',
            f"  <style>{_STYLE}  </style>",
            '  <defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
            'orient="auto"><path class="tip" d="M0 0 L10 5 L0 10 z"/></marker></defs>',
            f'  <rect class="page" width="{_WIDTH}" height="{y:.0f}"/>',
            _text(_LEFT, 36, f"{self._told.name}.xml", "ink", 20, bold=True),
            '  <path class="order" d="M32 62 H72" marker-end="url(#tip)"/>',
            _text(82, 66, "starts before; a stop is the mirror of it", "muted", 13),
            '  <rect class="behind" x="420" y="51" width="30" height="18" rx="4"/>',
            '  <rect class="card" x="416" y="55" width="30" height="18" rx="4"/>',
            _text(462, 66, "runs on both nodes", "muted", 13),
            '  <rect class="together" x="640" y="52" width="34" height="20" rx="4"/>',
            _text(686, 66, "all on one node", "muted", 13),
        ]
        return "\n".join([*head, *self._drawn, "</svg>"]) + "\n"

    def _lane(self, part: list[str], top: float) -> float:
        """Draw what belongs together; returns where it ends."""
        layers: list[list[str]] = []
        for name in part:
            while len(layers) <= self._told.layer(name):
                layers.append([])
            layers[self._told.layer(name)].append(name)
        gaps = [_CLONE_GAP if self._told.members[names[0]].cloned else _GAP for names in layers]
        tall = [len(names) * (_HIGH + gap) - gap for names, gap in zip(layers, gaps)]
        height = _LANE_HEAD + max(tall) + _PAD
        self._drawn.append(f'  <rect class="lane" x="16" y="{top}" width="{_WIDTH - 32}" height="{height}" rx="10"/>')
        for column, names in enumerate(layers):
            x = _LEFT + column * (_CARD + _BETWEEN)
            y = top + _LANE_HEAD + (max(tall) - tall[column]) / 2
            for number, name in enumerate(names):
                self._boxes[name] = (x, y + number * (_HIGH + gaps[column]), _CARD, _HIGH)
        self._together([name for names in layers for name in names if not self._told.members[name].cloned])
        for column, names in enumerate(layers):
            self._column_head(column, names, top, last=column == len(layers) - 1)
        self._orders(part)
        self._preferred_places(part)
        for name in part:
            self._card(name, self._told.members[name])
        return top + height

    def _column_head(self, column: int, names: list[str], top: float, last: bool) -> None:
        x = _LEFT + column * (_CARD + _BETWEEN)
        when = "first" if column == 0 else "last" if last else "then"
        more = ", side by side" if len(names) > 1 else ""
        self._drawn.append(_text(x, top + 24, f"{when}{more}", "muted", 13))

    def _together(self, names: list[str]) -> None:
        """The area of what is on one node, with where that is."""
        boxes = [self._boxes[name] for name in names]
        left, top = min(box[0] for box in boxes) - 14, min(box[1] for box in boxes) - 12
        right = max(box[0] + box[2] for box in boxes) + 14
        bottom = max(box[1] + box[3] for box in boxes) + 12
        self._drawn.append(
            f'  <rect class="together" x="{left:.0f}" y="{top:.0f}" width="{right - left:.0f}" '
            f'height="{bottom - top:.0f}" rx="10"/>'
        )
        where = " and ".join(self._told.stays_with(names[-1]) or self._told.stays_with(names[0]))
        self._drawn.append(_text(left + 2, top - 7, f"on one node: where {where}", "blue", 12.5))
        for name, node in self._told.preferences:
            if name in names:
                self._drawn.append(_text(right - 2, bottom + 16, f"at best on {node}", "blue", 12.5, anchor="end"))

    def _orders(self, part: list[str]) -> None:
        for first, then, _ in self._told.orders:
            if first in part:
                x, y, width, height = self._boxes[first]
                to_x, to_y, _, to_height = self._boxes[then]
                # Several arrows come to a card side by side.
                others = [each for each, last, _ in self._told.orders if last == then]
                others.sort(key=lambda each: self._boxes[each][1])
                step = min(14, (to_height - 16) / max(len(others) - 1, 1))
                end = to_y + to_height / 2 + (others.index(first) - (len(others) - 1) / 2) * step
                start, middle = y + height / 2, (x + width + to_x) / 2
                self._drawn.append(
                    f'  <path class="order" d="M{x + width:.0f} {start:.0f} C{middle:.0f} {start:.0f} {middle:.0f} '
                    f'{end:.0f} {to_x - 2:.0f} {end:.0f}" marker-end="url(#tip)"/>'
                )

    def _preferred_places(self, part: list[str]) -> None:
        """What is better, but need not be, in the same place: a promotion and a target."""
        for what, where, _, score in self._told.places:
            if what in part and score != "INFINITY":
                x, y, _, height = self._boxes[what]
                _, to_y, _, to_height = self._boxes[where]
                upper, lower = sorted([(y, height), (to_y, to_height)])
                self._drawn.append(
                    f'  <path class="place" d="M{x + 22:.0f} {upper[0] + upper[1]:.0f} V{lower[0]:.0f}"/>'
                )
                y = (upper[0] + upper[1] + lower[0]) / 2
                self._drawn.append(_text(x + 32, y + 1, "promoted at best where this runs", "blue", 12))

    def _card(self, name: str, member: Member) -> None:
        x, y, width, height = self._boxes[name]
        if member.cloned:
            self._drawn.append(
                f'  <rect class="behind" x="{x + 6}" y="{y - 6}" width="{width}" height="{height}" rx="6"/>'
            )
        self._drawn.append(f'  <rect class="card" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>')
        self._drawn.append(_text(x + 14, y + 24, name, "ink", 14.5, bold=True))
        where = ": one is promoted" if member.promotable else ": both nodes" if member.cloned else ""
        self._drawn.append(_text(x + 14, y + 43, f"{member.agent}{where}", "muted", 12.5))

    def _fencing(self, top: float) -> float:
        """How a lost node is made sure to be off, and what else the scheduler is told."""
        y = top + 16
        for number, device in enumerate(self._told.devices):
            x = _LEFT + number * (_CARD + 40 + 20)
            self._drawn.append(f'  <rect class="device" x="{x}" y="{y}" width="{_CARD + 40}" height="{_HIGH}" rx="6"/>')
            self._drawn.append(_text(x + 14, y + 24, device.name, "ink", 14.5, bold=True))
            words = f"fences {device.not_on}, never runs on it" if device.not_on else "fences either node"
            self._drawn.append(_text(x + 14, y + 43, words, "muted", 12.5))
        if not self._told.devices:
            self._drawn.append(_text(_LEFT, y + 24, "no fence device", "ink", 14.5, bold=True))
            self._drawn.append(_text(_LEFT, y + 43, "a node without quorum is reset by its watchdog", "muted", 12.5))
        x = _LEFT + 2 * (_CARD + 60) + 12
        for number, words in enumerate(_options(self._told)):
            self._drawn.append(_text(x, y + 16 + number * 19, words, "muted", 12.5))
        return y + _HIGH


def _options(told: Configuration) -> list[str]:
    names = ("priority-fencing-delay", "no-quorum-policy", "stonith-watchdog-timeout")
    return [f"{name} = {told.options[name]}" for name in names if name in told.options]


def _text(x: float, y: float, words: str, style: str, size: float, *, bold: bool = False, anchor: str = "") -> str:
    more = ' font-weight="bold"' if bold else ""
    more += f' text-anchor="{anchor}"' if anchor else ""
    return f'  <text class="{style}" x="{x:.0f}" y="{y:.0f}" font-size="{size}"{more}>{escape(words)}</text>'


def title(told: Configuration) -> str:
    """Return what the picture shows, in a line."""
    kinds = [member.agent for member in told.members.values()]
    luns, addresses = kinds.count("lio-lun"), kinds.count("portal-ip")
    served = "one disk" if luns == 1 else f"{luns} disks"
    return f"{told.name}.xml: {served}, {'one address' if addresses == 1 else f'{addresses} addresses'}"


def description(told: Configuration) -> str:
    """Return what the picture shows, for who cannot see it: what comes after what, and what is where."""
    sentences = []
    for name in told.members:
        firsts = [f"the {_NOUNS[action]} of {first}" for first, then, action in told.orders if then == name]
        if firsts:
            sentences.append(f"{name} starts after {_and(firsts)}.")
        where = told.stays_with(name)
        if where:
            sentences.append(f"It runs where {_and(where)}.")
    for member, node in told.preferences:
        sentences.append(f"{member} is at best on {node}.")
    for device in told.devices:
        words = f"{device.not_on}, and never runs on it" if device.not_on else "either node"
        sentences.append(f"{device.name} fences {words}.")
    return " ".join([*sentences, *([] if told.devices else ["There is no fence device."])])


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
