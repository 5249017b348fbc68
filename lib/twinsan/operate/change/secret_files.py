# SPDX-License-Identifier: GPL-2.0-or-later
"""The files with CHAP secrets that a site names: the same on both nodes, and those that the targets have.

The cluster reloads a target when a parameter changes. It does not see that a file has changed whose name is the same.
"""

from __future__ import annotations

import os

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.lio import chap
from twinsan.operate import remote
from twinsan.site import elements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from lxml.etree import _Element

    from twinsan.operate.remote import Node
    from twinsan.site.model import Site

_FILES = ("incoming_password_file", "outgoing_password_file", "initiator_credentials_file")
# Those that the cluster's configuration may hold. An agent that is started here does not get them.
_OF_CLUSTER = ("incoming_password", "outgoing_password", "initiator_credentials")

_AGENT = "/usr/lib/ocf/resource.d/twinsan/lio-iscsi-target"
_REASON = "ocf-exit-reason:"
# In the reasons of target_condition.OTHER_CREDENTIAL.
_OF_CHAP = "CHAP"
_NOT_RUNNING = 7
_SECONDS = 60.0

NOT_TAKEN = Reason(
    Failure, "{name} on {node} has not taken its secrets: {why}", "mend it there, then type twinsan apply again"
)

_ANOTHER = "{place}: {node} has another one; it gets that of this node"
_NONE = "{place}: {node} has none; it gets that of this node"
_STALE = "{name} on {node}: it has other CHAP names or secrets than its files; it takes theirs, and sessions go on"
_UNKNOWN = "whether {node} has the same {place} is not known: {failure}"
_MIXED = "{name} has secrets in the cluster's configuration beside its files, which are not looked at"


class Target:
    """A target with secrets in files: its `name` in the cluster, the `values` of its parameters, the `files` that the
    other node has to get, by their paths, and what is so, in words (`rows`).
    """

    def __init__(self, name: str, values: dict[str, str]) -> None:
        self.name = name
        self.values = values
        self.files: dict[str, str] = {}
        self.rows: list[str] = []


class SecretFiles:
    """The targets whose secrets have `changed`, and what is not known (`notes`)."""

    def __init__(self) -> None:
        self.changed: list[Target] = []
        self.notes: list[str] = []


def look(site: Site, cib: _Element, changing: Collection[str], deadline: Deadline) -> SecretFiles:
    """Compare the files of this node with those of the other one and with what the targets have. `cib` is the
    configuration as it will be; the resources `changing` are reloaded by the cluster. Raises Failure for a file of this
    node that cannot be used.
    """
    found = SecretFiles()
    for name, values in _targets(site, cib):
        if any(values.get(each) for each in _OF_CLUSTER):
            found.notes.append(_MIXED.format(name=name))
            continue
        here, other = remote.pair(node.name for node in site.nodes)
        target = Target(name, values)
        contents = {values[each]: chap.read(values[each]) for each in _FILES if values.get(each)}
        try:
            for place, content in contents.items():
                there = other.read(place, deadline=deadline)
                if there != content.encode():
                    target.files[place] = content
                    target.rows.append((_NONE if there is None else _ANOTHER).format(place=place, node=other.name))
            nodes = [here, other]
        except Failure as failure:
            found.notes.append(_UNKNOWN.format(node=other.name, place=" ".join(contents), failure=failure))
            nodes = [here]
        if name not in changing:
            target.rows += filter(None, (_stale(target, node, deadline) for node in nodes))
        if target.rows:
            found.changed.append(target)
    return found


def put(found: SecretFiles, site: Site, tell: Callable[[str], None]) -> None:
    """Give the other node the files of this one, before anything reads them. Raises Failure."""
    if not found.changed:
        return
    _, other = remote.pair(node.name for node in site.nodes)
    for target in found.changed:
        for place, content in target.files.items():
            other.run("mkdir", "-p", "-m", "700", os.path.dirname(place), deadline=Deadline(_SECONDS))
            other.put(place, content, mode=0o600, deadline=Deadline(_SECONDS))
            tell(f"{place} of {other.name} is that of this node")


def take(found: SecretFiles, site: Site, tell: Callable[[str], None]) -> None:
    """Have the targets of both nodes take the secrets of their files. Sessions go on, for nobody authenticates again
    before the next login. Raises Failure.
    """
    nodes = remote.pair(node.name for node in site.nodes) if found.changed else ()
    for target in found.changed:
        for node in nodes:
            # The feature set tells the agent that a cluster reloads it: then its next monitor compares anew.
            status, why = _run(target, node, "reload-agent", Deadline(_SECONDS), OCF_RESKEY_crm_feature_set="3.0.14")
            if status not in (0, _NOT_RUNNING):
                raise NOT_TAKEN(name=target.name, node=node.name, why=why or f"exit status {status}")
        tell(f"{target.name} has the secrets of its files")


def _targets(site: Site, cib: _Element) -> Iterator[tuple[str, dict[str, str]]]:
    """The targets of a site that have secrets in files, with the parameters that the cluster gives them."""
    for resource in site.resources:
        name = resource.called("p_target")
        primitive = cib.find(f"configuration/resources//primitive[@id='{name}']")
        values = {} if primitive is None else elements.values(primitive, "instance_attributes")
        if any(values.get(each) for each in _FILES):
            yield name, values


def _stale(target: Target, node: Node, deadline: Deadline) -> str:
    """Says that a target has other secrets than its files; "" if it has not. Its monitor looks at all of it."""
    _, why = _run(target, node, "monitor", deadline, OCF_CHECK_LEVEL="10")
    return _STALE.format(name=target.name, node=node.name) if _OF_CHAP in why else ""


def _run(target: Target, node: Node, action: str, deadline: Deadline, **more: str) -> tuple[int, str]:
    """Run the agent of a target on a node; returns its exit status and its reason. No secret is among its words."""
    variables = {
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": target.name,
        "OCF_RESKEY_CRM_meta_timeout": str(int(_SECONDS * 1000)),
        **{f"OCF_RESKEY_{name}": value for name, value in target.values.items()},
        **more,
    }
    words = [f"{name}={value}" for name, value in variables.items()]
    ended = node.run("env", *words, _AGENT, action, deadline=deadline, check=False)
    reasons = [line.partition(_REASON)[2] for line in ended.stderr.splitlines() if line.startswith(_REASON)]
    return ended.status, reasons[0] if reasons else ""
