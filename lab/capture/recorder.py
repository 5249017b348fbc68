# SPDX-License-Identifier: GPL-2.0-or-later
"""Capturing at the initiator's end of the SAN, on the host's side, with dumpcap."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from lab import network
from lab.errors import LabError
from lab.machine import Machine, wait_until

# ARP says who has the portal address, and the source of a frame which server sent it.
_FILTER = "arp or tcp port 3260"
# MiB that the kernel holds when dumpcap gets no processor for a while.
_BUFFER = 32
# A question of nobody for nobody, in ARP; Ethernet pads short frames.
_MARK = bytes.fromhex("ffffffffffff 020000000000 0806 0001 0800 06 04 0001 020000000000".replace(" ", "")).ljust(
    60, b"\0"
)


def mac(machine: Machine) -> str:
    """The Ethernet address of a guest on the SAN (lab/machine.py gives it)."""
    return f"52:54:00:00:{list(network.WIRES).index('san'):02x}:{machine.number:02x}"


@contextlib.contextmanager
def recording(initiator: Machine, path: Path) -> Iterator[None]:
    """Capture all that the initiator sends and gets, in whole packets, for the time of the body."""
    tap = network.tap(initiator.name, "san")
    path.unlink(missing_ok=True)
    command = ["dumpcap", "-q", "-i", tap, "-f", _FILTER, "-B", str(_BUFFER), "-w", str(path)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as dump:
        try:
            # It writes the file's first blocks when it has opened the tap.
            wait_until(lambda: dump.poll() is not None or _has_begun(path), f"dumpcap captures on {tap}", 30)
            if dump.poll() is not None:
                raise LabError(f"dumpcap ended: {dump.stderr.read().decode() if dump.stderr else ''}")
            yield
            _wait_until_written(tap, path)
        finally:
            dump.send_signal(signal.SIGINT)
            dump.wait()


def _has_begun(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _wait_until_written(tap: str, path: Path) -> None:
    """Wait until the file has all that was on the wire before now: dumpcap ends without what the kernel still holds."""
    before = path.stat().st_size
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((tap, 0))
        sender.send(_MARK)

    def written() -> bool:
        with path.open("rb") as file:
            file.seek(before)
            return _MARK in file.read()

    wait_until(written, f"dumpcap has written what it captured on {tap}", 30)
