# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard for Grafana, packaging/prometheus/dashboard.json, from the table of its panels."""

from __future__ import annotations

import json
from typing import Any

from tools import panels
from tools.panels import GREEN, LINES, STAT, STATES, Panel


def render() -> str:
    """Return the dashboard as JSON."""
    dashboard = {
        "title": "twinsan",
        "uid": "twinsan",
        "description": "A pair of servers that is one iSCSI SAN: what `twinsan metrics` prints.",
        "tags": ["iscsi", "drbd", "pacemaker"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_data_source(), _jobs()]},
        "panels": [_panel(number, *place) for number, place in enumerate(panels.places(), 1)],
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _data_source() -> dict[str, Any]:
    return {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}


def _jobs() -> dict[str, Any]:
    query = "label_values(twinsan_info, job)"
    return {
        "name": "job",
        "label": "Pair",
        "type": "query",
        "datasource": _SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "job"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _panel(number: int, panel: Panel, left: int, top: int, height: int) -> dict[str, Any]:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": {"x": left, "y": top, "w": panel.width, "h": height},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": panel.kind == STAT,
                "range": panel.kind != STAT,
            }
            for index, (expression, legend) in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": []},
        "options": _options(panel),
    }


def _defaults(panel: Panel) -> dict[str, Any]:
    steps = [
        {"color": colour, "value": None if index == 0 else threshold}
        for index, (threshold, colour) in enumerate(panel.colours.items())
    ]
    found: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "color": {"mode": "thresholds" if panel.colours else "palette-classic"},
        "thresholds": {"mode": "absolute", "steps": steps or [{"color": GREEN, "value": None}]},
        "mappings": [],
    }
    if panel.words:
        options = {str(number): {"index": number, "text": word} for number, word in enumerate(panel.words)}
        found["mappings"] = [{"type": "value", "options": options}]
    if panel.kind == LINES:
        found["custom"] = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
    return found


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == STAT:
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background",
            "graphMode": "none",
            "textMode": "name" if panel.names else "value",
        }
    if panel.kind == STATES:
        return {"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "legend": {"showLegend": False}}
    return {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True}, "tooltip": {"mode": "multi"}}
