# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture of the dashboard, drawn from what Prometheus answered to its queries: at the places of its panels, in its
colours and with its words. It is not Grafana, which Debian does not have.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from lab.chart import GRID, INK, MUTED, STYLE
from tools import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from lab.prometheus import Prometheus, Series
    from tools.panels import Panel

# The names that Grafana has for colours.
_COLOURS = {"green": "#56a64b", "red": "#e02f44", "orange": "#ff9830"}
_LINES = ("#2f6f9f", "#d9822b", "#5b8f3a", "#8a5fb0", "#b04a5a", "#4aa3a3", "#7a7a7a", "#c2a83e")
_UNITS = {"Bps": "B/s", "bytes": "B", "iops": "/s"}
# Between the ticks of the time axis, in seconds, by how long it is.
_TICKS = (15, 60, 120, 120, 180, 300)
_WIDTH_IN, _ROW_IN, _HEAD_IN = 15.0, 0.42, 0.75


@dataclass(frozen=True)
class Answer:
    """What Prometheus answered to a query of a panel: its series, each with its name."""

    panel: Panel
    expression: str
    series: list[tuple[str, list[tuple[float, float]]]]


def ask(prometheus: Prometheus, job: str, begin: float, end: float, step: float) -> list[Answer]:
    """Put each query of the dashboard to Prometheus, as Grafana would for the pair that is scraped as `job`."""
    return [
        Answer(panel, expression, [(_name(legend, labels), values) for labels, values in found])
        for panel, *_ in panels.places()
        for expression, legend in panel.queries
        for found in [_put(prometheus, panel, _filled(expression, job, step), begin, end, step)]
    ]


def _filled(expression: str, job: str, step: float) -> str:
    """A query with Grafana's variables filled in: the pair, and four scrapes for a rate."""
    return expression.replace("$__rate_interval", f"{max(4 * step, 20):.0f}s").replace("$job", job)


def _put(prometheus: Prometheus, panel: Panel, expression: str, begin: float, end: float, step: float) -> Series:
    if panel.kind == panels.STAT:
        return [(labels, [(end, value)]) for labels, value in prometheus.instant(expression, end)]
    return prometheus.over_time(expression, begin, end, step)


def _name(legend: str, labels: dict[str, str]) -> str:
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match[1], ""), legend)


def draw(answers: list[Answer], begin: float, end: float, caption: str, path: Path) -> None:
    """Write the picture to `path`, which ends in .png."""
    rows = sum(height for height, _ in panels.ROWS)
    height = rows * _ROW_IN + _HEAD_IN
    with mpl.rc_context({**STYLE, "font.size": 8}):
        figure = Figure(figsize=(_WIDTH_IN, height), facecolor="#f4f5f7")
        FigureCanvasAgg(figure)
        figure.text(0.012, 1 - 0.3 / height, "twinsan", fontsize=15, fontweight="bold", va="center")
        figure.text(0.075, 1 - 0.3 / height, caption, fontsize=8.5, color=MUTED, va="center")
        for panel, left, top, tall in panels.places():
            box = (
                left / 24,
                1 - (_HEAD_IN + (top + tall) * _ROW_IN) / height,
                panel.width / 24,
                tall * _ROW_IN / height,
            )
            series = [each for answer in answers if answer.panel is panel for each in answer.series]
            _draw_panel(figure, panel, box, series, (begin, end))
        figure.savefig(path, dpi=110)


def _draw_panel(
    figure: Figure, panel: Panel, box: tuple[float, float, float, float], series: list[Any], span: tuple[float, float]
) -> None:
    left, bottom, width, height = box
    gap_x, gap_y = 0.003, 0.0035
    frame = figure.add_axes((left + gap_x, bottom + gap_y, width - 2 * gap_x, height - 2 * gap_y))
    frame.set_facecolor("white")
    frame.set_xticks([])
    frame.set_yticks([])
    for side in frame.spines.values():
        side.set_color(GRID)
    inches = height * figure.get_figheight()
    figure.text(left + gap_x + 0.006, bottom + height - 0.19 / inches * height, panel.title, fontsize=9, va="center")
    if panel.kind == panels.STAT:
        _draw_number(frame, panel, series)
        return
    names = max((len(name) for name, _ in series), default=0) if panel.kind == panels.STATES else 7
    margin = min(0.45 * width, 0.0045 * names + 0.008)
    columns = max(1, panel.width // 3)
    legend = 0.17 * -(-len(series) // columns) + 0.1 if panel.kind == panels.LINES else 0.0
    lower, upper = (0.36 + legend) / inches * height, 0.34 / inches * height
    axes = figure.add_axes((left + margin + gap_x, bottom + lower, width - margin - 0.02, height - lower - upper))
    axes.set_xlim(0, span[1] - span[0])
    axes.tick_params(length=0, pad=3, labelsize=7.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value // 60:.0f}:{value % 60:02.0f}"))
    axes.xaxis.set_major_locator(MultipleLocator(_TICKS[min(len(_TICKS) - 1, int((span[1] - span[0]) / 150))]))
    for name in ("top", "right", "left"):
        axes.spines[name].set_visible(False)
    axes.spines["bottom"].set_color(GRID)
    if not series:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no data", transform=axes.transAxes, ha="center", color=MUTED)
    elif panel.kind == panels.STATES:
        _draw_states(axes, panel, series, span[0])
    else:
        _draw_lines(axes, panel, series, span[0])
        place = {
            "loc": "lower left",
            "bbox_to_anchor": (left + 0.01, bottom + 0.004),
            "bbox_transform": figure.transFigure,
        }
        axes.legend(**place, ncols=columns, frameon=False, fontsize=7, handlelength=1.2, borderpad=0.2)


def _draw_number(frame: Axes, panel: Panel, series: list[Any]) -> None:
    value = series[0][1][-1][1] if series else None
    frame.set_facecolor(_colour(panel, value) if value is not None else "white")
    word = "no data" if value is None else series[0][0] if panel.names else _word(panel, value)
    colour = INK if value is None else "white"
    size = 15 if len(word) < 14 else 11
    frame.text(0.5, 0.42, word, transform=frame.transAxes, ha="center", va="center", fontsize=size, color=colour)


def _draw_states(axes: Axes, panel: Panel, series: list[Any], origin: float) -> None:
    for row, (_, values) in enumerate(reversed(series)):
        steps = [later[0] - earlier[0] for earlier, later in zip(values, values[1:])]
        step = min(steps, default=5.0)
        spans = [(moment - origin, step * 1.02) for moment, _ in values]
        colours = [_colour(panel, value) for _, value in values]
        axes.broken_barh(spans, (row - 0.36, 0.72), facecolors=colours, linewidth=0)
    axes.set_yticks(range(len(series)), [name for name, _ in reversed(series)])
    axes.set_ylim(-0.6, len(series) - 0.4)


def _draw_lines(axes: Axes, panel: Panel, series: list[Any], origin: float) -> None:
    for number, (name, values) in enumerate(series):
        steps = [later[0] - earlier[0] for earlier, later in zip(values, values[1:])]
        step = min(steps, default=5.0)
        times: list[float] = []
        heights: list[float] = []
        for index, (moment, value) in enumerate(values):
            if index and moment - values[index - 1][0] > 1.5 * step:
                # Prometheus had nothing in between.
                times.append(moment - origin)
                heights.append(float("nan"))
            times.append(moment - origin)
            heights.append(value)
        colour = _LINES[number % len(_LINES)]
        axes.plot(times, heights, color=colour, linewidth=1.3, label=name)
        axes.fill_between(times, heights, color=colour, alpha=0.1, linewidth=0)
    axes.set_ylim(bottom=0)
    if axes.get_ylim()[1] < 1:
        axes.set_ylim(0, 1)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.7)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=panel.unit == "none"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _amount(panel, value)))


def _word(panel: Panel, value: float) -> str:
    number = int(value)
    return panel.words[number] if 0 <= number < len(panel.words) else _amount(panel, value)


def _amount(panel: Panel, value: float) -> str:
    if panel.unit == "percentunit":
        return f"{value:.0%}"
    if panel.unit == "s":
        return f"{value:.1f} s"
    if panel.unit in ("Bps", "bytes"):
        for power, prefix in ((20, "Mi"), (10, "Ki")):
            if value >= 1 << power:
                return f"{value / (1 << power):.3g} {prefix}{_UNITS[panel.unit]}"
    return f"{value:.3g}{' ' + _UNITS[panel.unit] if panel.unit in _UNITS else ''}"


def _colour(panel: Panel, value: float) -> str:
    found = "#8a97a5"
    for threshold, colour in panel.colours.items():
        if value >= threshold:
            found = colour
    return _COLOURS.get(found, found)


def save(answers: list[Answer], begin: float, end: float, path: Path) -> None:
    """Keep the answers beside the picture, to draw it again."""
    kept = [{"title": each.panel.title, "expression": each.expression, "series": each.series} for each in answers]
    path.write_text(json.dumps({"begin": begin, "end": end, "drawn": time.time(), "answers": kept}))


def load(path: Path) -> tuple[list[Answer], float, float]:
    """Read what was kept, for the panels that there are now."""
    kept = json.loads(path.read_text())
    by_title = {panel.title: panel for panel, *_ in panels.places()}
    answers = [
        Answer(by_title[each["title"]], each["expression"], [(name, values) for name, values in each["series"]])
        for each in kept["answers"]
        if each["title"] in by_title
    ]
    return answers, kept["begin"], kept["end"]
