# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a cluster's configuration belongs to twinsan. All else belongs to others, and is left as it is.

Ours are resources of our agents and what holds them, fence devices and constraints with the names that a site gives
them, and the options of the cluster that a site sets. In what is ours, some values are others': those by which an
administrator starts, stops and manages a resource, and secrets.
"""

from __future__ import annotations

import re

from twinsan.errors import NotInstalled
from twinsan.site import declarations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from lxml.etree import _Element

    from twinsan.ocf.parameter import Parameter

HOLDERS = ("clone", "group", "master")

# What an administrator sets of a resource to start, stop and manage it.
KEPT_META = frozenset(("target-role", "is-managed", "maintenance"))

# The options of the cluster that a site can set.
OPTIONS = frozenset(
    (
        "priority-fencing-delay",
        "no-quorum-policy",
        "stonith-watchdog-timeout",
        "load-threshold",
        "start-failure-is-fatal",
        "cluster-recheck-interval",
        "pe-error-series-max",
    )
)

# The names that a site gives to constraints, with the suffix of a resource.
_CONSTRAINT = re.compile(
    r"(target-before-san|san-where-target|promote-before-san|san-where-promoted|promoted-where-target"
    r"|luns-after-promotion|luns-after-target|luns-where-promoted|luns-where-target)(_[A-Za-z0-9_]+)?"
    r"|san(_[A-Za-z0-9_]+)?-prefers-[A-Za-z0-9.-]+|fence_[A-Za-z0-9.-]+-not-on-[A-Za-z0-9.-]+"
)
_FENCE_DEVICES = {"fence_ipmilan": re.compile(r"fence_[A-Za-z0-9.-]+"), "fence_sbd": re.compile("fence_sbd")}
# What agents call their secrets: fence_ipmilan has a second one in hexadecimal_kg, ours have initiator_credentials.
_SECRET = re.compile(r"(passw(or)?d|credentials|secret|secret_key|token|_kg)$", re.IGNORECASE)

# How an element names others: with the id of an element inside, or with an attribute.
_REFERENCES = ("resource_ref", "obj_ref")
_NAMING = frozenset(("rsc", "with-rsc", "first", "then", "template", "id-ref", "reference", "devices"))

# What stands for a secret that the cluster keeps elsewhere: any value by the rules of all secrets.
_ANY = {"incoming_password": "aSecret12345678", "outgoing_password": "anotherSecret123"}


def agent_of(resource: _Element, templates: dict[str, _Element]) -> str:
    """Return the agent of a primitive, as ocf:twinsan:lio-lun: its own, or that of its template."""
    source = templates.get(resource.get("template", ""), resource)
    return ":".join(str(source.get(part)) for part in ("class", "provider", "type") if source.get(part))


def is_agent(agent: str) -> bool:
    """Whether an agent is one of ours."""
    return agent.startswith("ocf:twinsan:")


def is_resource(name: str, agent: str) -> bool:
    """Whether a primitive is ours: by its agent, or as a fence device by its name."""
    kind = agent.rpartition(":")[2]
    fences = agent.startswith("stonith:") and kind in _FENCE_DEVICES
    return is_agent(agent) or (fences and bool(_FENCE_DEVICES[kind].fullmatch(name)))


def is_constraint(element: _Element, ours: set[str]) -> bool:
    """Whether a site has made a constraint: it has such a name, and all that it is about is among `ours`."""
    about = set(references(element))
    return bool(_CONSTRAINT.fullmatch(str(element.get("id")))) and bool(about) and about <= ours


def references(element: _Element) -> Iterator[str]:
    """The names that an element, and all in it, refers to."""
    for each in element.iter("*"):
        if each.tag in _REFERENCES:
            yield str(each.get("id"))
        for name, value in each.items():
            if str(name) in _NAMING:
                yield from (str(value).split(",") if name == "devices" else [str(value)])


def is_secret(agent: str, name: str) -> bool:
    """Whether a parameter of an agent is a secret."""
    declared = _declared(agent).get(name)
    return declared.secret if declared else bool(_SECRET.search(name))


def fits(agent: str, values: dict[str, str], secret: str, value: str) -> bool:
    """Whether a `secret` that the site does not name may stay beside the `values` that it has."""
    declared = _declared(agent)
    if secret not in declared:
        return True
    named = {name: each for name, each in values.items() if name in declared and not declared[name].secret}
    known = _ANY.get(secret, "") if value == "lrm://" else value
    return not declarations.fault_of_all(agent.rpartition(":")[2], {**named, secret: known})


def is_reloadable(agent: str, name: str) -> bool:
    """Whether a parameter may change while its resource runs, by the declaration of the agent."""
    declared = _declared(agent).get(name)
    return declared is not None and declared.reloadable


def _declared(agent: str) -> dict[str, Parameter]:
    """The parameters of an agent; none if it is not ours, or one that this version does not have."""
    if not is_agent(agent):
        return {}
    try:
        return declarations.parameters(agent.rpartition(":")[2])
    except (NotInstalled, OSError):
        return {}
