# SPDX-License-Identifier: GPL-2.0-or-later
"""The dashboard for Grafana, packaging/prometheus/dashboard.json, from the table of its panels."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

# A panel shows one number, a line for each series, or a band for each series that changes colour with its state.
STAT, LINES, STATES = "stat", "timeseries", "state-timeline"

_COLUMNS = 24
_GREEN, _RED, _ORANGE = "green", "red", "orange"

# Of which servers: one pair, or several.
_JOB = 'job=~"$job"'


@dataclass(frozen=True)
class Panel:
    """A panel: its title, kind, width of 24 columns, and its queries, each with what its series are called. `words`
    stand for the numbers 0, 1, ...; `colours` are those of 0 and 1, or for a number those from each threshold on.
    """

    title: str
    kind: str
    width: int
    queries: tuple[tuple[str, str], ...]
    unit: str = "none"
    words: tuple[str, ...] = ()
    colours: dict[int, str] = field(default_factory=dict)
    description: str = ""
    names: bool = False


def _of(metric: str) -> str:
    return f"{metric}{{{_JOB}}}"


def _rate(metric: str) -> str:
    return f"rate({metric}_total{{{_JOB}}}[$__rate_interval])"


_SERVER = f"on (instance, drbd) ({_of('twinsan_serves')} == 1)"
_YES_NO = {0: _RED, 1: _GREEN}

# The rows of the dashboard: panels with their height.
ROWS: tuple[tuple[int, tuple[Panel, ...]], ...] = (
    (
        4,
        (
            Panel(
                "Serves",
                STAT,
                6,
                ((f"{_of('twinsan_serves')} == 1", "{{drbd}}: {{instance}}"),),
                names=True,
                colours={0: _GREEN},
                description="The server that serves. Nothing here: nobody does.",
            ),
            Panel(
                "If it died now",
                STAT,
                5,
                ((f"{_of('twinsan_standby_ready')} and {_SERVER}", "{{drbd}}"),),
                words=("nobody would serve", "the other one serves"),
                colours=_YES_NO,
                description="What twinsan status predicts on the server that serves.",
            ),
            Panel(
                "in about",
                STAT,
                3,
                ((f"{_of('twinsan_takeover_estimate_seconds')} and {_SERVER}", "{{drbd}}"),),
                unit="s",
                colours={0: _GREEN, 60: _ORANGE},
            ),
            Panel(
                "Not well",
                STAT,
                3,
                (
                    (
                        f"sum(max by (resource, on) ({_of('twinsan_resource_degraded')})) + "
                        f"sum(max by (resource, on) ({_of('twinsan_resource_failed')}))",
                        "resources",
                    ),
                ),
                colours={0: _GREEN, 1: _ORANGE},
                description="Resources that are degraded or have failed: crm_mon -1 says why.",
            ),
            Panel(
                "Failovers",
                STAT,
                3,
                ((f"sum(twinsan_failovers_total{{{_JOB}}})", "failovers"),),
                colours={0: _GREEN},
                description="As the alert agent has seen them, on both servers.",
            ),
            Panel(
                "Longest of the last stalls",
                STAT,
                4,
                ((f"max({_of('twinsan_last_failover_stall_seconds')})", "stall"),),
                unit="s",
                colours={0: _GREEN, 60: _ORANGE},
                description="The time without a portal address in the last failover to each server.",
            ),
        ),
    ),
    (
        6,
        (
            Panel(
                "Who serves",
                STATES,
                12,
                ((_of("twinsan_serves"), "{{drbd}}: {{instance}}"),),
                words=("no", "serves"),
                colours={0: "#e4e9ee", 1: _GREEN},
            ),
            Panel(
                "Servers in service",
                STATES,
                12,
                ((f"max by (on) ({_of('twinsan_node_online')})", "{{on}}"),),
                words=("out of service", "in service"),
                colours=_YES_NO,
            ),
        ),
    ),
    (
        8,
        (
            Panel(
                "Written by initiators",
                LINES,
                8,
                ((_rate("twinsan_lun_written_bytes"), "{{lun}}: {{instance}}"),),
                "Bps",
            ),
            Panel("Read by initiators", LINES, 8, ((_rate("twinsan_lun_read_bytes"), "{{lun}}: {{instance}}"),), "Bps"),
            Panel("Commands", LINES, 8, ((_rate("twinsan_lun_commands"), "{{lun}}: {{instance}}"),), "iops"),
        ),
    ),
    (
        8,
        (
            Panel(
                "Out of sync",
                LINES,
                8,
                ((_of("twinsan_drbd_out_of_sync_bytes"), "{{drbd}}/{{volume}}: {{instance}}"),),
                "bytes",
                description="What a resync has to copy.",
            ),
            Panel(
                "Replication",
                STATES,
                8,
                ((_of("twinsan_drbd_connected"), "{{drbd}}: {{instance}}"),),
                words=("down", "up"),
                colours=_YES_NO,
            ),
            Panel(
                "Disks",
                STATES,
                8,
                ((_of("twinsan_drbd_disk_uptodate"), "{{drbd}}/{{volume}}: {{instance}}"),),
                words=("lacks data", "up to date"),
                colours=_YES_NO,
            ),
        ),
    ),
    (
        7,
        (
            Panel(
                "Would the other one serve",
                STATES,
                8,
                ((f"{_of('twinsan_standby_ready')} and {_SERVER}", "{{drbd}}: {{instance}} dies"),),
                words=("no", "yes"),
                colours=_YES_NO,
            ),
            Panel("Sessions", LINES, 8, ((_of("twinsan_target_sessions"), "{{instance}}"),)),
            Panel(
                "Registered for reservations", LINES, 8, ((_of("twinsan_lun_registrants"), "{{lun}}: {{instance}}"),)
            ),
        ),
    ),
    (
        7,
        (
            Panel(
                "Degraded or failed",
                STATES,
                12,
                (
                    (
                        f"max by (resource, on) ({_of('twinsan_resource_degraded')} > 0 or "
                        f"{_of('twinsan_resource_failed')} > 0)",
                        "{{resource}} on {{on}}",
                    ),
                ),
                words=("well", "not well"),
                colours={0: _GREEN, 1: _ORANGE},
            ),
            Panel(
                "Fence devices",
                STATES,
                6,
                ((f"max by (resource) ({_of('twinsan_fence_device_answers')})", "{{resource}}"),),
                words=("no answer", "answers"),
                colours=_YES_NO,
            ),
            Panel(
                "Thin pools",
                LINES,
                6,
                (
                    (_of("twinsan_thin_pool_data_used_ratio"), "{{pool}}: {{instance}}"),
                    (_of("twinsan_thin_pool_metadata_used_ratio"), "{{pool}} meta data: {{instance}}"),
                ),
                "percentunit",
                description="Empty where there is none.",
            ),
        ),
    ),
)


def places() -> list[tuple[Panel, int, int, int]]:
    """Return the panels with the column and the row that each begins at, and its height."""
    found = []
    top = 0
    for height, panels in ROWS:
        left = 0
        for panel in panels:
            found.append((panel, left, top, height))
            left += panel.width
        assert left == _COLUMNS, [panel.title for panel in panels]
        top += height
    return found


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
        "panels": [
            _panel(number, panel, left, top, height) for number, (panel, left, top, height) in enumerate(places(), 1)
        ],
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
        "thresholds": {"mode": "absolute", "steps": steps or [{"color": _GREEN, "value": None}]},
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
