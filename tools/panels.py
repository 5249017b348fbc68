# SPDX-License-Identifier: GPL-2.0-or-later
"""The panels of the dashboard for Grafana: what each shows, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

# A panel shows one number, a line for each series, or a band for each series that changes colour with its state.
STAT, LINES, STATES = "stat", "timeseries", "state-timeline"

_COLUMNS = 24
GREEN, RED, ORANGE = "green", "red", "orange"

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
_YES_NO = {0: RED, 1: GREEN}

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
                colours={0: GREEN},
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
                colours={0: GREEN, 60: ORANGE},
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
                colours={0: GREEN, 1: ORANGE},
                description="Resources that are degraded or have failed: crm_mon -1 says why.",
            ),
            Panel(
                "Failovers",
                STAT,
                3,
                ((f"sum(twinsan_failovers_total{{{_JOB}}})", "failovers"),),
                colours={0: GREEN},
                description="As the alert agent has seen them, on both servers.",
            ),
            Panel(
                "Longest of the last stalls",
                STAT,
                4,
                ((f"max({_of('twinsan_last_failover_stall_seconds')})", "stall"),),
                unit="s",
                colours={0: GREEN, 60: ORANGE},
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
                colours={0: "#e4e9ee", 1: GREEN},
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
                colours={0: GREEN, 1: ORANGE},
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
