# SPDX-License-Identifier: GPL-2.0-or-later
"""Transient node attributes of the cluster: set them, read them.

`attrd_updater` does both with one message to the local attribute daemon. For an attribute that is set repeatedly use
`publication.Publication`: it runs nothing while the value has not changed.
"""

from __future__ import annotations

from twinsan.cluster import members
from twinsan.errors import Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# "No such attribute": the exit status of Pacemaker's tools (CRM_EX_NOSUCH); attrd_updater of 3.0.0 exits with 78 and
# prints this message.
_NO_SUCH_ATTRIBUTE = 105
_NO_SUCH_ATTRIBUTE_3 = "attribute does not exist"

_QUERY = ("attrd_updater", "--query", "--all", "--name")

_UNSAFE = frozenset("\"'<>&\\\n\r")

UNSAFE_VALUE = Reason(
    Failure,
    "node attribute {name} cannot have the value {value!r}: quotes, <, >, &, \\ and line ends do not come back",
)


def set_node_attribute(name: str, value: str, deadline: Deadline, *, node: str = "", private: bool = False) -> None:
    """Set a transient attribute of a node, of this one unless `node` names another; the value "" deletes it.

    A private attribute is known to the nodes and not written to the CIB, where it would start the scheduler. The
    cluster forgets the attributes of a node that it loses: what has to outlive this node is set on its peer. Raises
    Failure for a value with quotes, <, >, &, backslashes or line ends, and CommandFailed if it cannot be set.
    """
    if not _UNSAFE.isdisjoint(value):
        raise UNSAFE_VALUE(name=name, value=value)
    argv = ["attrd_updater", "--name", name]
    argv += ["--update", value] if value else ["--delete"]
    argv += ["--node", node] if node else []
    # Also for a deletion: the first request that names an attribute creates it in attrd, as private or not for good.
    argv += ["--private"] if private else []
    command.run(*argv, deadline=deadline)


def set_on_every_node(name: str, value: str, deadline: Deadline) -> None:
    """Set a private attribute on every node that is in the cluster now, so that it outlives this node."""
    for node in members.names(deadline):
        set_node_attribute(name, value, deadline, node=node, private=True)


def get_node_attributes(name: str, deadline: Deadline) -> dict[str, str]:
    """The values of an attribute, by the names of the nodes that have it. Raises CommandFailed if no daemon answers."""
    return answer(command.run(*_QUERY, name, deadline=deadline, check=False))


def start_query(name: str) -> command.Started:
    """Start the program whose result `answer` takes."""
    return command.start(*_QUERY, name)


def answer(result: command.Result) -> dict[str, str]:
    """What `get_node_attributes` returns, of the result of its program."""
    if result.status == _NO_SUCH_ATTRIBUTE or _NO_SUCH_ATTRIBUTE_3 in result.stderr:
        return {}
    if not result.ok:
        raise command.CommandFailed(result)
    return dict(_parse(result.stdout))


def _parse(printed: str) -> list[tuple[str, str]]:
    """Nodes and values from lines such as ``name="peers" host="atlas" value="10.0.5.9:50123"``."""
    found = []
    for line in printed.splitlines():
        node = line.partition(' host="')[2].partition('"')[0]
        value = line.partition(' value="')[2].rpartition('"')[0]
        if node and value:
            found.append((node, value))
    return found
