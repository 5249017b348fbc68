# SPDX-License-Identifier: GPL-2.0-or-later
"""What a change of the cluster's configuration does: what is reloaded, starts, restarts and stops, and for which LUNs.

Pacemaker's scheduler says it, for the cluster as it is at the moment. Where it cannot be asked, the agents'
declarations say which parameters can change while a resource runs, and no more is known.
"""

from __future__ import annotations

import os
from copy import deepcopy

from twinsan.cluster import plan
from twinsan.errors import Failure
from twinsan.site import difference, ownership
from twinsan.site.cib import ALERT, OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from lxml.etree import _Element

    from twinsan.cluster.plan import Action
    from twinsan.deadline import Deadline
    from twinsan.site.draft import Change

# What a change does, from the least to the worst.
NOTHING, STARTS, UNKNOWN, RESTARTS, STOPS = "nothing", "starts", "unknown", "restarts", "stops"
_RANKS = (NOTHING, STARTS, UNKNOWN, RESTARTS, STOPS)

# A probe that found a resource running, in the history of its node.
_FOUND_RUNNING = (
    "status/node_state[@uname=$node]//lrm_resource[@id=$name]"
    "/lrm_rsc_op[@id=concat($name, '_last_failure_0')][@operation='monitor'][@interval='0']"
)


class Forecast:
    """What becomes of the cluster if its configuration `before` becomes `after`. `actions` are those of the scheduler
    that it would not do anyway, `pending` those that it would; `why_unknown` says why it was not asked.
    """

    def __init__(self, before: _Element, after: _Element, gone: Iterable[str] = ()) -> None:
        self.actions: list[Action] = []
        self.pending: list[Action] = []
        self.why_unknown = ""
        self._trees = (before, after)
        self._gone = frozenset(gone)
        # The agent of each primitive, and the primitives in each resource or holder.
        self._agents: dict[str, str] = {}
        self._inside: dict[str, set[str]] = {}
        for tree in self._trees:
            templates = {str(each.get("id")): each for each in tree.iterfind("configuration/resources/template")}
            for each in tree.iterfind("configuration/resources//primitive"):
                name = str(each.get("id"))
                self._agents[name] = ownership.agent_of(each, templates)
                for holder in (each, *each.iterancestors(*ownership.HOLDERS)):
                    self._inside.setdefault(str(holder.get("id")), set()).add(name)

    def ask(self, folder: str, deadline: Deadline) -> Forecast:
        """Ask the scheduler. `folder` is for files that only this user can read."""
        before, after = self._trees
        if before.find("status/node_state") is None:
            self.why_unknown = "the configuration comes without the status of a cluster"
            return self
        try:
            self.pending = _plan(folder, before, deadline)
            if difference.text(after) != difference.text(before):
                self.actions = [each for each in _plan(folder, after, deadline) if each not in self.pending]
        except Failure as failure:
            self.why_unknown = str(failure)
        return self

    @property
    def interrupting(self) -> list[Action]:
        """The actions that interrupt what runs."""
        return [action for action in self.actions if action.interrupts or action.verb == "fence"]

    def judge(self, changes: Iterable[Change]) -> dict[Change, str]:
        """Return what each change does. What is new comes with all that connects it: if one of these interrupts
        something, they all do.
        """
        found = {change: self._of(change) for change in changes}
        new = {change.name: change for change in found if change.old is None and not change.attribute}
        while True:
            before = dict(found)
            for change, consequence in before.items():
                near = [new[name] for name in (change.name, *change.about) if name in new]
                worst = max([consequence, *(found[each] for each in near)], key=_RANKS.index)
                found.update(dict.fromkeys([change, *near] if near else [], worst))
            if found == before:
                return found

    def _of(self, change: Change) -> str:
        """What a change does by itself: the worst of what happens to the resources that it is about."""
        if change.attribute == "description" or change.attribute.startswith("op "):
            return NOTHING
        names = self._primitives(change.about)
        if names & self._gone:
            return STOPS
        if self.why_unknown:
            return self._guess(change)
        found = NOTHING
        for action in self.actions:
            if action.resource in names:
                found = max(found, _severity(action), key=_RANKS.index)
        return found

    def not_reloadable(self, changes: Iterable[Change]) -> list[str]:
        """The resources that restart although only parameters change that a reload could apply: Pacemaker has found
        them running, by a probe, and has not started them since. The result of such a probe is kept as a failure
        (another result was expected), without the digest that a reload needs (seen with 3.0.0).
        """
        before, _ = self._trees
        restarted = {(action.resource, action.node) for action in self.actions if action.verb == "restart"}
        found = {name for name, node in restarted if before.xpath(_FOUND_RUNNING, name=name, node=node)}
        about = [change for change in changes if change.name in found]
        changed = [change for change in about if not change.attribute.startswith(("op ", "meta "))]
        fixed = {each.name for each in changed if not ownership.is_reloadable(self._agent(each.name), each.attribute)}
        return sorted({each.name for each in changed} - fixed)

    def luns(self) -> list[str]:
        """The LUNs that are interrupted, or taken away: those that are, and those whose address is."""
        hit = {action.resource for action in self.interrupting} | self._gone
        found = set()
        for together in self._connected():
            luns = {name for name in together if self._agent(name) == "ocf:twinsan:lio-lun"}
            addresses = {name for name in together if self._agent(name) == "ocf:twinsan:portal-ip"}
            found |= luns if addresses & hit - self._gone or (addresses and addresses <= self._gone) else luns & hit
        return sorted(found)

    def _guess(self, change: Change) -> str:
        """What the declarations of the agents say."""
        agent = self._agent(change.name)
        if not agent:
            return NOTHING if change.name in (OPTIONS, ALERT) else UNKNOWN
        if not change.attribute:
            return STARTS if change.old is None else STOPS
        if change.moves:
            return UNKNOWN
        plain = change.attribute.startswith("meta ")
        return NOTHING if plain or ownership.is_reloadable(agent, change.attribute) else RESTARTS

    def _primitives(self, names: Iterable[str]) -> set[str]:
        """The primitives among these names, and those in the holders among them."""
        return set().union(*(self._inside.get(name, ()) for name in names))

    def _agent(self, name: str) -> str:
        return self._agents.get(name, "")

    def _connected(self) -> list[set[str]]:
        """The primitives that constraints and groups connect, as sets that have nothing to do with each other."""
        found: list[set[str]] = []
        for tree in self._trees:
            links = [self._primitives([str(each.get("id"))]) for each in tree.iterfind("configuration/resources/*")]
            links += [
                self._primitives(ownership.references(each)) for each in tree.iterfind("configuration/constraints/*")
            ]
            for link in links:
                touched = [each for each in found if each & link]
                found = [each for each in found if not each & link] + [set().union(link, *touched)]
        return found


def _severity(action: Action) -> str:
    if action.verb == "stop":
        return STOPS
    if action.interrupts:
        return RESTARTS
    return STARTS if action.verb in ("start", "promote") else NOTHING


def _plan(folder: str, tree: _Element, deadline: Deadline) -> list[Action]:
    """The plan, as it is when maintenance mode ends: in it there is none."""
    tree = deepcopy(tree)
    for pair in tree.iterfind("configuration/crm_config/cluster_property_set/nvpair[@name='maintenance-mode']"):
        pair.set("value", "false")
    name = os.path.join(folder, "plan.xml")
    with open(name, "w", encoding="utf-8") as file:
        file.write(difference.text(tree))
    return plan.of(name, deadline)
