# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan apply``: make the running cluster what a site file says, after asking. Import it after `packages.find`."""

from __future__ import annotations

import os
import sys

from twinsan.cluster import cib, patch, values
from twinsan.deadline import Deadline
from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.host import private_folder
from twinsan.operate import luns, reading
from twinsan.operate.change import (
    comparison,
    drbd_files,
    listing,
    maintenance,
    making,
    secret_files,
    settling,
    steps,
    volumes,
)
from twinsan.operate.setting_up import disk_checks
from twinsan.site import difference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lxml.etree import _Element

    from twinsan.operate.change.comparison import Comparison
    from twinsan.site.model import Site

# For all queries and one change; for the cluster to settle after a change.
_SECONDS = 120.0
_SECONDS_TO_SETTLE = 300.0

NOT_ASKED = Reason(Failure, "there is no terminal to ask on", "read what it would do, then type it again with --yes")
OTHER_NODES = Reason(
    Failure, "the cluster has the node {node}, which the site does not have", "name the nodes as crm_node --list does"
)
NOT_STOPPABLE = Reason(
    Failure,
    "{name} is to be removed, and the cluster does not manage it now ({why})",
    "let the cluster manage it again, then type this again",
)
OLD_SCHEMA = Reason(
    Failure,
    "the cluster's configuration has the schema {schema}, which does not have the roles Promoted and Unpromoted",
    "type: cibadmin --upgrade --force; then this again",
)
MISSING = Reason(Failure, "nothing is changed, for DRBD does not have what the site serves:{volumes}")
LEFT_IN_MAINTENANCE = Reason(
    Failure,
    "the cluster is in maintenance mode, since twinsan apply was interrupted as it made a volume: it moves nothing",
    f"mend the above, then type this again; or, when no volume is Inconsistent on both nodes: {maintenance.END}",
)
NOT_MADE = Reason(
    Failure, "the volumes are made, and DRBD still does not serve all of them:{volumes}", "type this again"
)
NOT_STOPPED = Reason(
    Failure, "{name} has not stopped on {nodes}, so nothing was removed", "see crm_mon -1; then type this again"
)


_ON_HOSTS = (
    "On each host, so that it sees {luns}: esxcli storage core adapter rescan --all (ESXi); iscsiadm -m session "
    "--rescan (Linux); Update-HostStorageCache (Windows)"
)
_ON_HOSTS_GONE = (
    "On each host, so that it forgets {luns}: esxcli storage core adapter rescan --all (ESXi); "
    "echo 1 >/sys/block/DISK/device/delete (Linux); Update-HostStorageCache (Windows)"
)


def apply(site_file: str, *, assume_yes: bool, overwrite: frozenset[str] = frozenset()) -> int:
    """Apply a site file. `overwrite` are words that name disks. Returns the exit status: 2 if the file has mistakes,
    which are printed, or a word names no disk of it.
    """
    site = reading.site(site_file)
    if site is None:
        return reading.WRONG
    try:
        disk_checks.require_words(site, overwrite)
    except Misconfigured as wrong:
        print(f"twinsan: {wrong}", file=sys.stderr)
        return reading.WRONG
    return bring(site, assume_yes=assume_yes, overwrite=overwrite)


def bring(site: Site, *, assume_yes: bool, with_files: bool = True, overwrite: frozenset[str] = frozenset()) -> int:
    """Make the running cluster what `site` says, and with `with_files` install DRBD's files on this node. Prints what
    differs and asks, unless `assume_yes`. Returns the exit status: 1 if the operator says no, or if something is not
    well at the end. Raises Failure; nothing is changed if it is not said otherwise.
    """
    with private_folder.made() as folder:
        compared = comparison.make(site, folder, Deadline(_SECONDS), with_files=with_files, overwrite=overwrite)
        _require_possible(compared)
        if not compared.differs:
            told = [*compared.secrets.notes, *compared.left]
            _print("\n".join(["nothing differs", *(f"Note: {note}" for note in told)]))
            return _end(settling.wait(_SECONDS_TO_SETTLE, _print))
        _print(listing.text(compared))
        of_volumes = {each.resource.name for each in compared.volumes.new}
        files = [each for each in compared.files if each.resource is None or each.resource.name not in of_volumes]
        install = drbd_files.prepare(files, folder, Deadline(_SECONDS), _print)
        in_drbd = bool(compared.volumes.new) or compared.is_left_in_maintenance
        secrets = compared.secrets
        if not (compared.changes or install or secrets.changed or in_drbd):
            _print("nothing that twinsan apply changes differs")
            return _end("")
        if not assume_yes and not _confirmed():
            _print("nothing was changed")
            return 1
        other = " ".join(node.name for node in site.nodes if node.name != os.uname().nodename)
        drbd_files.install(install, _print, other)
        if in_drbd:
            compared = _make_volumes(compared, folder, with_files=with_files)
        secret_files.put(secrets, site, _print)
        doing = _change(compared, folder) if compared.changes else ""
        if not doing:
            secret_files.take(secrets, site, _print)
        _tell_hosts(compared)
        return _end(doing, {target.name for target in secrets.changed})


def _make_volumes(compared: Comparison, folder: str, *, with_files: bool) -> Comparison:
    """Make new volumes, or end the maintenance mode that an interrupted command has left. Returns the comparison as it
    is then. Raises Failure if somebody else has changed the configuration.
    """
    if compared.additions is not None:
        making.make(compared.additions, folder, _print)
    elif compared.is_left_in_maintenance:
        making.end_maintenance(compared.site, folder, _print)
    now = comparison.make(compared.site, folder, Deadline(_SECONDS), with_files=with_files)
    lacking = [*now.volumes.obstacles, *(each.name for each in now.volumes.new)]
    if lacking:
        raise NOT_MADE(volumes="\n  ".join(["", *lacking]))
    before = maintenance.without(compared.cib)
    try:
        comparison.require_equal(before, now.cib)
    except patch.ChangedMeanwhile:
        _tell_what_changed(before, before)
        raise
    return now


def _tell_hosts(compared: Comparison) -> None:
    """Say what to type on the hosts, which do not see by themselves that a LUN has come or gone."""
    for names, text in zip(compared.luns, (_ON_HOSTS, _ON_HOSTS_GONE)):
        if names:
            _print(text.format(luns=" ".join(names)))


def _require_possible(compared: Comparison) -> None:
    """Raise Failure if the site is that of another cluster, or needs what is not there, before anything is changed."""
    site = compared.site
    strange = [name for name in compared.nodes if name not in {node.name for node in site.nodes}]
    if strange:
        raise OTHER_NODES(node=strange[0])
    if comparison.is_old(compared.cib):
        raise OLD_SCHEMA(schema=compared.cib.get("validate-with"))
    if compared.unusable is not None:
        raise compared.unusable
    for each in compared.difference.going:
        in_maintenance = compared.in_maintenance and not compared.is_left_in_maintenance
        why = "maintenance mode" if in_maintenance else _unmanaged(compared.cib, [each.name, *each.primitives])
        if why:
            raise NOT_STOPPABLE(name=each.name, why=why)
    missing = [*compared.volumes.obstacles]
    for resource in compared.volumes.down:
        missing += volumes.without_metadata(resource, Deadline(_SECONDS))
    if missing and compared.is_left_in_maintenance:
        missing.append(LEFT_IN_MAINTENANCE.text())
    if missing:
        raise MISSING(volumes="\n  ".join(["", *missing]))


def _unmanaged(configuration: _Element, names: list[str]) -> str:
    """What keeps the cluster from stopping a resource."""
    for name in names:
        for pair in configuration.iterfind(f"configuration/resources//*[@id='{name}']/meta_attributes/nvpair"):
            key, value = pair.get("name"), pair.get("value")
            if (key == "is-managed" and values.is_false(value)) or (key == "maintenance" and values.is_true(value)):
                return f"{key}={value}"
    return ""


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise NOT_ASKED()  # noqa: RSE102  a Reason, which makes the exception
    _print("Change this? [y/N] ", end="")
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _change(compared: Comparison, folder: str) -> str:
    """Change the cluster's configuration, step by step; each waits until the one before is done. Returns what the
    cluster is still doing in the end. What interrupts something does not begin while it is at work.
    """
    site, found = compared.site, compared.difference
    now, doing = compared.cib, ""
    first = steps.harmless(now, site, found, compared.forecast, folder, Deadline(_SECONDS))
    if first is not None:
        now, doing = _step(folder, now, first, "what interrupts nothing")
        if doing:
            _print("Nothing more is changed now. When it has settled, type twinsan apply again.")
            return doing
        found = difference.between(now, site)
    if difference.text(found.stopped) != difference.text(now):
        now, doing = _step(folder, now, found.stopped, "all else" if first is not None else "all changes")
    if found.going:
        _require_stopped([name for each in found.going for name in each.primitives])
        now, doing = _step(folder, now, difference.between(now, site).tree, "what has stopped is removed")
    return doing


def _step(folder: str, old: _Element, new: _Element, what: str) -> tuple[_Element, str]:
    """Change the configuration in one step, and wait until the cluster has settled. Returns the configuration then, and
    what the cluster is still doing. Raises Failure if somebody else has changed it.
    """
    before = difference.text(old)
    try:
        patch.apply(folder, before, difference.text(new), Deadline(_SECONDS))
        _print(f"changed: {what}")
        # This node may hear of it a moment later than the one that made it.
        Deadline(_SECONDS).wait_until(
            lambda: patch.version(cib.query_version(Deadline(_SECONDS))) != patch.version(before),
            "this node has the new configuration",
        )
        doing = settling.wait(_SECONDS_TO_SETTLE, _print)
        if doing:
            _print(f"the cluster is still at work: {doing}")
        now = comparison.current(Deadline(_SECONDS))
        comparison.require_equal(new, now)
    except patch.ChangedMeanwhile:
        _tell_what_changed(old, new)
        raise
    return now, doing


def _tell_what_changed(old: _Element, new: _Element) -> None:
    now = comparison.current(Deadline(_SECONDS))
    changes = min(difference.since(old, now), difference.since(new, now), key=len)
    if changes:
        _print("Somebody else has changed:")
        _print(listing.changes(changes))
    _print("Nothing more is changed now. Look at it, then type twinsan apply again.")


def _require_stopped(names: list[str]) -> None:
    """Raise Failure if one of these resources runs somewhere."""
    for name in names:
        nodes = luns.running_on(name, Deadline(_SECONDS))
        if nodes:
            raise NOT_STOPPED(name=name, nodes=" ".join(nodes))


def _end(doing: str, mended: Collection[str] = ()) -> int:
    """Tell what is not well in the end. Of the resources that were `mended` a failure that the cluster remembers is
    over. Returns the exit status.
    """
    if doing:
        _print(f"not settled: {doing}; see: crm_mon -1")
    ailing = settling.ailments(Deadline(_SECONDS), mended)
    for each in ailing:
        _print(f"not well: {each}")
    return 1 if doing or ailing else 0


def _print(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)
