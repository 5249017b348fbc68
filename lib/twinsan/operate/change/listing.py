# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of what differs between a site and a cluster, for people and for programs."""

from __future__ import annotations

from twinsan.operate.change import forecast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinsan.operate.change.comparison import Comparison
    from twinsan.operate.change.forecast import Forecast
    from twinsan.site.draft import Change

# The most characters of a value on a line.
_LONGEST = 160

_HEADINGS = {
    forecast.NOTHING: "Interrupts nothing:",
    forecast.STARTS: "Starts something, and interrupts nothing:",
    forecast.UNKNOWN: "Not known what it interrupts:",
    forecast.RESTARTS: "Restarts something:",
    forecast.STOPS: "Stops something, or takes it away:",
}

_OBSTACLES = "In the way, in DRBD:"


def text(compared: Comparison) -> str:
    """Return the list for people."""
    lines = [] if compared.additions is None else compared.additions.rows()
    if compared.volumes.obstacles:
        lines += [_OBSTACLES, *(f"  {each}" for each in compared.volumes.obstacles), ""]
    judged = compared.forecast.judge(compared.changes)
    for consequence, heading in _HEADINGS.items():
        group = [change for change, found in judged.items() if found == consequence]
        if group:
            lines += [heading, *_rows(group), ""]
    if compared.changes:
        lines += [*_effect(compared.forecast), *_once(compared.forecast.not_reloadable(compared.changes))]
    for file in compared.files:
        lines += [f"{file.place}: {file.what}", *(f"  {each}" for each in file.rows()), ""]
    for target in compared.secrets.changed:
        lines += [
            f"{target.name}: its secrets have changed. That interrupts nothing.",
            *(f"  {row}" for row in target.rows),
        ]
        lines.append("")
    lines += [f"Note: {note}" for note in [*compared.notes, *compared.left]]
    return "\n".join(lines).rstrip()


def changes(listed: Iterable[Change]) -> str:
    """Return a list of changes without what they do."""
    return "\n".join(_rows(list(listed)))


def as_json(compared: Comparison) -> dict[str, object]:
    """Return the list for programs: its names never change."""
    told = compared.forecast
    judged = told.judge(compared.changes)
    return {
        "differs": compared.differs,
        "version": compared.version,
        "changes": [
            {
                "sign": each.sign,
                "name": each.name,
                "attribute": each.attribute,
                "old": each.old,
                "new": each.new,
                "consequence": judged[each],
            }
            for each in compared.changes
        ],
        "scheduler": not told.why_unknown,
        "actions": [
            {"action": each.verb, "resource": each.resource, "node": each.node, "reason": each.reason}
            for each in told.actions
        ],
        "interrupted_luns": told.luns(),
        "not_reloadable": told.not_reloadable(compared.changes),
        "files": [
            {
                "file": each.place,
                "changes": [
                    {"sign": one.sign, "setting": one.attribute, "old": one.old, "new": one.new} for one in each.changes
                ],
            }
            for each in compared.files
        ],
        "secrets": [{"resource": target.name, "because": target.rows} for target in compared.secrets.changed],
        "volumes": [
            {"volume": each.name, "device": each.volume.device, "purpose": each.purpose, "disks": each.volume.disks}
            for each in compared.volumes.new
        ],
        "obstacles": compared.volumes.obstacles,
        "notes": [*compared.notes, *compared.left],
    }


def _value(change: Change) -> str:
    """What a change has on its line. Of two long lists only what differs is shown."""
    if change.old is None or change.new is None:
        return _shortened(change.new or change.old or "")
    if len(change.old) + len(change.new) <= _LONGEST:
        return f"{change.old} -> {change.new}"
    old, new = change.old.split(), change.new.split()
    said = [f"-{word}" for word in old if word not in new] + [f"+{word}" for word in new if word not in old]
    return _shortened(" ".join(said) or "another order")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _rows(group: list[Change]) -> list[str]:
    name = max(len(change.name) for change in group)
    attribute = min(max(len(change.attribute) for change in group), 30)
    return [
        f"  {each.sign} {each.name.ljust(name)}  {each.attribute.ljust(attribute)}  {_value(each)}".rstrip()
        for each in group
    ]


def _effect(told: Forecast) -> Iterator[str]:
    """What the cluster does, in its own order."""
    if told.why_unknown:
        yield f"What the cluster does is not known: {told.why_unknown}. The agents' declarations were used."
        yield ""
        return
    listed = [str(action) for action in told.actions]
    if not listed:
        yield "The cluster starts, stops and reloads nothing for it."
    else:
        shown = listed if len(listed) <= 12 else [*listed[:12], f"and {len(listed) - 12} more"]
        yield f"The cluster will: {', '.join(shown)}."
    luns = told.luns()
    if luns:
        shown = luns if len(luns) <= 8 else [*luns[:8], "..."]
        yield f"That interrupts {len(luns)} LUN{'s' if len(luns) > 1 else ''}: {' '.join(shown)}"
    elif listed:
        yield "That interrupts no LUN."
    yield ""


def _once(found: list[str]) -> list[str]:
    """Why something restarts that a reload could change, and how to have it at another time."""
    if not found:
        return []
    return [
        f"{' '.join(found)}: a reload is not possible this time. The cluster did not start what runs there; a probe "
        "found it (after crm_resource --refresh or --cleanup, or a restart of Pacemaker in maintenance mode). It "
        "restarts once. To choose the time, put one node after the other to standby first, each when twinsan status "
        "says that all is well: crm_attribute --node NODE --name standby --update on; and back: crm_attribute "
        "--node NODE --name standby --delete",
        "",
    ]
