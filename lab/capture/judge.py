# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge of a capture: who had the portal address when, and what became of every connection to it.

A server takes the address when it speaks from it after it has asked the network whether anybody has it (RFC 5227).
From then on it may reset the sessions of before, which it does not know; until then nobody may.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lab.capture import verdict
from lab.capture.packets import FIN, RST, SYN, Arp, Capture, End, Packet, Segment
from lab.capture.session import Identities, Session
from lab.capture.verdict import Verdict

_NOBODY = "0.0.0.0"


class Judge:
    """Sees all packets in their order; `names` are the servers' by their Ethernet addresses."""

    def __init__(self, portal: str, names: Mapping[str, str]) -> None:
        self.result = Verdict()
        self._portal = portal
        self._names = names
        self._asking: set[str] = set()
        self._owner = ""
        self._term = 0
        self._sessions: dict[End, Session] = {}
        self._identities: Identities = {}
        self._last = 0.0

    def see(self, packet: Packet) -> None:
        """Take the next packet."""
        self._last = packet.time
        self.result.count(verdict.PACKETS)
        if isinstance(packet, Arp):
            if packet.sender == _NOBODY and packet.target == self._portal:
                self._asking.add(packet.mac)
            elif packet.sender == self._portal:
                self._speaks(packet)
        elif packet.source.address == self._portal:
            self._speaks(packet)
            self._from_portal(packet)
        elif packet.destination.address == self._portal:
            self._to_portal(packet)

    def end(self, dropped: int | None) -> Verdict:
        """All has been seen; `dropped` is how many packets the capture lacks by its own account."""
        for session in self._sessions.values():
            self._check_whole(session)
        self.result.counts[verdict.DROPPED] = dropped or 0
        if dropped is None:
            self.result.accuse(self._last, "the capture has no end, so packets may be missing")
        elif dropped:
            self.result.accuse(self._last, f"the capture lacks {dropped} packets")
        return self.result

    def _speaks(self, packet: Packet) -> None:
        """Somebody sends from the address: its owner, or a server that thereby takes it."""
        if packet.mac in self._asking:
            self._asking.discard(packet.mac)
            self._owner = packet.mac
            self._term += 1
            self.result.count(verdict.TAKES)
        elif not self._owner:
            self._owner = packet.mac
        elif packet.mac != self._owner:
            self._accuse(packet, f"sent from the address that {self._name(self._owner)} has taken")

    # -- from the servers ----------------------------------------------------------------------------------------

    def _from_portal(self, segment: Segment) -> None:
        session = self._session(segment, segment.destination)
        if segment.flags & (RST | FIN):
            self._end(segment, session)
            return
        if session is None:
            return
        if segment.flags & SYN:
            self._accepted(segment, session)
        elif not session.is_over and segment.mac == session.server and session.term == self._term:
            session.take(segment, by_target=True)

    def _accepted(self, segment: Segment, session: Session) -> None:
        if not session.server:
            session.server, session.term = segment.mac, self._term
            session.from_target.synchronise(segment.sequence + 1)
            self.result.count(verdict.SESSIONS)

    def _end(self, segment: Segment, session: Session | None) -> None:
        """A server ends a connection: rightly only one of before it had the address, or one that is logged out."""
        what = "RST" if segment.flags & RST else "FIN"
        if session is None or session.is_over:
            self.result.count(verdict.STALE)
        elif not session.server:
            self.result.count(verdict.REFUSED)
            self._accuse(segment, f"refused the connection of {session}")
            session.is_over = True
        elif session.term != self._term:
            self.result.count(verdict.RESET)
            self._over(session)
        elif session.logging_out:
            self.result.count(verdict.LOGGED_OUT)
            self._over(session)
        else:
            self.result.count(verdict.LIVE_ENDED)
            self._accuse(segment, f"sent {what} to the live {session}")
            self._over(session)

    # -- from initiators -----------------------------------------------------------------------------------------

    def _to_portal(self, segment: Segment) -> None:
        if segment.flags & SYN:
            self._connects(segment)
            return
        session = self._session(segment, segment.source)
        if session is None or session.is_over:
            return
        session.take(segment, by_target=False)
        if segment.flags & (RST | FIN):
            self.result.count(verdict.LOGGED_OUT if session.logging_out else verdict.GIVEN_UP)
            if session.has_unanswered_ping and not session.logging_out:
                self.result.count(verdict.NOP_TIMEOUTS)
            self._over(session)

    def _connects(self, segment: Segment) -> None:
        session = self._sessions.get(segment.source)
        if session is None or session.first_sequence != segment.sequence:
            session = self._new_session(segment.source)
            session.first_sequence = segment.sequence
            session.from_initiator.synchronise(segment.sequence + 1)

    # -- sessions ------------------------------------------------------------------------------------------------

    def _session(self, segment: Segment, client: End) -> Session | None:
        """The session that a segment belongs to; one that was there before the capture begins with its first PDU."""
        session = self._sessions.get(client)
        if session is None and segment.payload:
            session = self._new_session(client)
            session.server = segment.mac if segment.destination == client else segment.to
            session.term = self._term
            self.result.count(verdict.SESSIONS)
        return session

    def _new_session(self, client: End) -> Session:
        session = Session(client, self.result, self._identities)
        self._sessions[client] = session
        return session

    def _over(self, session: Session) -> None:
        session.is_over = True
        self._check_whole(session)

    def _check_whole(self, session: Session) -> None:
        missing = session.missing()
        if missing:
            self.result.accuse(self._last, f"{session}: the capture lacks {missing} bytes of it")

    def _accuse(self, packet: Packet, text: str) -> None:
        self.result.accuse(packet.time, f"{self._name(packet.mac)} {text}")

    def _name(self, mac: str) -> str:
        return self._names.get(mac, mac)


def judge(path: Path, portal: str, names: Mapping[str, str]) -> Verdict:
    """Judge a capture file."""
    capture = Capture(path)
    judging = Judge(portal, names)
    for packet in capture.packets():
        judging.see(packet)
    return judging.end(capture.dropped)
