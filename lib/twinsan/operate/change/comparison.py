# SPDX-License-Identifier: GPL-2.0-or-later
"""A site beside the cluster and this node: what differs, what the change would do, and what else is worth to know."""

from __future__ import annotations

import os

from twinsan.cluster import cib as cluster_cib
from twinsan.cluster import patch, values
from twinsan.errors import Failure, Reason
from twinsan.host import command
from twinsan.operate.change import addition_checks, forecast, maintenance, node_files, secret_files, volumes
from twinsan.site import difference, elements, model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.deadline import Deadline
    from twinsan.operate.change.additions import Additions
    from twinsan.operate.change.forecast import Forecast
    from twinsan.operate.change.node_files import File
    from twinsan.operate.change.secret_files import SecretFiles
    from twinsan.site.difference import Difference
    from twinsan.site.draft import Change
    from twinsan.site.model import Site

NO_FILE = Reason(Failure, "{name} cannot be read: {error}", "name a file that cibadmin --query has written")

NO_CLUSTER = Reason(
    Failure, "the cluster does not answer on this node: {complaint}", "see: systemctl status corosync pacemaker"
)

_DEVICE_CLOSED = (
    "{device} has no password yet, so it does not start; type: crm resource secret {device} set password ..."
)
_ELSEWHERE = "this host is no node of the site, so its files of DRBD and corosync were not looked at"
_OTHER_NODES = "the cluster has the nodes {present}, and the site {wanted}"
_MAINTENANCE = "the cluster is in maintenance mode: what is shown here it does when that ends"
_NO_FENCING = "the cluster does not fence: {name} is {value}; type: crm_attribute --name {name} --delete"
_STOPPED = (
    "{name} stays stopped, for it has target-role=Stopped; type: crm_resource --resource {name} --meta "
    "--delete-parameter target-role"
)
_OUR_MAINTENANCE = (
    "the cluster is in maintenance mode, which twinsan apply has set for a new volume, and was interrupted: it ends "
    "that"
)
_LOST = (
    "hosts that use {luns} get errors from it: first unmount its file system there, and detach the device (ESXi: "
    "esxcli storage filesystem unmount; esxcli storage core device set --state=off --device=NAA)"
)
_PENDING = "the cluster has something to do without any change: {actions}"

# The names of the option that switches fencing off.
_FENCING = ("stonith-enabled", "fencing-enabled")


class Comparison:
    """What differs: the `difference` of the configuration `cib`, the `forecast` of its change, the `files` of this node
    that differ, the `secrets` of targets that have changed, the `volumes` that DRBD lacks, and `notes`. `unusable` is
    why a file with secrets of this node cannot be used. `additions` is what is known of new volumes, None if there are
    none, or if both nodes cannot be asked; `left` are notes of volumes that DRBD has and the site does not.
    """

    def __init__(
        self,
        site: Site,
        cib: _Element,
        found: Difference,
        told: Forecast,
        files: list[File],
        secrets: SecretFiles | None = None,
    ) -> None:
        self.site = site
        self.cib = cib
        self.difference = found
        self.forecast = told
        self.files = files
        self.secrets = secrets or secret_files.SecretFiles()
        self.unusable: Failure | None = None
        self.volumes = volumes.Lacking()
        self.additions: Additions | None = None
        self.left: list[str] = []
        self.notes = [*_notes(self), *self.secrets.notes]

    @property
    def changes(self) -> list[Change]:
        """What differs in the cluster's configuration."""
        return self.difference.changes

    @property
    def differs(self) -> bool:
        """Whether anything differs, in the cluster or on this node."""
        in_drbd = bool(self.volumes.new) or self.is_left_in_maintenance
        return bool(self.changes or self.files or self.secrets.changed or in_drbd)

    @property
    def is_left_in_maintenance(self) -> bool:
        """Whether twinsan apply has set maintenance mode, and was interrupted."""
        return maintenance.is_ours(self.cib)

    @property
    def version(self) -> str:
        """The version of the cluster's configuration."""
        return patch.version(difference.text(self.cib))

    def option(self, name: str) -> str:
        """Return the value of an option of the cluster; "" if it is not set."""
        pairs = self.cib.iterfind("configuration/crm_config/cluster_property_set/nvpair")
        return next((pair.get("value", "") for pair in pairs if pair.get("name") == name), "")

    @property
    def in_maintenance(self) -> bool:
        """Whether the cluster leaves all resources alone."""
        return values.is_true(self.option("maintenance-mode"))

    @property
    def luns(self) -> tuple[list[str], list[str]]:
        """The names of the LUNs that are new, and of those that go."""
        old, new = (
            {str(each.get("id")) for each in tree.iterfind("configuration/resources//primitive[@type='lio-lun']")}
            for tree in (self.cib, self.difference.tree)
        )
        return sorted(new - old), sorted(old - new)

    @property
    def nodes(self) -> list[str]:
        """The names of the cluster's nodes."""
        return sorted(str(node.get("uname")) for node in self.cib.iterfind("configuration/nodes/node"))


def make(
    site: Site,
    folder: str,
    deadline: Deadline,
    *,
    cib_file: str = "",
    with_files: bool = True,
    overwrite: frozenset[str] = frozenset(),
) -> Comparison:
    """Compare a site with the running cluster, or with the configuration in `cib_file`, with files of this node, and
    with DRBD. `folder` is one that only this user can read, `overwrite` are words that name disks. Raises Failure.
    """
    cib = _read(cib_file) if cib_file else current(deadline)
    found = difference.between(cib, site)
    gone = {name for each in found.going for name in each.primitives}
    told = forecast.Forecast(cib, found.stopped, gone)
    told.ask(folder, deadline)
    here = os.uname().nodename in {node.name for node in site.nodes}
    files = node_files.differing(site, deadline) if with_files and here else []
    secrets, unusable = None, None
    if with_files and here:
        try:
            secrets = secret_files.look(site, found.tree, {change.name for change in found.changes}, deadline)
        except Failure as failure:
            unusable = failure
    compared = Comparison(site, cib, found, told, files, secrets)
    if unusable is not None:
        compared.unusable = unusable
        compared.notes.append(str(unusable))
    if with_files and not here:
        compared.notes.append(_ELSEWHERE)
    if not cib_file:
        _look_at_volumes(compared, deadline, overwrite)
        compared.left = node_files.left(site) if with_files and here else []
    return compared


def _look_at_volumes(compared: Comparison, deadline: Deadline, overwrite: frozenset[str]) -> None:
    """See whether DRBD has all volumes. Only if it lacks one, both nodes are asked."""
    try:
        lacking = compared.volumes = volumes.look(compared.site, deadline)
    except Failure as failure:
        compared.volumes.obstacles.append(str(failure))
        return
    compared.notes += lacking.unknown
    if not lacking.new:
        return
    try:
        compared.additions = addition_checks.look(compared.site, lacking.new, overwrite)
        lacking.obstacles += addition_checks.obstacles(compared.additions)
    except (Failure, OSError) as failure:
        lacking.obstacles += addition_checks.unmade(lacking.new, failure)


def current(deadline: Deadline) -> _Element:
    """Return the configuration and status of the running cluster. Raises Failure."""
    try:
        return difference.parse(cluster_cib.query(deadline))
    except command.CommandFailed as failed:
        raise NO_CLUSTER(complaint=failed.result.complaint) from None


def is_old(cib: _Element) -> bool:
    """Whether a configuration has a schema without the role Promoted: one from before Pacemaker 2.1."""
    numbers = str(cib.get("validate-with", "")).rpartition("-")[2].split(".")
    return all(number.isdecimal() for number in numbers) and tuple(map(int, numbers)) < (3, 7)


def require_equal(wanted: _Element, present: _Element) -> None:
    """Raise ChangedMeanwhile if two configurations differ in more than what Pacemaker writes itself."""
    old, new = (difference.text(each) for each in (wanted, present))
    if difference.configuration(wanted) != difference.configuration(present):
        raise patch.CHANGED(old=patch.version(old), new=patch.version(new))


def _read(name: str) -> _Element:
    try:
        with open(name, encoding="utf-8") as file:
            return difference.parse(file.read(), name)
    except (OSError, ValueError) as error:
        raise NO_FILE(name=name, error=getattr(error, "strerror", None) or error) from None


def _notes(compared: Comparison) -> list[str]:
    found = []
    wanted = sorted(node.name for node in compared.site.nodes)
    if compared.nodes and compared.nodes != wanted:
        found.append(_OTHER_NODES.format(present=" ".join(compared.nodes), wanted=" ".join(wanted)))
    if compared.is_left_in_maintenance:
        found.append(_OUR_MAINTENANCE)
    elif compared.in_maintenance:
        found.append(_MAINTENANCE)
    off = [(name, compared.option(name)) for name in _FENCING]
    found += [_NO_FENCING.format(name=name, value=value) for name, value in off if values.is_false(value)]
    pending = compared.forecast.pending
    if pending:
        found.append(_PENDING.format(actions=", ".join(map(str, pending[:6]))))
    going = compared.luns[1]
    found += [_LOST.format(luns=" ".join(going))] if going else []
    found += [_STOPPED.format(name=name) for name in _stopped(compared.difference.tree)]
    if compared.site.fencing.by == model.IPMI:
        found += [_DEVICE_CLOSED.format(device=each) for each in _without_password(compared)]
    return found


def _stopped(cib: _Element) -> list[str]:
    """What is ours, and what holds it, that somebody has stopped: an operator, or an apply that was interrupted before
    it removed what the site has again.
    """
    return [
        str(each.get("id"))
        for each in cib.iterfind("configuration/resources//*")
        if any(primitive.get("provider") == "twinsan" for primitive in each.iter("primitive"))
        and elements.values(each, "meta_attributes").get("target-role") == "Stopped"
    ]


def _without_password(compared: Comparison) -> list[str]:
    """The fence devices that will have no password, nor a script that tells it."""
    found = []
    for node in compared.site.nodes:
        name = f"fence_{node.name}"
        pairs = compared.difference.tree.iterfind(
            f"configuration/resources/primitive[@id='{name}']/instance_attributes/nvpair"
        )
        values = {str(pair.get("name")): pair.get("value") for pair in pairs}
        if not any(values.get(key) for key in ("password", "passwd", "password_script", "passwd_script")):
            found.append(name)
    return found
