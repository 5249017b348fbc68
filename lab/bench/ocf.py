# SPDX-License-Identifier: GPL-2.0-or-later
"""Actions of resource agents as Pacemaker calls them: in its environment, one by one, without the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lab.bench.metering import Step
from lab.machine import Machine

_FOLDER = "/usr/lib/ocf/resource.d"

# Pacemaker 3.0.0. HOME is not among it: the preferences of targetcli would be those of root.
_ALWAYS = {
    "HA_LOGFACILITY": "daemon",
    "HA_logfacility": "daemon",
    "HOME": "/run/bench.home",
    "LC_ALL": "C",
    "OCF_EXIT_REASON_PREFIX": "ocf-exit-reason:",
    "OCF_OUTPUT_FORMAT": "text",
    "OCF_RA_VERSION_MAJOR": "1",
    "OCF_RA_VERSION_MINOR": "1",
    "OCF_ROOT": "/usr/lib/ocf",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "PCMK_logfacility": "daemon",
}
_CLONE = {"clone": "0", "clone_max": "2", "clone_node_max": "1", "globally_unique": "false"}
_PROMOTABLE = {"promoted_max": "1", "promoted_node_max": "1", "master_max": "1", "master_node_max": "1"}

# Long enough for the slowest of them on a user-mode kernel.
_MILLISECONDS = 240_000
_TEN_SECONDS = 10_000


@dataclass(frozen=True)
class Cluster:
    """What the cluster tells of itself: the node that an action runs on, the other one, and its feature set."""

    node: str
    peer: str
    feature_set: str


@dataclass(frozen=True)
class Agent:
    """A resource: `name` is PROVIDER:TYPE; `kind` is "" or what it is besides: clone, promotable. `notified` is whether
    the instances hear of each other's actions.
    """

    name: str
    resource: str
    parameters: dict[str, str] = field(default_factory=dict)
    kind: str = ""
    notified: bool = False

    def step(
        self,
        action: str,
        cluster: Cluster | None = None,
        *,
        role: str = "",
        expected: Sequence[int] = (0,),
        aged: Sequence[str] = (),
        until: Sequence[str] = (),
        traced: bool = False,
    ) -> Step:
        """A call of an action; of a recurring monitor if it is monitor. Without a cluster, as by hand."""
        provider, kind = self.name.split(":")
        environment = {
            **_ALWAYS,
            "OCF_RESOURCE_INSTANCE": self.resource,
            "OCF_RESOURCE_PROVIDER": provider,
            "OCF_RESOURCE_TYPE": kind,
        }
        if action != "meta-data":
            environment |= {f"OCF_RESKEY_{name}": value for name, value in self.parameters.items()}
            environment |= {f"OCF_RESKEY_CRM_meta_{name}": value for name, value in self._meta(action, role).items()}
            environment |= self._told(cluster, action)
        # The process that a stop of twinsan leaves behind, to have the cluster forget failures, looks for these notes.
        ended = f"/run/twinsan/forget.{self.resource}"
        argv = (f"{_FOLDER}/{provider}/{kind}", action)
        return Step(argv, environment, tuple(expected), tuple(aged), tuple(until), ended, traced)

    def _meta(self, action: str, role: str) -> dict[str, str]:
        found = {"timeout": str(_MILLISECONDS), **(_CLONE if self.kind else {})}
        if self.kind == "promotable":
            found |= _PROMOTABLE
        if self.kind:
            found["notify"] = "true" if self.notified else "false"
        if action == "monitor":
            found |= {"interval": str(_TEN_SECONDS), "name": "monitor", **({"role": role} if role else {})}
        return found

    def _told(self, cluster: Cluster | None, action: str) -> dict[str, str]:
        if cluster is None:
            return {}
        found = {"on_node": cluster.node}
        if self.notified and action != "monitor":
            nodes = f"{cluster.node} {cluster.peer}"
            found |= {
                f"notify_{name}_uname": " " for name in ("start", "stop", "promote", "demote", "promoted", "master")
            }
            found |= {f"notify_{name}_uname": nodes for name in ("active", "all", "available", "slave", "unpromoted")}
            found["notify_inactive_resource"] = " "
        told = {f"OCF_RESKEY_CRM_meta_{name}": value for name, value in found.items()}
        return {**told, "OCF_RESKEY_crm_feature_set": cluster.feature_set}


def cluster(node: Machine, peer: Machine) -> Cluster:
    """What the cluster of these two tells to an action on `node`."""
    command = 'cibadmin --query --no-children | sed -n \'s/.* crm_feature_set="\\([^"]*\\)".*/\\1/p\''
    return Cluster(node.name, peer.name, node.succeed(command).strip())
