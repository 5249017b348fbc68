# SPDX-License-Identifier: GPL-2.0-or-later
"""The head of the cluster's configuration: what it is, the chain as a picture, and what is a pair's own."""

from __future__ import annotations

import textwrap

from twinsan.site import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Resource, Site

_WIDTH = 120
# The most names of one kind in the picture.
_MOST_NAMES = 3

_STANDS_BY = "The target stands by on the node that does not serve: a failover leaves it alone."
_LUN_NUMBERS = (
    "LUN numbers begin with 1: in place of a LUN 0 that is gone, LIO presents an empty disk that reads as zeros."
)
_LOAD = "Load it into a running cluster, and again after a change, with either of:"

# What a pair changes of the fence devices.
_FENCING = {
    model.IPMI: "pcmk_host_list (the node names in the cluster), ip, username; cipher 17 if the BMC refuses 3; {}",
    model.SBD: "pcmk_host_list (the node names in the cluster), devices; the file sbd has to name the same disk",
    model.WATCHDOG: "nothing here; the file sbd has the watchdog of the servers",
}

_NONE = "password, which is empty here: without it neither device starts"
_KEPT = "password, which the cluster keeps: crm resource secret fence_NODE set password ..., once for each device"


def text(site: Site, name: str) -> str:
    """Return the text of the comment at the head of the file `name`."""
    lines = ["", *_title(site)]
    for resource in site.resources:
        lines += ["", *_chain(resource, named=len(site.resources) > 1)]
    lines += ["", f"  {_STANDS_BY}", "", "  What to change for a pair of your own:", *_changes(site), ""]
    lines += [f"  {_LUN_NUMBERS}", "", f"  {_LOAD}"]
    lines += [f"    crm configure load xml update {name}", f"    cibadmin -M -c -x {name}", ""]
    return "\n".join(lines)


def wrapped(paragraph: str, indent: str) -> str:
    """Return a paragraph in lines of the width of a file."""
    return textwrap.fill(paragraph, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def _title(site: Site) -> list[str]:
    said = site.description or f"The SAN {site.name}: {' and '.join(node.name for node in site.nodes)}."
    return [line for paragraph in said.splitlines() for line in wrapped(paragraph, "  ").splitlines() or [""]]


def _chain(resource: Resource, *, named: bool) -> list[str]:
    """The order of starts as a picture."""
    promoted = f"promote {resource.called('ms_drbd')} (one node) "
    target = f"{resource.called('c_target')} (both nodes) "
    width = max(len(promoted), len(target)) + 2
    begin = "    start    "
    luns = _names([lun.name for lun in resource.luns])
    portals = _names([portal.name for portal in resource.portals])
    middle = f"{' ' * (len(begin) + width)}+=> {luns} => {portals}"
    mirror = "     stop in the mirror of it"
    lines = [
        f"{begin}{promoted.ljust(width, '=')}.",
        middle + (mirror if len(middle + mirror) <= _WIDTH else ""),
        f"{' ' * len(begin)}{target.ljust(width, '=')}'",
    ]
    if len(middle + mirror) > _WIDTH:
        lines += ["    stop     in the mirror of it"]
    if not named:
        return lines
    where = f", at best on {resource.preferred}" if resource.preferred else ""
    return [f"  {resource.name}{where}:", *lines]


def _names(names: list[str]) -> str:
    """A few names, or the first and the last of many."""
    shown = names if len(names) <= _MOST_NAMES else [names[0], "...", names[-1]]
    return " ".join(shown) + (" (side by side)" if len(names) > 1 else "")


def _password(site: Site) -> str:
    """Where the password of the BMCs comes from."""
    given = site.fencing.parameters
    if "password_script" in given:
        return "password_script, a program on both nodes"
    return _KEPT if given.get("password") else _NONE


def _changes(site: Site) -> list[str]:
    """What a pair of its own changes, for each resource of the cluster."""
    rows = [("fencing", _FENCING[site.fencing.by].format(_password(site)))]
    for resource in site.resources:
        rows.append((resource.called("p_drbd"), "drbd_resource, state_device" if resource.state else "drbd_resource"))
        rows.append((resource.called("p_target"), ", ".join(["iqn", "portals", *list(resource.target)[1:]])))
        rows += [(lun.name, ", ".join(["target_iqn", "path", *lun.parameters])) for lun in resource.luns[:1]]
        rows += [(portal.name, ", ".join(portal.parameters)) for portal in resource.portals]
        if len(resource.luns) > 1:
            rows[-1 - len(resource.portals)] = (_span(resource), rows[-1 - len(resource.portals)][1])
        if resource.preferred:
            rows.append((resource.called("san") + f"-prefers-{resource.preferred}", "node"))
    width = max(12, *(len(row[0]) + 2 for row in rows))
    lines = []
    for name, what in rows:
        filled = wrapped(what, " " * (4 + width)).splitlines()
        lines += [f"    {name.ljust(width)}{filled[0].strip()}", *filled[1:]]
    return lines


def _span(resource: Resource) -> str:
    return _names([lun.name for lun in resource.luns]).replace(" (side by side)", "")
