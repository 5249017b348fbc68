# SPDX-License-Identifier: GPL-2.0-or-later
"""What a configuration serves: each DRBD resource with its target, its LUNs and its addresses, of twinsan's agents or
of those of ClusterLabs and LINBIT.
"""

from __future__ import annotations

import re

from twinsan.lio import naa

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.operate.checks.configuration import Configuration, Resource

REPLICAS = ("ocf:twinsan:drbd-vaai", "ocf:linbit:drbd")
TARGETS = ("ocf:twinsan:lio-iscsi-target", "ocf:heartbeat:iSCSITarget")
LUNS = ("ocf:twinsan:lio-lun", "ocf:heartbeat:iSCSILogicalUnit")
ADDRESSES = ("ocf:twinsan:portal-ip", "ocf:heartbeat:IPaddr2", "ocf:heartbeat:IPaddr")
PORTBLOCK = "ocf:heartbeat:portblock"

# A target that names no portal listens on every address.
_EVERYWHERE = ("0.0.0.0", "::", "::0", "[::]", "[::0]")


class Stack:
    """What is served of one DRBD resource. `doors` are the resources by whose start hosts get in: the addresses, or
    what takes the packet filter away.
    """

    def __init__(self, replica: Resource | None) -> None:
        self.replica = replica
        self.targets: list[Resource] = []
        self.luns: list[Resource] = []
        self.addresses: list[Resource] = []
        self.doors: list[Resource] = []

    @property
    def parts(self) -> list[Resource]:
        """All that is on the node that serves, besides the replica and the target."""
        return [*self.luns, *self.addresses]

    @property
    def name(self) -> str:
        """What it is called in a finding."""
        return self.replica.outer if self.replica else self.luns[0].id


def of(configuration: Configuration) -> list[Stack]:
    """Return the stacks that a configuration serves."""
    resources = configuration.resources
    replicas = [each for each in resources if each.agent in REPLICAS]
    targets = [each for each in resources if each.agent in TARGETS]
    tied = _Ties(configuration)
    stacks: dict[str, Stack] = {}
    for lun in resources:
        if lun.agent not in LUNS:
            continue
        replica = _replica(lun, replicas, tied)
        # What is of no replica is a stack of its own, if it looks like one of DRBD's.
        if replica is None and not lun.parameters.get("path", "").startswith("/dev/drbd"):
            continue
        key = replica.id if replica else f"-{lun.id}"
        stack = stacks.setdefault(key, Stack(replica))
        stack.luns.append(lun)
        for target in targets:
            if iqn(target) == iqn(lun) and target not in stack.targets:
                stack.targets.append(target)
    for stack in stacks.values():
        _add_addresses(stack, resources, tied)
    return list(stacks.values())


def _replica(lun: Resource, replicas: list[Resource], tied: _Ties) -> Resource | None:
    by_name = re.match(r"/dev/drbd/by-res/([^/]+)", lun.parameters.get("path", ""))
    if by_name:
        for replica in replicas:
            if replica.parameters.get("drbd_resource") == by_name[1]:
                return replica
    if len(replicas) == 1:
        return replicas[0]
    reached = tied.reached(lun.outer)
    return next((replica for replica in replicas if replica.outer in reached), None)


def _add_addresses(stack: Stack, resources: list[Resource], tied: _Ties) -> None:
    named = {address for target in stack.targets for address, _ in portals(target)}
    outers = {each.outer for each in (*stack.luns, *stack.targets)}
    ours = {each.parameters.get("iqn") for each in stack.targets}
    for resource in resources:
        near = bool(tied.neighbours(resource.outer) & outers) or resource.outer in outers
        if resource.agent in ADDRESSES:
            address = plain(resource.parameters.get("ip", ""))
            if address in named or (not named and near) or (near and resource.agent == ADDRESSES[0] and ours):
                stack.addresses.append(resource)
        elif resource.agent == PORTBLOCK and near and resource.parameters.get("action") == "unblock":
            stack.doors.append(resource)
    stack.doors = stack.doors or stack.addresses or stack.targets


class _Ties:
    """Which resources the constraints tie to each other, in whatever direction."""

    def __init__(self, configuration: Configuration) -> None:
        self._ties: dict[str, set[str]] = {}
        self._outer = {each.id: each.outer for each in configuration.resources}
        for each in configuration.resources:
            if each.group:
                self._outer[each.group] = each.outer
        for constraint in (*configuration.constraints("rsc_order"), *configuration.constraints("rsc_colocation")):
            names = [constraint.get(name, "") for name in ("first", "then", "rsc", "with-rsc")]
            names += [each.get("id", "") for each in constraint.iterfind("resource_set/resource_ref")]
            self._add([name for name in names if name])

    def _add(self, names: list[str]) -> None:
        outers = [self._outer.get(name, name) for name in names]
        for one in outers:
            self._ties.setdefault(one, set()).update(outers)

    def neighbours(self, name: str) -> set[str]:
        """What one constraint ties to a resource."""
        return self._ties.get(name, set())

    def reached(self, name: str) -> set[str]:
        """What constraints tie to a resource, over others as well."""
        found, waiting = {name}, [name]
        while waiting:
            for other in self.neighbours(waiting.pop()) - found:
                found.add(other)
                waiting.append(other)
        return found


def iqn(resource: Resource) -> str:
    """The name of the target that a target or a LUN is of."""
    return (resource.parameters.get("iqn") or resource.parameters.get("target_iqn") or "").lower()


def portals(target: Resource) -> list[tuple[str, str]]:
    """The addresses and ports that a target listens on; none if it listens on every address."""
    found = []
    for word in target.parameters.get("portals", "").split():
        match = re.fullmatch(r"\[([^]]*)\](?::(\d+))?|([^:]*)(?::(\d+))?|(.*)", word)
        assert match is not None
        address = match[1] or match[3] or match[5] or ""
        found.append((plain(address), match[2] or match[4] or "3260"))
    return [] if any(address in _EVERYWHERE for address, _ in found) else found


def plain(address: str) -> str:
    """Return an address in its usual form, without a prefix length; as it is if it is none."""
    import ipaddress

    try:
        return str(ipaddress.ip_address(address.partition("/")[0]))
    except ValueError:
        return address


def serial(lun: Resource) -> str:
    """The unit serial that a LUN of twinsan has; of another agent only one that is given, "" for none."""
    given = lun.parameters.get("scsi_sn", "")
    number = lun.parameters.get("lun", "")
    if given or lun.agent != LUNS[0] or not (number.isascii() and number.isdecimal()):
        return given
    return naa.serial(iqn(lun).encode("ascii", "replace").decode(), int(number[:6]))


def all_of(stacks: Iterable[Stack], what: str) -> list[Resource]:
    """Return all resources of a kind, such as `luns`, each once."""
    return list({resource.id: resource for stack in stacks for resource in getattr(stack, what)}.values())
