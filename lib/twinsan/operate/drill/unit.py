# SPDX-License-Identifier: GPL-2.0-or-later
"""What moves between the nodes as one: a DRBD resource, its LUNs and its addresses, by the cluster's configuration."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from twinsan.errors import Failure, Misconfigured, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

NOTHING_MOVES = Reason(Failure, "the cluster serves nothing of twinsan", "see: crm_mon -1 --inactive")
NO_SUCH_UNIT = Reason(Misconfigured, "{name} is no DRBD resource of this cluster", "those that there are: {names}")
WHICH = Reason(Misconfigured, "there are several DRBD resources", "name one, as in: --resource {names}")


class Unit:
    """What moves as one. `resource` is DRBD's name, `drbd` that of its primitive in the cluster. `addresses` are the
    primitives of the addresses, `luns` the device of each LUN by the name of its primitive. `moved` is what
    crm_resource has to move: the others follow it.
    """

    __slots__ = ("addresses", "drbd", "luns", "moved", "resource")

    def __init__(self, resource: str, drbd: str, addresses: set[str], luns: dict[str, str], moved: str) -> None:
        self.resource = resource
        self.drbd = drbd
        self.addresses = addresses
        self.luns = luns
        self.moved = moved


def choose(cib: str, name: str | None) -> Unit:
    """Return the unit of a DRBD resource, or the only one for None. Raises Failure if there is none, and Misconfigured
    if there are several or none of that name.
    """
    found = {unit.resource: unit for unit in of(cib)}
    if not found:
        raise NOTHING_MOVES()
    if name is None:
        if len(found) > 1:
            raise WHICH(names=" or ".join(sorted(found)))
        return next(iter(found.values()))
    if name not in found:
        raise NO_SUCH_UNIT(name=name, names=" ".join(sorted(found)))
    return found[name]


def of(cib: str) -> list[Unit]:
    """Return what moves as one, for each DRBD resource with an address, from the CIB."""
    configuration = ET.fromstring(cib)  # noqa: S314  the cluster's own
    primitives = {each.get("id", ""): each for each in configuration.iter("primitive")}
    templates = {each.get("id", ""): each for each in configuration.iter("template")}
    holders = {inner.get("id", ""): group.get("id", "") for group in configuration.iter("group") for inner in group}
    units = []
    for names in _together(configuration):
        kinds: dict[str, dict[str, dict[str, str]]] = {}
        for name in sorted(names & set(primitives)):
            kind, values = _agent(primitives[name], templates)
            kinds.setdefault(kind, {})[name] = values
        addresses, replicas = set(kinds.get("portal-ip", {})), kinds.get("drbd-vaai", {})
        if addresses and replicas:
            drbd, values = next(iter(replicas.items()))
            first = min(addresses)
            luns = {name: found.get("path", "") for name, found in kinds.get("lio-lun", {}).items()}
            units.append(Unit(values.get("drbd_resource", ""), drbd, addresses, luns, holders.get(first, first)))
    return units


def _agent(primitive: ET.Element, templates: dict[str, ET.Element]) -> tuple[str, dict[str, str]]:
    """The type of a primitive of twinsan, "" for another one, and its parameters; a template has what it lacks."""
    origin = templates.get(primitive.get("template", ""), primitive)
    kind = origin.get("type", "") if origin.get("provider") == "twinsan" else ""
    pairs = [*origin.findall("instance_attributes/nvpair"), *primitive.findall("instance_attributes/nvpair")]
    return kind, {pair.get("name", ""): pair.get("value", "") for pair in pairs}


def _together(configuration: ET.Element) -> list[set[str]]:
    """The names of all resources, in sets of those that have to be on one node."""
    sets: list[set[str]] = []
    for names in _bonds(configuration):
        joined = set(names).union(*(each for each in sets if each & names))
        sets = [each for each in sets if not each & names] + [joined]
    return sets


def _bonds(configuration: ET.Element) -> Iterator[set[str]]:
    for holder in (*configuration.iter("group"), *configuration.iter("clone"), *configuration.iter("master")):
        yield {each.get("id", "") for each in holder.iter() if each.tag in ("group", "clone", "master", "primitive")}
    for colocation in configuration.iter("rsc_colocation"):
        named = {colocation.get("rsc", ""), colocation.get("with-rsc", "")}
        yield {*named, *(each.get("id", "") for each in colocation.iter("resource_ref"))} - {""}
