# SPDX-License-Identifier: GPL-2.0-or-later
"""A node attribute that this node keeps set: sent to the cluster when its value changes, and again after some time."""

from __future__ import annotations

from twinsan.cluster.published import Published

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline


class Publication:
    """The node attribute `attribute`. The file `note` in /run/twinsan has the value that was set last.

    It is set on this node, or with `on_every_node` on every node that is in the cluster, to outlive this one. A
    `private` one is not written to the CIB, which the scheduler reads; one on every node is always private. Raises
    Failure if `note` cannot be the name of a file.
    """

    __slots__ = ("_on_every_node", "_private", "attribute", "note")

    def __init__(self, attribute: str, note: str, *, on_every_node: bool = False, private: bool = True) -> None:
        self.attribute = attribute
        self.note = Published(note)
        self._on_every_node = on_every_node
        self._private = private

    def publish(self, value: str, deadline: Deadline, longest: float) -> None:
        """Set the attribute to `value`; "" deletes it. Runs nothing if the same was done less than `longest` seconds
        ago, and the attribute daemon has not been started since.

        Raises Failure, such as CommandFailed, if the cluster does not accept it; the next call tries again.
        """
        if self.note.recent(longest) == value:
            return
        from twinsan.cluster import attributes

        # Removed first: if the cluster cannot be reached, the next monitor tries again.
        self.note.forget()
        if self._on_every_node:
            attributes.set_on_every_node(self.attribute, value, deadline)
        else:
            attributes.set_node_attribute(self.attribute, value, deadline, private=self._private)
        self.note.replace(value)
