# SPDX-License-Identifier: GPL-2.0-or-later
"""Send TEST UNIT READY to a disk of this host, if it is a SCSI disk."""

from __future__ import annotations

import array
import errno
import fcntl
import os
import struct

from twinsan.errors import Failure, Reason

# include/scsi/sg.h: the request, its structure (a pointer is as long as the machine's), no data in either direction.
_SG_IO = 0x2285
_HEADER = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII")
_NO_DATA = -1

# SPC-3, 6.33: operation code 0, nothing else.
_TEST_UNIT_READY = bytes(6)
_SENSE_BYTES = 32

_CHECK_CONDITION = 2
_UNIT_ATTENTION = 6

NOT_READY = Reason(
    Failure, "{path} is not ready: status {status}, host status {host_status}, sense key {sense_key}", "see 'dmesg'"
)


def require_ready(path: str, milliseconds: int) -> None:
    """Send TEST UNIT READY to the device at `path`, with a timeout of `milliseconds`. Raises Failure if it is not
    ready, and OSError if the command cannot be sent. A device that is no SCSI disk passes.

    A unit attention condition is reported once, so the command is repeated after one.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        answer = _ask(descriptor, milliseconds)
        if answer == (_CHECK_CONDITION, 0, _UNIT_ATTENTION):
            answer = _ask(descriptor, milliseconds)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
            return
        raise
    finally:
        os.close(descriptor)
    status, host_status, sense_key = answer
    if status or host_status:
        raise NOT_READY(path=path, status=status, host_status=host_status, sense_key=sense_key)


def _ask(descriptor: int, milliseconds: int) -> tuple[int, int, int]:
    """Send the command; returns status, host status and sense key."""
    command, sense = array.array("B", _TEST_UNIT_READY), array.array("B", bytes(_SENSE_BYTES))
    header = bytearray(
        _HEADER.pack(
            ord("S"), _NO_DATA, len(command), _SENSE_BYTES, 0, 0, 0, command.buffer_info()[0], sense.buffer_info()[0],
            milliseconds, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        )
    )  # fmt: skip
    fcntl.ioctl(descriptor, _SG_IO, header)
    fields = _HEADER.unpack(header)
    # Fixed sense data have the key in byte 2, those with descriptors (0x72, 0x73) in byte 1.
    key = sense[1 if sense[0] & 0x7F in (0x72, 0x73) else 2] & 0x0F
    return fields[13], fields[17], key
