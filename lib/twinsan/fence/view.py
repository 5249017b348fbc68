# SPDX-License-Identifier: GPL-2.0-or-later
"""A view of the CIB: what fencing needs to know from it. It parses XML and runs no program."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinsan.drbd.events2 import Connection, Resource

# The first schema that has the role Promoted. Older ones have Master.
_SCHEMA_WITH_PROMOTED = (3, 7)

UNREADABLE = Reason(Failure, "the CIB cannot be read: {error}", "try: cibadmin --query")


class Constraint:
    """A fence constraint in the CIB: only the nodes `allowed` may be promoted. `owner` is the node that created it. A
    constraint that is not `effective` bans no node.
    """

    def __init__(self, element: ET.Element) -> None:
        self.id = element.get("id", "")
        expressions = element.findall("./rule/expression[@attribute='#uname'][@operation='ne']")
        self._expressions = {expression.get("value", ""): expression.get("id", "") for expression in expressions}
        self.owner = next(iter(self._expressions), "")
        self.allowed = frozenset(self._expressions)
        rules = element.findall("./rule")
        # Several "not equal" are joined by "and": the rule holds for a node that is none of them.
        self.effective = bool(self.allowed) and len(rules) == 1 and rules[0].get("score") == "-INFINITY"

    def bans(self, node: str) -> bool:
        """Whether it keeps the node from promotion."""
        return self.effective and node not in self.allowed

    def expression_id(self, node: str) -> str:
        """Return the id of the expression that allows a node. Raises KeyError for a node that is not allowed."""
        return self._expressions[node]


class View:
    """The CIB at one moment, as `cibadmin --query` prints it. Raises Failure if that is no XML."""

    def __init__(self, xml: str) -> None:
        try:
            self._cib = ET.fromstring(xml)  # noqa: S314  from the cluster itself
        except ET.ParseError as error:
            raise UNREADABLE(error=error) from None

    @property
    def has_quorum(self) -> bool:
        """Whether this node's partition has quorum."""
        return self._cib.get("have-quorum") == "1"

    def node_name(self, host: str) -> str:
        """Return the cluster's name of a host, given with or without its domain; "" if there is no such node."""
        names = {element.get("uname", "") for element in self._cib.findall("./configuration/nodes/node")}
        names |= {element.get("uname", "") for element in self._cib.findall("./status/node_state")}
        if host in names:
            return host
        short = host.partition(".")[0].lower()
        return next((name for name in sorted(names) if name and name.partition(".")[0].lower() == short), "")

    def only_other_node(self, node: str) -> str:
        """Return the only other node beside `node`; "" if there is none or several."""
        states = [element.get("uname", "") for element in self._cib.findall("./status/node_state")]
        others = [name for name in states if name != node]
        return others[0] if len(others) == 1 else ""

    def is_member(self, node: str) -> bool:
        """Whether a node is a member of the cluster, as far as this node knows."""
        state = self._node_state(node)
        return state is not None and _in_membership(state) and state.get("join") == "member"

    def is_down(self, node: str) -> bool:
        """Whether a node is certainly down: it was fenced, or was shut down cleanly. A node that was just lost is still
        expected to be a member.
        """
        state = self._node_state(node)
        return (
            state is not None
            and not _is_true(state.get("in_ccm"))
            and not _is_true(state.get("crmd"))
            and state.get("join") == "down"
            and state.get("expected") == "down"
        )

    def complete_nodes(self, own: Resource) -> set[str]:
        """Return the other nodes whose replica is connected and complete: what is written here is written there as
        well. `own` is the state of this node's replica.
        """
        return {self.node_name(connection.name) for connection in own.complete_peers} - {""}

    def promotable_peers(self, own: Resource) -> list[Connection]:
        """Return the peers that this cluster could promote with data of their own. A diskless peer has none. A peer
        that is no node of this cluster (an off-site replica) is not promoted by it. The one peer of 8.4, which gives no
        name, counts as a node.
        """
        known = (peer for peer in own.connections if peer.name == "peer" or self.node_name(peer.name))
        return [peer for peer in known if not peer.diskless]

    def clone_of(self, resource: str) -> str:
        """Return the id of the clone that runs a DRBD resource; "" if there is none."""
        return self._clone_of(resource)[0]

    def replica_of(self, resource: str) -> str:
        """Return the id of the primitive in that clone; "" if there is none."""
        return self._clone_of(resource)[1]

    def _clone_of(self, resource: str) -> tuple[str, str]:
        """Return the ids of (clone, primitive), found by the parameter drbd_resource, which all DRBD agents have."""
        resources = self._cib.find("./configuration/resources")
        if resources is None:
            return "", ""
        owners = {element.get("id") for element in resources if _runs(element, resource)}
        for clone in (*resources.iter("clone"), *resources.iter("master")):
            for primitive in clone.iter("primitive"):
                if _runs(primitive, resource) or primitive.get("template") in owners:
                    return clone.get("id", ""), primitive.get("id", "")
        return "", ""

    def constraint(self, resource: str) -> Constraint | None:
        """Return the fence constraint of a DRBD resource, whichever handler created it; None if there is none."""
        return next(self._constraints(resource), None)

    def _constraints(self, resource: str) -> Iterator[Constraint]:
        identifier = constraint_id(resource, self.clone_of(resource))
        for element in self._cib.findall("./configuration/constraints/rsc_location"):
            if element.get("id") == identifier:
                yield Constraint(element)

    def new_constraint(self, resource: str, owner: str, others: Iterable[str] = ()) -> str:
        """Return the XML of a constraint that allows only the nodes `owner` and `others` to be promoted. An expression
        keeps its id as long as its node is allowed.
        """
        clone = self.clone_of(resource)
        name = f"drbd-fence-by-handler-{resource}"
        location = ET.Element("rsc_location", id=constraint_id(resource, clone), rsc=clone)
        rule = ET.SubElement(location, "rule", id=f"{name}-rule-{clone}", score="-INFINITY", role=self._role)
        numbered = {owner: "1", **{node: node for node in sorted(others) if node != owner}}
        for node, number in numbered.items():
            expression = {"id": f"{name}-expr-{number}-{clone}", "attribute": "#uname", "operation": "ne"}
            ET.SubElement(rule, "expression", {**expression, "value": node})
        return ET.tostring(location, encoding="unicode")

    @property
    def _role(self) -> str:
        """The name of the promoted role in this CIB's schema. The cluster refuses a name that the schema lacks, and
        Pacemaker 3 warns of an obsolete one.
        """
        numbers = self._cib.get("validate-with", "").rpartition("-")[2].split(".")
        known = all(number.isdecimal() for number in numbers)
        return "Master" if known and tuple(map(int, numbers)) < _SCHEMA_WITH_PROMOTED else "Promoted"

    def _node_state(self, node: str) -> ET.Element | None:
        states = self._cib.findall("./status/node_state")
        return next((state for state in states if state.get("uname") == node), None)


def constraint_id(resource: str, clone: str) -> str:
    """Return the id that all DRBD handlers give to the constraint of a resource (crm-fence-peer.sh)."""
    return f"drbd-fence-by-handler-{resource}-{clone}"


def _in_membership(state: ET.Element) -> bool:
    return _is_true(state.get("in_ccm")) and _is_true(state.get("crmd"))


def _is_true(value: str | None) -> bool:
    """Whether a value of in_ccm or crmd means that the node takes part. Up to Pacemaker 2.1.6 the values are words; in
    later versions they are the time since when it does, or 0.
    """
    if value is None:
        return False
    return int(value) > 0 if value.isdecimal() else value in ("true", "online")


def _runs(element: ET.Element, resource: str) -> bool:
    """Whether a primitive or template has the parameter drbd_resource with this value."""
    pairs = element.findall("./instance_attributes/nvpair")
    return any(pair.get("name") == "drbd_resource" and pair.get("value") == resource for pair in pairs)
