# SPDX-License-Identifier: GPL-2.0-or-later
"""The nodes of the cluster: this one, those in the partition, those in service."""

from __future__ import annotations

import os

from twinsan.errors import Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# The attributes by which crm_mon marks a node that is online and where no resource may start.
_OUT_OF_SERVICE = ("standby", "standby_onfail", "maintenance", "pending", "unclean", "shutdown")

UNREADABLE = Reason(Failure, "crm_mon: {error}")


def node_name(deadline: Deadline) -> str:
    """The name of this node in the cluster; the host's name if no cluster runs."""
    result = command.run("crm_node", "--name", deadline=deadline, check=False)
    return result.stdout.strip() if result.ok and result.stdout.strip() else os.uname().nodename


def names(deadline: Deadline) -> list[str]:
    """The names of the nodes in the cluster now, as this node sees it. Raises CommandFailed if no cluster runs."""
    return command.run("crm_node", "--partition", deadline=deadline).stdout.split()


def in_service(deadline: Deadline) -> set[str]:
    """The names of the nodes that the cluster may start resources on: those online and not in standby, maintenance or
    the like. Raises Failure if the cluster does not answer.
    """
    # Imported only here: a monitor rarely needs it, and it costs as much as all else that is imported.
    import xml.etree.ElementTree as ET

    asked = command.run("crm_mon", "--one-shot", "--output-as=xml", "--include=none,nodes", deadline=deadline)
    try:
        nodes = ET.fromstring(asked.stdout).findall("nodes/node")  # noqa: S314
    except ET.ParseError as error:
        raise UNREADABLE(error=error) from None
    return {
        node.get("name", "")
        for node in nodes
        if node.get("online") == "true" and not any(node.get(state) == "true" for state in _OUT_OF_SERVICE)
    }
