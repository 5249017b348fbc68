# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's configuration and status (the CIB), and proof that a node is alive."""

from __future__ import annotations

from twinsan.errors import DeadlinePassed
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# States of a controller that belongs to the cluster. One that is starting, pending or stopping does not.
_MEMBER_STATES = (
    "S_IDLE",
    "S_NOT_DC",
    "S_POLICY_ENGINE",
    "S_TRANSITION_ENGINE",
    "S_INTEGRATION",
    "S_FINALIZE_JOIN",
    "S_ELECTION",
)

_QUERY = ("cibadmin", "--query", "--local")


def query(deadline: Deadline) -> str:
    """The whole CIB as this node has it, in XML. Raises CommandFailed if no cluster runs."""
    return command.run(*_QUERY, deadline=deadline).stdout


def start_query() -> command.Started:
    """Start the program whose output `query` returns."""
    return command.start(*_QUERY)


def query_version(deadline: Deadline) -> str:
    """The outermost element of the CIB alone, which has the numbers of its version. Raises CommandFailed."""
    return command.run("cibadmin", "--query", "--local", "--no-children", deadline=deadline).stdout


def create_constraint(xml: str, deadline: Deadline) -> None:
    """Add a constraint. Raises CommandFailed if one with its id exists: of two callers only one succeeds."""
    command.run("cibadmin", "--create", "--scope", "constraints", "--xml-text", xml, deadline=deadline)


def delete_constraint(identifier: str, deadline: Deadline) -> None:
    """Delete a location constraint. One that is not there is fine."""
    command.run("cibadmin", "--delete", "--xml-text", f'<rsc_location id="{identifier}"/>', deadline=deadline)


def widen_constraint(xml: str, deadline: Deadline) -> None:
    """Add to a constraint the elements of `xml` whose ids it lacks."""
    command.run("cibadmin", "--modify", "--scope", "constraints", "--xml-text", xml, deadline=deadline)


def delete_expression(identifier: str, deadline: Deadline) -> None:
    """Delete an expression from a rule. Raises CommandFailed if it is the last one: the schema requires one (exit
    status 78, CRM_EX_CONFIG, of cibadmin 2.1.5).
    """
    command.run("cibadmin", "--delete", "--xml-text", f'<expression id="{identifier}"/>', deadline=deadline)


def answers(node: str, deadline: Deadline) -> bool:
    """Whether the controller of a node answers now and belongs to the cluster. False if the deadline passes.

    The question travels through corosync, which delivers in one order everywhere: a node that answers has seen every
    change of the CIB that was made before. The exit status proves nothing, since some versions end with 0 without an
    answer. Pacemaker 2.0 takes the bare number as milliseconds, 2.1 as seconds; the deadline is the real limit.
    """
    try:
        result = command.run("crmadmin", "--timeout", "5000", "--status", node, deadline=deadline, check=False)
    except DeadlinePassed:
        return False
    words = result.stdout.replace(":", " ").replace("@", " ").split()
    return node in words and any(state in words for state in _MEMBER_STATES)
