# SPDX-License-Identifier: GPL-2.0-or-later
"""What the file of a DRBD resource has to say for twinsan, beside what it says."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.adoption.found import Notes, Replica

_HANDLERS = {name: f"/usr/sbin/twinsan {name}" for name in ("fence-peer", "unfence-peer", "split-brain")}
_FENCING = "resource-and-stonith"
_SUSPEND = "options.on-no-data-accessible"

# Of DRBD 9 alone, with what it is by default.
_OF_9 = {"options.auto-promote": "no", "options.quorum": "off"}

# Handlers that others call where twinsan calls unfence-peer.
_UNFENCING = ("crm-unfence-peer", "drbd-unfence")


def missing(name: str, replica: Replica | None) -> list[str]:
    """Return what the file lacks, as lines of a resource `name`; all of it for a resource that is not known."""
    given = replica.options if replica else {}
    lines = []
    if given.get(_SUSPEND) != "suspend-io":
        lines.append("  options { on-no-data-accessible suspend-io; }")
    lacking = {word: path for word, path in _HANDLERS.items() if given.get(f"handlers.{word}") != path}
    if lacking:
        lines.append("  handlers { " + " ".join(f'{word} "{path}";' for word, path in lacking.items()) + " }")
    if _FENCING not in (given.get("net.fencing"), given.get("disk.fencing")):
        lines.append(f"  net {{ fencing {_FENCING}; }}    # with DRBD 8.4: disk {{ ... }}")
    differing = [f"{key.partition('.')[2]} {value};" for key, value in _OF_9.items() if given.get(key) != value]
    # Only the file of 8.4 has the fencing of a resource in its section disk.
    if differing and "disk.fencing" not in given:
        lines.append(f"  options {{ {' '.join(differing)} }}    # with DRBD 9 alone")
    return [f"resource {name} {{", *lines, "}"] if lines else []


def check(replica: Replica, notes: Notes) -> None:
    """Note what the file says against the rules of twinsan."""
    place = replica.file or f"DRBD resource {replica.name}"
    for key, value in replica.options.items():
        section, _, name = key.partition(".")
        if name.startswith("after-sb-") and value != "disconnect":
            notes.lose(
                place, f"{name} {value}", "it may discard data by itself. Take it out: disconnect is the default"
            )
        if name == "allow-two-primaries" and value != "no":
            notes.lose(place, f"{name} {value}", "take it out: a disk is written from one node")
        if section == "handlers" and name not in _HANDLERS and any(word in value for word in _UNFENCING):
            notes.lose(place, f'handler {name} "{value}"', "take it out: DRBD calls twinsan unfence-peer instead")
    if replica.paths > 1:
        notes.change(f"{replica.name}: {replica.paths} paths", "the site has the first one; DRBD's own file keeps all")
    if not all(volume.internal for volume in replica.volumes):
        notes.lose(
            place,
            "meta-data that is not internal",
            "keep this file. That of twinsan render has internal meta-data: never copy it over this one",
        )
