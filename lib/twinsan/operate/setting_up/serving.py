# SPDX-License-Identifier: GPL-2.0-or-later
"""The last steps: the cluster gets its configuration, and serves."""

from __future__ import annotations

from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Reason
from twinsan.operate.setting_up import nodes
from twinsan.operate.setting_up.cluster_checks import primitives
from twinsan.operate.setting_up.steps import Step
from twinsan.site import cib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.setting_up.nodes import Pair

NO_PROPERTIES = Reason(DeadlinePassed, "the cluster has a coordinator and its properties", "see: crm_mon -1")
NOT_LOADED = Reason(
    Failure,
    "the cluster does not take its configuration: {complaint}",
    "see: twinsan render {site} --only cib.xml; then type: twinsan apply {site}",
)
NOT_SERVED = Reason(
    DeadlinePassed,
    "{portal} runs on a node",
    "see what failed: crm_mon -1; crm_resource --why --resource {portal}; when that is mended: crm_resource --cleanup",
)

_SECONDS_FOR_PROPERTIES = 60.0
_SECONDS_TO_SERVE = 300.0


class Load(Step):
    """The cluster's configuration has all resources of the site."""

    what = "Give the cluster its configuration"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        has = self._pair.facts_of(self._pair.here)
        return has.cluster is not None and primitives(self._pair.site) <= set(has.cluster.resources)

    def do(self) -> str:
        def has_properties() -> bool:
            # A change that meets the coordinator while it writes its own properties is refused.
            words = ("crm_attribute", "--quiet", "--query", "--name", "cluster-infrastructure")
            return nodes.run(self._pair.here, *words, check=False).ok

        Deadline(_SECONDS_FOR_PROPERTIES).wait_until(has_properties, NO_PROPERTIES.text(), interval=1.0)
        text = cib.text(self._pair.site)
        words = ("cibadmin", "--modify", "--allow-create", "--xml-pipe")
        result = nodes.run(self._pair.here, *words, given=text, check=False)
        if not result.ok:
            raise NOT_LOADED(complaint=result.complaint, site=self._pair.site_file)
        return ""


class Serve(Step):
    """Each address of the site is up on a node, which it is only when all behind it is."""

    what = "Wait until the SAN serves"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._portals = [portal.name for resource in pair.site.resources for portal in resource.portals]

    def is_done(self) -> bool:
        return self._pair.served and all(_where(self._pair, name) for name in self._portals)

    def do(self) -> str:
        deadline = Deadline(_SECONDS_TO_SERVE)
        for portal in self._portals:
            wanted = NOT_SERVED.text(portal=portal)
            deadline.wait_until(lambda name=portal: bool(_where(self._pair, name)), wanted, interval=1.0)  # type: ignore[misc]
        return ""


def summary(pair: Pair) -> str:
    """Return what the pair serves, where, and what to type on the hosts."""
    lines = []
    for resource in pair.site.resources:
        for portal in resource.portals:
            where = " ".join(_where(pair, portal.name)) or "no node"
            lines.append(f"  {portal.address}:{portal.port}  {resource.iqn}  served by {where}")
        for node in pair.nodes:
            state = nodes.replica(node, resource.name)
            if state is not None and node.is_here and not state.in_sync:
                lines.append(
                    f"  {resource.name} is not redundant yet; see how far it is: drbdadm status {resource.name}"
                )
    first = pair.site.resources[0]
    lines += [
        "What to type on the hosts:",
        f"  ESXi:  esxcli iscsi adapter discovery sendtarget add -A vmhbaNN -a {first.portals[0].address}",
        f"  all of it, for ESXi, Linux and Windows: twinsan render {pair.site_file} --output FOLDER; see FOLDER/hosts",
        "Keep the site file. When it changes: twinsan apply " + pair.site_file,
    ]
    return "\n".join(lines)


def _where(pair: Pair, name: str) -> list[str]:
    """The nodes on which a resource of the cluster runs."""
    printed = nodes.run(pair.here, "crm_resource", "--locate", "--resource", name, check=False).stdout
    found = (line.partition(" is running on: ")[2].split() for line in printed.splitlines())
    return [words[0] for words in found if words]
