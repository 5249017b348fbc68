# SPDX-License-Identifier: GPL-2.0-or-later
"""A portal address on this node: bring it up, and keep it while its network device has no carrier."""

from __future__ import annotations

import time

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.network import addresses, connections, links, placement, silence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.cluster.readiness import Readiness
    from twinsan.network.connection_record import ConnectionRecord
    from twinsan.network.connections import Peer
    from twinsan.network.links import Link

# How long a start pauses before its next attempt.
_SECONDS_BETWEEN_ATTEMPTS = 0.5

# How long it may take to publish who has connected again, after the action is over.
_SECONDS_TO_PUBLISH = 3

BETTER_ELSEWHERE = Reason(Failure, "better on the other node: {fault}")


class PortalAddress:
    """The address `ip` for iSCSI on TCP port `port`, for one action that has until `deadline`.

    `nic` and `prefix` say where it belongs (see placement.find). `readiness` has what the nodes publish about it, and
    `record` who was connected to it.
    """

    def __init__(
        self,
        ip: str,
        port: int,
        nic: str,
        prefix: int,
        *,
        readiness: Readiness,
        record: ConnectionRecord,
        deadline: Deadline,
    ) -> None:
        self.ip = ip
        self.port = port
        self.nic = nic
        self.prefix = prefix
        self._readiness = readiness
        self._record = record
        self._deadline = deadline
        # What this action did so far: the process that makes the initiators connect again, and whether it added the
        # address.
        self._reset_initiators: Callable[[], None] | None = None
        self._added = False

    def bring_up(self, patience: Deadline, sure: Deadline) -> None:
        """Bring the address up, announce it, and make its initiators connect again. Attempted until `patience` ends.

        On a network device without carrier it comes up when `sure` has passed and no other node is ready: what another
        node published earlier may be outdated. Raises what the last attempt raised: NotHere if the address belongs to
        no network device, Failure if another host has it or another node is better, OSError of the kernel.
        """
        while True:
            try:
                fault = self._attempt(sure)
            except (Failure, OSError):
                if patience.expired():
                    raise
            else:
                if fault:
                    # To wait here would keep the cluster from moving it.
                    raise BETTER_ELSEWHERE(fault=fault)
                return
            time.sleep(min(_SECONDS_BETWEEN_ATTEMPTS, patience.remaining()))

    def _attempt(self, sure: Deadline) -> str:
        """One attempt to bring it up. Raises Failure or OSError for a fault that the next attempt may not meet. Returns
        "", or the fault of its network device if another node is better.
        """
        link, prefix = placement.find(self.ip, self.nic, self.prefix)
        present = addresses.find(self.ip)
        right = [each for each in present if each.index == link.index and each.prefix == prefix and each.usable]
        if present and present == right and not self._added:
            return ""
        if not sure.expired():
            link.require_working()
        if link.fault and self._readiness.ready_elsewhere():
            return link.fault
        if not present or present != right:
            self._claim(link)
            for stale in present:
                addresses.remove(stale)
            silence.end(self.ip)
            self._added = True
            addresses.add(self.ip, prefix, link)
        self._announce(link)
        return ""

    def _claim(self, link: Link) -> None:
        """Make sure that no other host has the address; meanwhile another process asks the cluster who was connected to
        it. Raises Failure if another host has the address.
        """
        from twinsan.host import child
        from twinsan.network import vacancy

        if self._reset_initiators is None and not link.fault:
            self._reset_initiators = child.prepare_detached(self._make_ready)
        if not vacancy.is_known(self.ip, link):
            vacancy.require(self.ip, link, self._deadline)

    def _make_ready(self) -> Callable[[], None]:
        """Recall who was connected. Returns what resets these connections, announces the address a few times more, and
        publishes who has connected again.
        """
        from twinsan.network import presence

        peers = self._recall()

        def reset() -> None:
            # The attempt that added the address may have found another device than the one that began this.
            link, _ = placement.find(self.ip, self.nic, self.prefix)
            presence.announce(self.ip, self.port, link, peers)
            self._publish_if(presence.repeat(self.ip, self.port, link, peers))

        return reset

    def _announce(self, link: Link) -> None:
        """Announce the address now and a few times more; without carrier, when the carrier is back."""
        from twinsan.network import presence

        if link.fault or self._reset_initiators is None:
            self._announce_with_carrier(link, self._recall)
            return
        presence.announce(self.ip, self.port, link, [])
        self._reset_initiators()

    def await_carrier(self, link: Link, sure: Deadline) -> bool:
        """Keep the address on a network device without carrier: have it announced when the carrier is back.

        Returns False if no other node is ready to take it over. While one is, waits until `sure`, and returns True if
        the device works by then; else raises Failure, so that the cluster moves the address.
        """
        self._announce_with_carrier(link, self._recall)
        while self._readiness.ready_elsewhere():
            if links.works(link.index):
                return True
            if sure.expired():
                raise BETTER_ELSEWHERE(fault=link.fault)
            time.sleep(min(1.0, sure.remaining()))
        return False

    def _announce_with_carrier(self, link: Link, recall: Callable[[], list[Peer]]) -> None:
        from twinsan.host import child
        from twinsan.network import presence

        child.run_detached(lambda: self._publish_if(presence.announce_with_carrier(self.ip, self.port, link, recall)))

    def _publish_if(self, is_here: bool) -> None:
        """Publish who has connected again, if the address is here. The next monitor may be 10 s away: a power cut may
        come first.
        """
        if is_here:
            peers = connections.established(self.ip, self.port)
            # The action is over, and so is its deadline.
            self._record.publish(peers, Deadline(_SECONDS_TO_PUBLISH))

    def _recall(self) -> list[Peer]:
        return self._record.recall(self._deadline)
