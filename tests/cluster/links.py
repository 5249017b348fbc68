# SPDX-License-Identifier: GPL-2.0-or-later
"""The links between the servers, by corosync.conf, and how a test cuts them: each way but that to a server's address
stays as it is, such as those to the BMCs and to a third machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.machine import Machine

# A command for a server: how many links corosync has.
CONNECTED = "corosync-cfgtool -n | grep -c 'LINK: .* connected'"


def addresses(server: Machine) -> list[str]:
    """The server's addresses on both links."""
    name = f"name: {server}$"
    found = server.succeed(f"sed -n '/{name}/,/}}/s/.*ring._addr: //p' /etc/corosync/corosync.conf").split()
    assert len(found) == 2
    return found


class Cut:
    """Addresses that a server sends nothing to."""

    def __init__(self, server: Machine) -> None:
        self._server = server
        self._boots = server.boots
        self._addresses: list[str] = []

    def make(self, *addresses: str) -> None:
        """Have the server send nothing to these addresses."""
        self._server.succeed(" && ".join(f"ip route add blackhole {address}/32" for address in addresses))
        self._addresses += addresses

    def mend(self) -> None:
        """Have it send again. A server that has lost its power since does so when it boots."""
        if self._server.is_on and self._server.boots == self._boots:
            for address in self._addresses:
                self._server.succeed(f"ip route del blackhole {address}/32")
        self._addresses.clear()


@contextmanager
def cutting(server: Machine) -> Iterator[Cut]:
    """What a server sends to nobody for the time of the body."""
    cut = Cut(server)
    try:
        yield cut
    finally:
        cut.mend()
