# SPDX-License-Identifier: GPL-2.0-or-later
"""What moves between the nodes as one: a DRBD resource, its LUNs and its addresses, by the cluster's configuration."""

from __future__ import annotations

from twinsan.errors import Failure, Misconfigured, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.operate.facts.configuration import Configuration
    from twinsan.operate.facts.shape import Service

NOTHING_MOVES = Reason(Failure, "the cluster serves nothing of twinsan", "see: crm_mon -1 --inactive")
NO_SUCH_RESOURCE = Reason(Misconfigured, "{name} is no DRBD resource of this cluster", "those that there are: {names}")
WHICH = Reason(Misconfigured, "there are several DRBD resources", "name one of them: --resource {names}")


class Unit:
    """What moves as one. `resource` is DRBD's name, `drbd` that of its primitive in the cluster. `addresses` are the
    primitives of the addresses, `luns` the device of each LUN by the name of its primitive. `moved` is what
    crm_resource has to move: the others follow it.
    """

    __slots__ = ("addresses", "drbd", "luns", "moved", "resource")

    def __init__(self, service: Service, cib: Configuration) -> None:
        self.resource = service.drbd
        self.drbd = service.replica
        self.addresses = set(service.portals)
        found = {each.id: each for each in cib.primitives}
        self.luns = {name: found[name].parameters.get("path", "") for name in service.luns}
        # The group that the first address is in, if there is one.
        self.moved = found[service.portals[0]].names[-1]


def choose(services: Iterable[Service], cib: Configuration, name: str | None) -> Unit:
    """Return the unit of a DRBD resource, or the only one for None. Raises Failure if there is none, and Misconfigured
    if there are several or none of that name.
    """
    found = {service.drbd: service for service in services if service.portals}
    if not found:
        raise NOTHING_MOVES()  # noqa: RSE102  a Reason, which makes the exception
    names = " or ".join(sorted(found))
    if name is None and len(found) > 1:
        raise WHICH(names=names)
    service = next(iter(found.values())) if name is None else found.get(name)
    if service is None:
        raise NO_SUCH_RESOURCE(name=name, names=names)
    return Unit(service, cib)
