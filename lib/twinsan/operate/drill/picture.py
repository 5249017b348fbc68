# SPDX-License-Identifier: GPL-2.0-or-later
"""A drill as a picture: when each LUN was written, the pause, and what the pair did meanwhile. One file, SVG."""

from __future__ import annotations

from xml.etree import ElementTree as ET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.drill.outcome import Pause, Phase

_WIDTH, _LEFT, _RIGHT, _TOP, _LANE = 960.0, 140.0, 24.0, 64.0, 30.0
_SECONDS_AROUND = 2.0

# One for light and one for dark pages. The phases differ in lightness, too, for those who do not see the colours.
_STYLE = """
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1f2933 }
.title { font-size: 17px; font-weight: 600 }
.small { font-size: 11px; fill: #6b7785 }
.back { fill: #ffffff } .grid { stroke: #e4e9ee } .write { fill: #2f6f9f } .pause { fill: #f6c9a8 }
.phase0 { fill: #20455f } .phase1 { fill: #5c8db0 } .phase2 { fill: #a9c9de }
.phase3 { fill: #d9a441 } .phase4 { fill: #a8480f } .phase5 { fill: #f0d9b5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6ebf0 } .small { fill: #9aa7b4 } .back { fill: #14191f } .grid { stroke: #2a323b }
  .write { fill: #6fb1e0 } .pause { fill: #7a4523 }
}
"""


class _Scale:
    """The places of moments, between the first and the last of the picture."""

    def __init__(self, first: float, last: float) -> None:
        self.first = first
        self.last = last
        self._per_second = (_WIDTH - _LEFT - _RIGHT) / max(last - first, 0.001)

    def x(self, moment: float) -> float:
        """The place of a moment."""
        return _LEFT + (min(max(moment, self.first), self.last) - self.first) * self._per_second


def draw(title: str, lanes: dict[str, list[float]], pauses: dict[str, Pause], phases: list[Phase]) -> str:
    """Return the picture. `lanes` has the moments of writes and reads by name, `pauses` the longest pause of each that
    has one.
    """
    begins = [phase.begin for phase in phases] + [pause.begin for pause in pauses.values()]
    ends = [phase.end for phase in phases] + [pause.end for pause in pauses.values()]
    begin, end = min(begins, default=0.0), max(ends, default=1.0)
    scale = _Scale(begin - _SECONDS_AROUND, end + _SECONDS_AROUND)
    height = _TOP + _LANE * (len(lanes) + 2) + 64.0
    size = {"width": f"{_WIDTH:.0f}", "height": f"{height:.0f}", "viewBox": f"0 0 {_WIDTH:.0f} {height:.0f}"}
    picture = ET.Element("svg", {"xmlns": "http://www.w3.org/2000/svg", "role": "img", **size})
    ET.SubElement(picture, "title").text = title
    ET.SubElement(picture, "style").text = _STYLE
    _box(picture, "back", 0.0, 0.0, _WIDTH, height)
    _text(picture, title, 24.0, 34.0, "title")
    bottom = _TOP + _LANE * (len(lanes) + 1)
    _add_seconds(picture, scale, begin, bottom)
    for number, (name, times) in enumerate(lanes.items()):
        _add_lane(picture, scale, name, times, pauses.get(name), _TOP + _LANE * number)
    _add_phases(picture, scale, phases, _TOP + _LANE * len(lanes))
    _add_legend(picture, phases, bottom + 40.0)
    return ET.tostring(picture, encoding="unicode") + "\n"


def _add_seconds(picture: ET.Element, scale: _Scale, begin: float, bottom: float) -> None:
    """Lines for whole seconds since the beginning, at most about a dozen of them numbered."""
    step = max(1, round((scale.last - scale.first) / 12))
    second = 0
    while begin + second <= scale.last:
        x = scale.x(begin + second)
        places = {"x1": f"{x:.1f}", "x2": f"{x:.1f}", "y1": f"{_TOP - 8:.1f}", "y2": f"{bottom:.1f}"}
        ET.SubElement(picture, "line", {"class": "grid", **places})
        _text(picture, f"{second} s", x - 8.0, bottom + 16.0, "small")
        second += step


def _add_lane(
    picture: ET.Element, scale: _Scale, name: str, times: list[float], pause: Pause | None, top: float
) -> None:
    _text(picture, name, 24.0, top + 18.0, "")
    if pause:
        _box(picture, "pause", scale.x(pause.begin), top + 2.0, scale.x(pause.end) - scale.x(pause.begin), _LANE - 6.0)
        _text(picture, f"{pause.seconds:.1f} s", scale.x((pause.begin + pause.end) / 2) - 14.0, top + 18.0, "")
    for moment in times:
        if scale.first <= moment <= scale.last:
            _box(picture, "write", scale.x(moment) - 0.75, top + 8.0, 1.5, 12.0)


def _add_phases(picture: ET.Element, scale: _Scale, phases: list[Phase], top: float) -> None:
    _text(picture, "the pair", 24.0, top + 18.0, "")
    for number, phase in enumerate(phases):
        width = scale.x(phase.end) - scale.x(phase.begin)
        box = _box(picture, f"phase{number % 6}", scale.x(phase.begin), top + 2.0, width, _LANE - 6.0)
        ET.SubElement(box, "title").text = f"{phase.name}: {phase.seconds:.1f} s"


def _add_legend(picture: ET.Element, phases: list[Phase], top: float) -> None:
    place = 24.0
    for number, phase in enumerate(phases):
        label = f"{phase.name} {phase.seconds:.1f} s"
        _box(picture, f"phase{number % 6}", place, top, 12.0, 12.0)
        _text(picture, label, place + 18.0, top + 11.0, "")
        place += 18.0 + 7.5 * len(label) + 20.0


def _box(picture: ET.Element, kind: str, x: float, y: float, width: float, height: float) -> ET.Element:
    places = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{max(width, 0.5):.1f}", "height": f"{height:.1f}"}
    return ET.SubElement(picture, "rect", {"class": kind, **places})


def _text(picture: ET.Element, text: str, x: float, y: float, kind: str) -> None:
    words = ET.SubElement(picture, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", **({"class": kind} if kind else {})})
    words.text = text
