# SPDX-License-Identifier: GPL-2.0-or-later
"""One iSCSI session, which here is one TCP connection: what the target answered in it."""

from __future__ import annotations

from collections.abc import Callable

from lab.capture import iscsi, verdict
from lab.capture.iscsi import Pdu, Stream
from lab.capture.packets import ACK, End, Segment
from lab.capture.verdict import Verdict

# SAM-5, 5.3.1.
_STATUS = {
    0x00: verdict.GOOD, 0x02: verdict.CHECK_CONDITION, 0x08: verdict.BUSY, 0x18: "SCSI status RESERVATION CONFLICT",
    0x28: "SCSI status TASK SET FULL", 0x30: "SCSI status ACA ACTIVE", 0x40: "SCSI status TASK ABORTED",
}  # fmt: skip
_LAWFUL_STATUS = (0x00, 0x02, 0x08)
_CHECK_CONDITION = 0x02
_UNIT_ATTENTION = 0x06
_MISCOMPARE = (0x0E, 0x1D, 0x00)
_COMPARE_AND_WRITE = 0x89
_INVALID_FIELD = (0x05, 0x24, 0x00)
_MODE_SENSE_10 = 0x5A
# The mode page of I/O hints and its subpage (SBC-5): Linux as an initiator asks every disk for it from 6.10 on, and LIO
# has none.
_IO_HINTS = (0x0A, 0x05)
# INQUIRY, READ CAPACITY of 10 and 16 bytes, REPORT LUNS: what a disk is. No failover changes the answer.
_IDENTITY = (0x12, 0x25, 0x9E, 0xA0)
_NO_TASK = b"\xff" * 4

Identities = dict[tuple[bytes, bytes], bytes]
Handlers = dict[int, Callable[[Pdu, float], None]]


class Session:
    """The session from `client`. `server` is the Ethernet address of the server that took it; "" as long as none has.

    `term` says how often the address had been taken when it was opened. `identities` has what was answered in any
    session about what the disk is.
    """

    def __init__(self, client: End, result: Verdict, identities: Identities) -> None:
        self.client = client
        self.server = ""
        self.term = 0
        self.is_over = False
        self.logging_out = False
        self.from_target, self.from_initiator = Stream(), Stream()
        self.first_sequence: int | None = None
        self._acknowledged: dict[bool, int] = {}
        self._result = result
        self._identities = identities
        self._commands: dict[bytes, tuple[bytes, bytes]] = {}
        self._answers: dict[bytes, bytes] = {}
        self._pings: set[bytes] = set()
        self._of_initiator: Handlers = {
            iscsi.NOP_OUT: self._nop_out,
            iscsi.SCSI_COMMAND: self._command,
            iscsi.TASK_REQUEST: self._task_request,
            iscsi.LOGIN_REQUEST: self._pass,
            iscsi.TEXT_REQUEST: self._pass,
            iscsi.DATA_OUT: self._pass,
            iscsi.LOGOUT_REQUEST: self._logout,
        }
        self._of_target: Handlers = {
            iscsi.NOP_IN: self._nop_in,
            iscsi.SCSI_RESPONSE: self._response,
            iscsi.TASK_RESPONSE: self._pass,
            iscsi.LOGIN_RESPONSE: self._login,
            iscsi.TEXT_RESPONSE: self._pass,
            iscsi.DATA_IN: self._data_in,
            iscsi.LOGOUT_RESPONSE: self._pass,
            iscsi.R2T: self._pass,
            iscsi.ASYNC: self._async,
            iscsi.REJECT: self._reject,
        }

    def __str__(self) -> str:
        return f"session {self.client.address}:{self.client.port}"

    @property
    def has_unanswered_ping(self) -> bool:
        """Whether the initiator asked whether the target is there, and has no answer."""
        return bool(self._pings)

    def take(self, segment: Segment, *, by_target: bool) -> None:
        """Read what a side says, and note what it has heard of the other."""
        stream = self.from_target if by_target else self.from_initiator
        stream.take(segment.sequence, segment.payload)
        # A reset need not acknowledge anything.
        if segment.flags & ACK:
            self._acknowledged[by_target] = segment.acknowledged
        for pdu in stream.pdus():
            handler = (self._of_target if by_target else self._of_initiator).get(pdu.opcode)
            if handler is None:
                self._accuse(segment.time, f"sent what is no iSCSI: opcode {pdu.opcode:02x}")
            else:
                handler(pdu, segment.time)

    def missing(self) -> int:
        """How many bytes the capture lacks, which the other side had."""
        lacking = 0
        for by_target, acknowledged in self._acknowledged.items():
            stream = self.from_initiator if by_target else self.from_target
            missing = stream.missing(acknowledged)
            # FIN is acknowledged like a byte.
            lacking += missing if missing > 1 else 0
        return lacking

    def _accuse(self, when: float, text: str) -> None:
        self._result.accuse(when, f"{self}: {text}")

    def _pass(self, _pdu: Pdu, _when: float) -> None:
        pass

    # -- the initiator's -----------------------------------------------------------------------------------------

    def _command(self, pdu: Pdu, _when: float) -> None:
        self._commands[pdu.task] = pdu.header[8:16], pdu.header[32:48]

    def _nop_out(self, pdu: Pdu, _when: float) -> None:
        if pdu.task != _NO_TASK:
            self._pings.add(pdu.task)

    def _task_request(self, _pdu: Pdu, _when: float) -> None:
        self._result.count(verdict.ABORTS)

    def _logout(self, _pdu: Pdu, _when: float) -> None:
        self.logging_out = True

    # -- the target's --------------------------------------------------------------------------------------------

    def _nop_in(self, pdu: Pdu, _when: float) -> None:
        self._pings.discard(pdu.task)

    def _login(self, pdu: Pdu, when: float) -> None:
        status = pdu.header[36:38].hex()
        self._result.count(verdict.LOGINS if status == "0000" else verdict.LOGINS_FAILED)
        if status != "0000":
            self._accuse(when, f"login answered with status {status}")

    def _async(self, _pdu: Pdu, _when: float) -> None:
        self._result.count(verdict.ASYNC)

    def _reject(self, pdu: Pdu, when: float) -> None:
        self._result.count(verdict.REJECTS)
        self._accuse(when, f"rejected with reason {pdu.header[2]:02x}")

    def _data_in(self, pdu: Pdu, when: float) -> None:
        if pdu.task in self._commands and self._commands[pdu.task][1][0] in _IDENTITY:
            self._answers[pdu.task] = self._answers.get(pdu.task, b"") + pdu.data
        # RFC 7143, 11.7.1: the S bit says that the status is here, and no response follows.
        if pdu.header[1] & 0x01:
            self._status(pdu, when, b"")

    def _response(self, pdu: Pdu, when: float) -> None:
        if pdu.header[2] != 0:
            self._accuse(when, f"SCSI command not completed: response {pdu.header[2]:02x}")
            return
        self._status(pdu, when, pdu.data[2 : 2 + int.from_bytes(pdu.data[:2], "big")])

    def _status(self, pdu: Pdu, when: float, sense: bytes) -> None:
        status = pdu.header[3]
        name = _STATUS.get(status, f"SCSI status {status:02x}")
        lun, command = self._commands.pop(pdu.task, (bytes(8), bytes(16)))
        self._result.count(name)
        if status not in _LAWFUL_STATUS:
            self._accuse(when, f"{name} to command {command[0]:02x}")
        elif status == _CHECK_CONDITION:
            self._sense(command, sense, when)
        self._compare(lun, command, self._answers.pop(pdu.task, b""), when)

    def _sense(self, command: bytes, sense: bytes, when: float) -> None:
        operation = command[0]
        if len(sense) < 14 and not (len(sense) >= 4 and sense[0] & 0x7E == 0x72):
            self._accuse(when, f"CHECK CONDITION to command {operation:02x} without sense data")
            return
        # SPC-4, 4.5: descriptor format has them elsewhere than fixed format.
        descriptor = sense[0] & 0x7E == 0x72
        key, *codes = (sense[1], sense[2], sense[3]) if descriptor else (sense[2], sense[12], sense[13])
        found = (key & 0x0F, *codes)
        text = "/".join(f"{number:02x}" for number in found)
        self._result.count(f"sense {text}")
        if found == _MISCOMPARE and operation == _COMPARE_AND_WRITE:
            self._result.count(verdict.MISCOMPARES)
        elif found[0] != _UNIT_ATTENTION and not (found == _INVALID_FIELD and _asks_for_hints(command)):
            self._accuse(when, f"sense {text} to command {operation:02x}")

    def _compare(self, lun: bytes, command: bytes, answer: bytes, when: float) -> None:
        if not answer:
            return
        before = self._identities.setdefault((lun, command), answer)
        if before != answer:
            self._accuse(
                when, f"command {command.hex()} was answered with {before.hex()} before, and now with {answer.hex()}"
            )


def _asks_for_hints(command: bytes) -> bool:
    """Whether it is MODE SENSE (SPC-4, 6.14) for a page that a disk need not have."""
    return command[0] == _MODE_SENSE_10 and (command[2] & 0x3F, command[3]) == _IO_HINTS
