# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps of a take-over of a running pair, in their order: what to type, and what stops for how long.

DRBD goes on as it is, neither demoted nor restarted. The new configuration is made beside the old one and takes its
place in one change, in maintenance mode, so that the cluster stops nothing that it does not know any more.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from twinsan.operate.adoption import drbd_file, fencing, migration
from twinsan.operate.adoption.cib import FENCING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.adoption.cib import Cib, Primitive
    from twinsan.operate.adoption.found import Found, Secret
    from twinsan.site.model import Resource, Site

_BOTH, _ONE, _SERVING = "on both nodes", "on one node", "on the node that serves"

# At boot it would make its own targets, and at shutdown remove those of the cluster. It is not stopped here, because it
# would remove what is served.
_SERVICES = "systemctl disable rtslib-fb-targetctl || systemctl disable target"

# The first schema of the configuration that knows the role Promoted.
_SCHEMA = (3, 7)

_STOP = "crm_resource --resource {name} --meta --set-parameter target-role --parameter-value Stopped"
_WAIT = "crm_resource --wait --timeout 120"
# After a change of the whole configuration the coordinator lets each node join again, and writes down what the node
# told of its resources when it did: what was forgotten meanwhile is known again, and would be stopped without its
# parameters.
_COORDINATOR = "crm_mon -1 | sed -n 's/.*Current DC: \\([^ ]*\\) .*/\\1/p'"
_FORGET = (
    f'until crmadmin --status "$({_COORDINATOR})" | grep -q S_IDLE && '
    "! cibadmin --query --xpath \"//lrm_resource[@id='{name}']\" >/dev/null 2>&1; "
    f"do crm_resource --refresh --resource {{name}}; {_WAIT}; done"
)

# What the cluster keeps of its own, beside the set of a rendered site; it would win.
_OURS = "san-cluster-options"
_OPTIONS = (
    "priority-fencing-delay",
    "load-threshold",
    "start-failure-is-fatal",
    "cluster-recheck-interval",
    "pe-error-series-max",
    "maintenance-mode",
)


@dataclass(frozen=True)
class Step:
    """A step: what is done, where, the lines to write into a file, and the commands. `pause` says what hosts notice."""

    what: str
    where: str
    commands: tuple[str, ...]
    lines: tuple[str, ...] = ()
    pause: str = ""


class Old:
    """What the take-over removes of a configuration: `members`, with the `replicas` among them, and the fence devices
    that have the names of new ones.
    """

    def __init__(self, cib: Cib, members: list[Primitive], replicas: list[Primitive], nodes: list[str]) -> None:
        self.cib = cib
        self.members = members
        self.replicas = replicas
        new = {f"fence_{node}" for node in nodes} | {"fence_sbd"}
        devices = fencing.devices(cib)
        self.renewed = [device for device in devices if device.name in new]
        self.further = [device for device in devices if device.name not in new]

    @property
    def tops(self) -> list[str]:
        """The outermost resources with a member."""
        found = {each.top for each in self.members}
        return [top for top in self.cib.tops if top in found]

    @property
    def served(self) -> list[str]:
        """The outermost resources to stop: all but the replicas."""
        replicas = {each.top for each in self.replicas}
        return [top for top in self.tops if top not in replicas]

    def strangers(self) -> list[Primitive]:
        """Return what stands in the same group or clone as a member, and is none."""
        names = {each.name for each in self.members}
        return [each for each in self.cib.primitives if each.top in self.tops and each.name not in names]

    def deletions(self) -> Iterator[str]:
        """Yield the words for cibadmin that name each element to delete from the configuration, constraints first."""
        yield from self._with_constraints(self.tops)
        yield from self._with_constraints([device.top for device in self.renewed])
        for pair in self.cib.options((*_OPTIONS, *(FENCING if self.cib.is_fencing_off else ())), _OURS):
            yield _named("nvpair", pair)

    def deletions_at_last(self) -> list[str]:
        """Return the same for the old fence devices that are deleted at the end."""
        return list(self._with_constraints([device.top for device in self.further]))

    def _with_constraints(self, tops: list[str]) -> Iterator[str]:
        parts = {part for each in self.cib.primitives if each.top in tops for part in (each.name, *each.inside)}
        for constraint in self.cib.constraints_of(parts):
            yield _named(constraint.tag, constraint.name)
        for top in dict.fromkeys(tops):
            yield _named(self.cib.tops[top], top)


def _named(tag: str, name: str) -> str:
    """Return the words for cibadmin that name an element of the configuration."""
    if tag == "master":
        # An upgrade may have made a clone of it.
        return f"--xpath {shlex.quote(f'//resources/*[@id={quoteattr(name)}]')}"
    return f"--xml-text {shlex.quote(f'<{tag} id={quoteattr(name)}/>')}"


def steps(found: Found, old: Old, site_file: str, site: Site | None) -> list[Step]:
    """Return the steps. `site_file` is the name of the site file; `site` is None as long as it has mistakes."""
    return [
        Step(
            "Install twinsan, and see that targetcli's service does not start again", _BOTH, ("make install", _SERVICES)
        ),
        *(secret_step(secret) for secret in (*found.fencing.secrets, *found.secrets)),
        *drbd_steps(found),
        Step(
            "Render the site. Use its cib.xml; leave DRBD's and corosync's files as they are",
            _SERVING,
            (f"twinsan render {shlex.quote(site_file)} --output rendered",),
        ),
        Step(
            "Make the new configuration beside the old one, in files that nobody else can read: they hold secrets. The "
            "last command has nothing to do: it stops nothing",
            _SERVING,
            tuple(_make(old)),
        ),
        Step("See that all disks are UpToDate, and that nobody has changed the configuration", _SERVING, _SEE),
        Step(
            "Take over. Type all of it at once: it stops what serves, puts the new configuration in its place, lets "
            "the cluster forget the old agent of DRBD, and starts what is new. DRBD goes on. If it ends early, go back "
            "by the last step",
            _SERVING,
            tuple(_take_over(old, found)),
            pause="hosts get no answer until it ends",
        ),
        Step("Compare serials and products with those of the site file", _SERVING, migration.IDENTITY),
        Step(
            "See that the cluster is as the site file says; DRBD's file may differ. From now on, change the site file "
            "and type twinsan apply",
            _SERVING,
            (f"twinsan render --diff {shlex.quote(site_file)}",),
        ),
        *_last(old),
        _back(site),
    ]


_SEE = ("drbdadm status", f"{migration.KEEP.partition(' >')[0]} | diff - before.xml")


def secret_step(secret: Secret) -> Step:
    """Return the step that puts a secret into its file."""
    return Step(f"Put a secret into {secret.path}", secret.on, secret.commands)


def drbd_steps(found: Found) -> Iterator[Step]:
    """Yield a step for each DRBD resource that is known and whose file has to say more."""
    for served in found.served:
        lines = drbd_file.missing(served.resource, served.replica)
        place = served.replica.file if served.replica and served.replica.file else f"/etc/drbd.d/{served.resource}.res"
        if lines and served.resource:
            what = f"Let DRBD call twinsan: give the resource in {place} these options, in place of others that it has"
            yield Step(what, _BOTH, (f"drbdadm adjust {shlex.quote(served.resource)}",), tuple(lines))


def _make(old: Old) -> Iterator[str]:
    if (0, 0) < old.cib.schema < _SCHEMA:
        yield "cibadmin --upgrade --force"
    yield migration.PRIVATE
    yield migration.KEEP
    yield "cibadmin --query >after.cib"
    yield 'export CIB_file="$PWD/after.cib"'
    for element in old.deletions():
        yield f"cibadmin --delete {element}"
    yield "cibadmin --modify --allow-create --xml-file rendered/cib.xml"
    yield "crm_attribute --name maintenance-mode --update true"
    yield "cibadmin --query --scope configuration >after.xml"
    yield "unset CIB_file"
    yield "crm_simulate --xml-file after.cib"


def _take_over(old: Old, found: Found) -> Iterator[str]:
    """Yield the commands of the pause. A command that fails ends them: nothing is started beside what still serves."""
    yield "(set -e"
    for top in reversed(old.served):
        yield _STOP.format(name=shlex.quote(top))
    yield _WAIT
    for served in found.served:
        yield f"test ! -e {shlex.quote('/sys/kernel/config/target/iscsi/' + served.target.iqn)}"
    yield "cibadmin --replace --scope configuration --xml-file after.xml"
    for each in old.replicas:
        yield _FORGET.format(name=each.name)
    yield "crm_attribute --name maintenance-mode --delete"
    yield f"{_WAIT})"
    yield "crm_mon -1"
    if any(each.kind == "portblock" for each in old.members):
        # Some versions of portblock leave a rule behind, which would keep hosts away.
        yield "{ iptables --list-rules; nft list ruleset; } 2>/dev/null | grep -i -E 'port.*(drop|reject)'"


def _last(old: Old) -> Iterator[Step]:
    elements = old.deletions_at_last()
    if elements:
        commands = tuple(f"cibadmin --delete {element}" for element in elements)
        yield Step("When the new fence devices are Started, delete the old ones", _ONE, commands)


def _back(site: Site | None) -> Step:
    names = [name for resource in site.resources for name in _names(resource)] if site else ["EACH_NEW_RESOURCE"]
    return Step(
        "If anything is wrong, go back. All that is new has to be stopped before",
        _SERVING,
        (*(_STOP.format(name=name) for name in names), _WAIT, migration.RESTORE),
        pause="hosts get no answer for a minute or more: DRBD and the old agents start anew",
    )


def _names(resource: Resource) -> list[str]:
    served = [resource.called("g_san")] if resource.grouped else list(reversed(resource.parts))
    return [*served, resource.called("c_target"), resource.called("ms_drbd")]
