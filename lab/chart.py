# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of a run: how long each write took, where I/O stalled, and what happened to the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import RendererAgg

    from lab.load import Write
    from lab.report import Event, Phase, Stall

INK = "#1f2933"
MUTED = "#6b7785"
GRID = "#e4e9ee"
_WRITE = "#2f6f9f"
_STALL = "#f6c9a8"
_STALL_INK = "#a8480f"
_ERROR = "#c81e1e"
_STALL_PALE = "#fbe6d8"

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "svg.fonttype": "path",
    "svg.hashsalt": "twinsan",
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
}

_LATENCIES = {1: "1 ms", 10: "10 ms", 100: "100 ms", 1000: "1 s", 10000: "10 s", 100000: "100 s"}
_LANES = 6
_LANE_HEIGHT = 0.06
_LONG_MS = 1000
_LEAST_MS = 0.05


@dataclass(frozen=True)
class Caption:
    """The two lines above the picture."""

    title: str
    subtitle: str


def draw(
    writes: Sequence[Write],
    events: Sequence[Event],
    stalls: Sequence[Stall],
    phases: Sequence[Phase],
    caption: Caption,
    path: Path,
) -> None:
    """Write `path`.svg and `path`.png."""
    origin = min(write.start for write in writes)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 6), facecolor="white")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0.088, 0.098, 0.895, 0.5))
        _frame(axes, writes, origin)
        _shade(axes, stalls, origin)
        _scatter(axes, writes, origin)
        _mark(axes, events, origin, canvas.get_renderer())  # type: ignore[no-untyped-call]
        _name_phases(axes, phases, origin)
        figure.text(0.018, 0.938, caption.title, fontsize=17, fontweight="bold")
        figure.text(0.018, 0.893, caption.subtitle, fontsize=10.5, color=MUTED)
        figure.savefig(path.with_name(path.name + ".png"), dpi=150)
        figure.savefig(path.with_name(path.name + ".svg"), dpi=150, metadata={"Date": None})


def _frame(axes: Axes, writes: Sequence[Write], origin: float) -> None:
    """Axes, scales and grid."""
    latencies = [max(write.latency_ms, _LEAST_MS) for write in writes]
    axes.set_xlim(0, max(write.end for write in writes) - origin)
    axes.set_yscale("log")
    axes.set_ylim(min(1.0, *latencies) * 0.8, max(1000.0, *latencies) * 2.5)
    axes.yaxis.set_major_locator(FixedLocator(list(_LATENCIES)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _LATENCIES.get(round(value), "")))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_locator(MaxNLocator(14, steps=[1, 2, 3, 5, 6, 10]))
    axes.set_xlabel("seconds since the load began", labelpad=6)
    axes.set_ylabel("time until a write was acknowledged", labelpad=8)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GRID)


def _shade(axes: Axes, stalls: Sequence[Stall], origin: float) -> None:
    """A band for every stall, with its length."""
    for stall in stalls:
        begin, end = stall.begin - origin, stall.end - origin
        axes.axvspan(begin, end, color=_STALL, alpha=0.45, linewidth=0, zorder=0.5)
        arrow = {"arrowstyle": "<->", "color": _STALL_INK, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.2}
        axes.annotate("", (begin, 0.5), (end, 0.5), xycoords=("data", "axes fraction"), arrowprops=arrow, zorder=3)
        axes.annotate(
            f"{stall.seconds:.1f} s",
            ((begin + end) / 2, 0.57),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="center",
            fontsize=12,
            fontweight="bold",
            color=_STALL_INK,
            bbox={"boxstyle": "square,pad=0.15", "facecolor": _STALL_PALE, "edgecolor": "none"},
            zorder=3,
        )


def _scatter(axes: Axes, writes: Sequence[Write], origin: float) -> None:
    """A dot for every write, at the time it began."""
    kinds = (
        ([write for write in writes if not write.error and write.latency_ms < _LONG_MS], _WRITE, 5, 0.35),
        ([write for write in writes if not write.error and write.latency_ms >= _LONG_MS], _STALL_INK, 22, 0.9),
        ([write for write in writes if write.error], _ERROR, 30, 0.9),
    )
    for chosen, colour, size, alpha in kinds:
        starts = [write.start - origin for write in chosen]
        latencies = [max(write.latency_ms, _LEAST_MS) for write in chosen]
        axes.scatter(starts, latencies, s=size, c=colour, alpha=alpha, linewidths=0, rasterized=True, zorder=2)


def _mark(axes: Axes, events: Sequence[Event], origin: float, renderer: RendererAgg) -> None:
    """A line and a label for every event; labels that would touch stand in different lanes."""
    to_axes = axes.transAxes.inverted()
    lanes = Lanes()
    for event in sorted(events, key=lambda event: event.time):
        position = (event.time - origin) / axes.get_xlim()[1]
        label = axes.text(position, 0, event.text, transform=axes.transAxes, fontsize=9.5, va="center", zorder=4)
        label.set_bbox({"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"})
        width = float(label.get_window_extent(renderer).transformed(to_axes).width) + 0.015
        left = min(position, 1.01 - width)
        height = 1.045 + _LANE_HEIGHT * lanes.place(position, left, width)
        label.set_position((left + 0.006, height))
        axes.plot(
            [position, position],
            [0, height + 0.02],
            transform=axes.transAxes,
            color=INK,
            linewidth=0.8,
            alpha=0.5,
            clip_on=False,
            zorder=1,
        )


class Lanes:
    """The lines of text above the picture. Labels come in order of their position, each as high as it can stand."""

    def __init__(self) -> None:
        self._free_from = [float("-inf")] * _LANES

    def place(self, position: float, left: float, width: float) -> int:
        """The lane, 0 for the lowest, of a label that begins at `left` and whose line stands at `position`.

        The line goes through all lower lanes, so it should find them free as well.
        """
        fitting = [lane for lane in range(_LANES) if self._free_from[lane] <= left]
        uncrossed = [lane for lane in fitting if all(free <= position for free in self._free_from[:lane])]
        emptiest = self._free_from.index(min(self._free_from))
        lane = max(uncrossed, default=max(fitting, default=emptiest))
        self._free_from[lane] = left + width
        return lane


def _name_phases(axes: Axes, phases: Sequence[Phase], origin: float) -> None:
    """The name of each phase, above a line as long as it lasted."""
    across = axes.get_xaxis_transform()
    height = 1.05 + _LANE_HEIGHT * _LANES
    for phase in phases:
        begin, end = phase.begin - origin, phase.end - origin
        axes.plot([begin, end], [height, height], transform=across, color=MUTED, linewidth=2, clip_on=False)
        axes.text(begin, height + 0.025, phase.name, transform=across, fontsize=11, fontweight="bold", color=MUTED)
