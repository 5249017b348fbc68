# SPDX-License-Identifier: GPL-2.0-or-later
"""A CIB with a status, and the variables of events, as Pacemaker 2.1.5 and 3.0.0 give them to an alert agent."""

from __future__ import annotations

from collections.abc import Sequence

MOMENT = 1_700_000_000.0


def result(
    resource: str,
    task: str,
    code: int = 0,
    *,
    reason: str = "",
    at: float = MOMENT,
    interval: int = 0,
    lasted: int = 0,
    state: int = 0,
) -> tuple[str, str]:
    """The history entry of an action, by its resource."""
    said = f' exit-reason="{reason}"' if reason else ""
    entry = (
        f'<lrm_rsc_op id="{resource}_{task}_{interval}" operation="{task}" rc-code="{code}" op-status="{state}" '
        f'interval="{interval}" last-rc-change="{at:.0f}" exec-time="{lasted}"{said}/>'
    )
    return resource, entry


def cib(
    history: dict[str, Sequence[tuple[str, str]]] | None = None,
    *,
    attributes: dict[str, dict[str, str]] | None = None,
    constraints: str = "",
    expected: dict[str, str] | None = None,
) -> str:
    """The CIB of a pair, with the history of actions and the attributes of its nodes."""
    states = ""
    for node in ("atlas", "zeus"):
        entries: dict[str, str] = {}
        for resource, entry in (history or {}).get(node, ()):
            entries[resource] = entries.get(resource, "") + entry
        resources = "".join(f'<lrm_resource id="{name}">{all_of}</lrm_resource>' for name, all_of in entries.items())
        pairs = "".join(f'<nvpair name="{n}" value="{v}"/>' for n, v in (attributes or {}).get(node, {}).items())
        states += (
            f'<node_state uname="{node}" expected="{(expected or {}).get(node, "member")}"><transient_attributes>'
            f"<instance_attributes>{pairs}</instance_attributes></transient_attributes>"
            f"<lrm><lrm_resources>{resources}</lrm_resources></lrm></node_state>"
        )
    return f"""<cib><configuration><nodes><node uname="atlas"/><node uname="zeus"/></nodes><resources>
<primitive id="fence_zeus" class="stonith" type="fence_ipmilan"/>
<clone><primitive id="p_drbd" class="ocf" provider="twinsan" type="drbd-vaai"/></clone>
<group><primitive id="p_lun1" class="ocf" provider="twinsan" type="lio-lun"/>
<primitive id="p_portal" class="ocf" provider="twinsan" type="portal-ip"><instance_attributes>
<nvpair name="ip" value="10.0.5.50"/></instance_attributes></primitive></group></resources>
<constraints>{constraints}</constraints></configuration><status>{states}</status></cib>"""


def action(
    task: str,
    code: int = 0,
    *,
    resource: str = "p_drbd",
    node: str = "zeus",
    expected: int = 0,
    interval: int = 0,
    status: int = 0,
    at: float = MOMENT,
) -> dict[str, str]:
    """The variables of an event about a resource's action."""
    facts = {"rsc": resource, "task": task, "rc": code, "target_rc": expected, "interval": interval, "status": status}
    return variables("resource", node, at=at, desc="Not in the reason", exec_time=12, **facts)


def variables(kind: str, node: str, *, at: float = MOMENT, **facts: object) -> dict[str, str]:
    """The variables of an event."""
    common = {"kind": kind, "node": node, "version": "3.0.0", "node_sequence": 7, "recipient": ""}
    times = {"timestamp": "21:00:00.5", "timestamp_epoch": int(at), "timestamp_usec": int(at % 1 * 1e6)}
    return {f"CRM_alert_{name}": str(value) for name, value in {**common, **times, **facts}.items()}
