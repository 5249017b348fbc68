# SPDX-License-Identifier: GPL-2.0-or-later
"""The picture of the failovers: a bar for each chain, divided into the phases that its time went to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lab.chart import GRID, INK, MUTED, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {
    "detection": "#8d99a6",
    "fencing": "#c9a227",
    "stop": "#2f6f9f",
    "demote": "#5b93bd",
    "promote": "#8fbad9",
    "LUNs": "#d98e5f",
    "address": "#b5562b",
    "initiator": "#6b9a6b",
}
# A part shorter than this share of the axis has no room for its figure.
_LEAST_LABELLED = 0.035
_TITLES = {"switchover": "A switchover", "power cut": "A power cut of the server that serves"}


def draw(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write `path`.svg and `path`.png from the rows of the failovers in result.json."""
    kinds = [kind for kind in _TITLES if any(row["kind"] == kind for row in rows)]
    chosen = {kind: [row for row in rows if row["kind"] == kind] for kind in kinds}
    heights = [len(chosen[kind]) + 1.2 for kind in kinds]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.5, 1.5 + 0.42 * sum(heights)), facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(kinds), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
        for place, kind in zip(axes[:, 0], kinds):
            _bars(place, kind, chosen[kind])
        shown = [name for name in _COLOURS if any(name in row["phases"] for row in rows)]
        handles = [mpl.patches.Patch(color=_COLOURS[name], label=name) for name in shown]
        figure.legend(handles=handles, ncols=len(shown), loc="upper right", frameon=False, fontsize=9.5)
        figure.tight_layout(rect=(0, 0, 1, 0.94), h_pad=2.0)
        figure.savefig(path.with_name(path.name + ".png"), dpi=150)
        figure.savefig(path.with_name(path.name + ".svg"), metadata={"Date": None})


def _bars(axes: Axes, kind: str, rows: Sequence[dict[str, Any]]) -> None:
    totals = [sum(part["median_s"] for part in row["phases"].values()) for row in rows]
    for position, row in enumerate(rows):
        left = 0.0
        for name, part in row["phases"].items():
            seconds = part["median_s"]
            axes.barh(position, seconds, left=left, color=_COLOURS[name], height=0.62, edgecolor="white", linewidth=0.6)
            if seconds > max(totals) * _LEAST_LABELLED:
                axes.text(left + seconds / 2, position, f"{seconds:.1f}", ha="center", va="center", color="white")
            left += seconds
        axes.text(left + max(totals) * 0.008, position, f"{left:.1f} s", va="center", color=INK, fontweight="bold")
    axes.set_yticks(range(len(rows)), [f"{row['agents']}, {_luns(row['luns'])}" for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, max(totals) * 1.08)
    axes.set_title(f"{_TITLES[kind]}: seconds, medians", loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, pad=6, labelcolor=MUTED)
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)


def _luns(count: int) -> str:
    return "1 LUN" if count == 1 else f"{count} LUNs"
