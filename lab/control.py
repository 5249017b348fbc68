# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands in a guest, over a connection of their own: exit status and output come as frames, not from a console.

A request is a length (4 bytes, big-endian) and JSON. Then frames go both ways: kind (1 byte), length (4 bytes) and
payload. Kinds: 0 input (empty: end of input), 1 output, 2 error output, 3 exit status (4 bytes, negative: signal),
4 size of the terminal. Whoever hangs up first ends the command.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from dataclasses import dataclass

from lab.errors import MachineLost, WaitTimedOut

PORT = 7
STDIN, STDOUT, STDERR, EXIT, SIZE = range(5)
HEADER = struct.Struct(">BI")


@dataclass(frozen=True)
class Result:
    """How a command ended; `status` is negative for a signal."""

    status: int
    stdout: str
    stderr: str


class Channel:
    """One command in the guest at `address`."""

    def __init__(
        self, address: str, argv: list[str], environment: dict[str, str] | None = None, terminal: bool = False
    ) -> None:
        self.socket = socket.create_connection((address, PORT), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # An unplugged or killed guest never says goodbye.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 2)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 5)
        self.socket.settimeout(None)
        request = json.dumps({"argv": argv, "environment": environment or {}, "terminal": terminal}).encode()
        self.socket.sendall(struct.pack(">I", len(request)) + request)

    def send(self, kind: int, payload: bytes) -> None:
        """Send one frame."""
        self.socket.sendall(HEADER.pack(kind, len(payload)) + payload)

    def receive(self, deadline: float | None) -> tuple[int, bytes]:
        """The next frame. Raises WaitTimedOut at `deadline` (monotonic; None: never), MachineLost on a hang-up."""
        kind, length = HEADER.unpack(self._exactly(HEADER.size, deadline))
        return kind, self._exactly(length, deadline)

    def close(self) -> None:
        """Hang up; a command that still runs is killed."""
        self.socket.close()

    def _exactly(self, length: int, deadline: float | None) -> bytes:
        data = b""
        while len(data) < length:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.socket], [], [], left)[0]:
                raise WaitTimedOut("the command did not end in time")
            try:
                part = self.socket.recv(length - len(data))
            except OSError as error:
                raise MachineLost(f"the guest stopped answering: {error}") from error
            if not part:
                raise MachineLost("the guest hung up")
            data += part
        return data


def run(address: str, argv: list[str], *, stdin: bytes, timeout: float) -> Result:
    """Run a command and wait for its end, at most `timeout` seconds."""
    deadline = time.monotonic() + timeout
    output = {STDOUT: b"", STDERR: b""}
    try:
        channel = Channel(address, argv)
    except OSError as error:
        raise MachineLost(f"the guest at {address} does not answer: {error}") from error
    try:
        for start in range(0, len(stdin), 1 << 16):
            channel.send(STDIN, stdin[start : start + (1 << 16)])
        channel.send(STDIN, b"")
        while True:
            kind, payload = channel.receive(deadline)
            if kind == EXIT:
                (status,) = struct.unpack(">i", payload)
                out, err = (output[kind].decode(errors="replace") for kind in (STDOUT, STDERR))
                return Result(status, out, err)
            output[kind] += payload
    finally:
        channel.close()
