# SPDX-License-Identifier: GPL-2.0-or-later
"""What the initiator asks a disk, in SCSI's own bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Union

from lab.machine import Machine, wait_until

Command = dict[str, Union[str, int]]
Answer = dict[str, Union[str, int]]

TEST_UNIT_READY: Command = {"cdb": "00" * 6}

_UNIT_ATTENTION = "06/"

# All that an initiator takes a disk's identity, abilities and limits from. Nothing of it may differ, ever.
_IDENTITY: dict[str, Command] = {
    "standard INQUIRY": {"cdb": "1200000fff00", "in": 0xFFF},
    "0x80 unit serial number": {"cdb": "1201800fff00", "in": 0xFFF},
    "0x83 device identification": {"cdb": "1201830fff00", "in": 0xFFF},
    "0xB0 block limits": {"cdb": "1201b00fff00", "in": 0xFFF},
    "0xB1 block device characteristics": {"cdb": "1201b10fff00", "in": 0xFFF},
    "0xB2 logical block provisioning": {"cdb": "1201b20fff00", "in": 0xFFF},
    "READ CAPACITY (16)": {"cdb": "9e10000000000000000000000020" + "0000", "in": 32},
}


def send(initiator: Machine, disk: str, commands: Sequence[Command]) -> list[Answer]:
    """Send commands one after the other, as they are: nothing is tried again. Returns the answers."""
    requests = [{"device": disk, **command} for command in commands]
    told = initiator.succeed("/usr/local/lib/lab/scsi", stdin=json.dumps(requests).encode())
    answers: list[Answer] = json.loads(told)
    return answers


def wait_until_ready(initiator: Machine, disk: str) -> None:
    """Wait until the disk has told all that has happened to it, and is ready."""

    def ready() -> bool:
        return send(initiator, disk, [TEST_UNIT_READY])[0]["status"] == 0

    # No sg_turs: that of sg3-utils 1.48 sends nothing, and succeeds.
    wait_until(ready, f"{disk} is ready", 120)


def ask(initiator: Machine, disk: str, commands: Sequence[Command]) -> list[Answer]:
    """Send commands, and each again that was answered with what has happened to the disk before (UNIT ATTENTION, once
    for each thing). Returns the answers.
    """
    answers = send(initiator, disk, commands)
    while any(str(answer["sense"]).startswith(_UNIT_ATTENTION) for answer in answers):
        answers = send(initiator, disk, commands)
    return answers


def identity(initiator: Machine, disk: str) -> dict[str, str]:
    """The bytes of all that the disk is known by, in hexadecimal."""
    answers = ask(initiator, disk, list(_IDENTITY.values()))
    assert all(answer["status"] == 0 and answer["data"] for answer in answers), answers
    return {name: str(answer["data"]) for name, answer in zip(_IDENTITY, answers)}
