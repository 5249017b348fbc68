#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SCSI commands to disks of this host, as many as wanted in one process, which is the dear thing in a guest.

Reads a JSON list of commands from standard input and prints the list of answers. A command is {"device", "cdb"} with
"out" (data to send) or "in" (how many bytes are expected); all data are hexadecimal. An answer has "status" (SAM-5,
5.3.1: 0 GOOD, 2 CHECK CONDITION, 8 BUSY, 24 RESERVATION CONFLICT), "host" (Linux, DID_*), "sense" ("key/asc/ascq" in
hexadecimal, "" without) and "data". "attentions" of a command is how many unit attentions it is sent again after: each
is told once, and the command was not looked at. Runs in a guest; the standard library is all it needs, and this file
alone.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import struct
import sys

# include/scsi/sg.h
_SG_IO = 0x2285
_HEADER = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII")
_NO_DATA, _TO_DEVICE, _FROM_DEVICE = -1, -2, -3
_SENSE_BYTES = 64
_MILLISECONDS = 60000
# SPC-3, 4.5.6: the sense key.
_UNIT_ATTENTION = "06/"


def send(descriptor: int, cdb: bytes, out: bytes = b"", wanted: int = 0) -> dict[str, int | str]:
    """Send one command to an open disk; returns the answer. Raises OSError where the disk takes none at all."""
    command, sense = ctypes.create_string_buffer(cdb, len(cdb)), ctypes.create_string_buffer(_SENSE_BYTES)
    length = len(out) or wanted
    data = ctypes.create_string_buffer(out, length) if out else ctypes.create_string_buffer(length)
    direction = _TO_DEVICE if out else _FROM_DEVICE if wanted else _NO_DATA
    header = bytearray(
        _HEADER.pack(
            ord("S"), direction, len(cdb), _SENSE_BYTES, 0, length, ctypes.addressof(data), ctypes.addressof(command),
            ctypes.addressof(sense), _MILLISECONDS, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        )
    )  # fmt: skip
    fcntl.ioctl(descriptor, _SG_IO, header)
    fields = _HEADER.unpack(header)
    status, host, residual = fields[13], fields[17], fields[19]
    received = data.raw[: max(0, length - residual)] if wanted else b""
    return {"status": status, "host": host, "sense": _words(sense.raw) if status == 2 else "", "data": received.hex()}


def _words(sense: bytes) -> str:
    """Key and additional sense code; descriptor format (72h, 73h) has them elsewhere than fixed format."""
    key, asc, ascq = (sense[1], sense[2], sense[3]) if sense[0] & 0x7E == 0x72 else (sense[2], sense[12], sense[13])
    return f"{key & 0x0F:02x}/{asc:02x}/{ascq:02x}"


def main() -> int:
    """Answer standard input."""
    answers = []
    for command in json.load(sys.stdin):
        descriptor = os.open(command["device"], os.O_RDWR | os.O_NONBLOCK)
        try:
            words = bytes.fromhex(command["cdb"]), bytes.fromhex(command.get("out", "")), command.get("in", 0)
            answer = send(descriptor, *words)
            for _ in range(command.get("attentions", 0)):
                if str(answer["sense"]).startswith(_UNIT_ATTENTION):
                    answer = send(descriptor, *words)
            answers.append(answer)
        finally:
            os.close(descriptor)
    json.dump(answers, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
