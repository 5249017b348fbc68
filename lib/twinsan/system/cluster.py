# SPDX-License-Identifier: GPL-2.0-or-later
"""What agents tell the cluster and ask it: promotion scores and node attributes.

`attrd_updater` does all of it with one message to the local attribute daemon. The attribute behind ``crm_attribute
--promotion=RESOURCE`` has been ``master-RESOURCE`` in every version, and Pacemaker 2.0 does not know that option yet.
"""

from __future__ import annotations

import os

from twinsan import rundir
from twinsan.errors import Failure
from twinsan.system import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# An attribute daemon can lose what it was told (an operator's clean-up), so what did not change is told again after
# this time. Its own restart makes notes void (see rundir.age).
_SECONDS_UNTIL_REPEATED = 300.0

# "No such attribute", as Pacemaker's tools exit (CRM_EX_NOSUCH); attrd_updater of 3.0.0 exits with 78 and says it.
_NO_SUCH_ATTRIBUTE = 105
_NO_SUCH_ATTRIBUTE_3 = "attribute does not exist"

# As crm_mon names it where a node is online and resources may not start there.
_OUT_OF_SERVICE = ("standby", "standby_onfail", "maintenance", "pending", "unclean", "shutdown")

_UNSAFE = frozenset("\"'<>&\\\n\r")


def set_promotion_score(resource: str, score: int | None, deadline: Deadline, *, always: bool = False) -> None:
    """Tell the cluster how well this node could be promoted; None for not at all.

    Where the cluster was told the same before, nothing is run unless `always` is set.
    """
    text = "" if score is None else str(score)
    told = rundir.path(f"promotion-score.{resource}")
    if not always and rundir.told(told, _SECONDS_UNTIL_REPEATED) == text:
        return
    # Forgotten first: if the cluster cannot be reached, the next monitor tries again.
    rundir.forget(told)
    _update(f"master-{resource}", text, deadline)
    rundir.write(told, text)


def node_name(deadline: Deadline) -> str:
    """The name of this node in the cluster; the host's name where no cluster runs."""
    result = command.run("crm_node", "--name", deadline=deadline, check=False)
    return result.stdout.strip() if result.ok and result.stdout.strip() else os.uname().nodename


def set_node_attribute(name: str, value: str, deadline: Deadline, *, node: str = "", private: bool = False) -> None:
    """Set a transient attribute of a node, of this one unless another is named; "" takes it away.

    A private attribute is known to the nodes and not written to the CIB, where it would disturb the scheduler. The
    cluster forgets the attributes of a node that it loses: what has to outlive this node is set on its peer.
    """
    if not _UNSAFE.isdisjoint(value):
        raise Failure(
            f"node attribute {name} cannot have the value {value!r}: quotes, <, >, &, \\ and line ends do not come back"
        )
    _update(name, value, deadline, node=node, private=private)


def set_on_every_node(name: str, value: str, deadline: Deadline) -> None:
    """Set a private attribute on every node that is in the cluster now, so that it outlives this one."""
    for node in command.run("crm_node", "--partition", deadline=deadline).stdout.split():
        set_node_attribute(name, value, deadline, node=node, private=True)


def get_node_attributes(name: str, deadline: Deadline) -> dict[str, str]:
    """The values of an attribute, by the names of the nodes that have it."""
    result = command.run("attrd_updater", "--query", "--all", "--name", name, deadline=deadline, check=False)
    if result.status == _NO_SUCH_ATTRIBUTE or _NO_SUCH_ATTRIBUTE_3 in result.stderr:
        return {}
    if not result.ok:
        raise command.CommandFailed(result)
    return dict(_values(result.stdout))


def nodes_in_service(deadline: Deadline) -> set[str]:
    """The nodes that the cluster may start resources on: those online, but for one in standby or maintenance."""
    # Not needed by an agent that only looks: it costs as much as all else that is imported.
    import xml.etree.ElementTree as ET

    asked = command.run("crm_mon", "--one-shot", "--output-as=xml", "--include=none,nodes", deadline=deadline)
    try:
        nodes = ET.fromstring(asked.stdout).findall("nodes/node")  # noqa: S314
    except ET.ParseError as error:
        raise Failure(f"crm_mon: {error}") from None
    return {
        node.get("name", "")
        for node in nodes
        if node.get("online") == "true" and not any(node.get(state) == "true" for state in _OUT_OF_SERVICE)
    }


def _values(printed: str) -> list[tuple[str, str]]:
    """Nodes and values from lines such as ``name="peers" host="atlas" value="10.0.5.9:50123"``."""
    found = []
    for line in printed.splitlines():
        node = line.partition(' host="')[2].partition('"')[0]
        value = line.partition(' value="')[2].rpartition('"')[0]
        if node and value:
            found.append((node, value))
    return found


def _update(name: str, value: str, deadline: Deadline, *, node: str = "", private: bool = False) -> None:
    argv = ["attrd_updater", "--name", name]
    argv += ["--update", value] if value else ["--delete"]
    argv += ["--node", node] if node else []
    # Also where it is taken away: attrd makes an attribute by whatever names it first, and the choice then stands.
    argv += ["--private"] if private else []
    command.run(*argv, deadline=deadline)
