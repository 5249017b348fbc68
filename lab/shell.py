# SPDX-License-Identifier: GPL-2.0-or-later
"""The user's end of ``lab/ssh``: a terminal, or plain input and output, to one command in a guest."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import sys
import termios
import tty

from lab import control, namespace, network, session

_USAGE = """usage: lab/ssh {atlas|zeus|esx} [COMMAND...]

Without a command it opens a shell. A command's exit status is passed on. The pair is started by: make lab"""


def main(words: list[str]) -> int:
    """Run the command line; returns the command's exit status."""
    if not words or words[0] in ("-h", "--help"):
        print(_USAGE)
        return 0 if words else 2
    if words[0] not in session.NUMBERS:
        print(f"lab/ssh: no guest is called {words[0]!r}; there are {', '.join(session.NUMBERS)}", file=sys.stderr)
        return 2
    pid = session.running()
    if pid is None:
        print("lab/ssh: no pair is running; start one with: make lab", file=sys.stderr)
        return 1
    namespace.join(pid)
    address = f"{network.WIRES['lab']}.{session.NUMBERS[words[0]]}"
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    try:
        channel = control.Channel(
            address,
            # As ssh does, several words are one line for the guest's shell.
            ["sh", "-c", " ".join(words[1:])] if words[1:] else ["bash", "-l"],
            {"TERM": os.environ.get("TERM", "dumb"), "PS1": f"{words[0]}:\\w# "},
            terminal=terminal,
        )
    except OSError as error:
        print(f"lab/ssh: {words[0]} does not answer: {error}", file=sys.stderr)
        return 1
    return _in_raw_mode(channel) if terminal else _relay(channel)


def _in_raw_mode(channel: control.Channel) -> int:
    def tell_size(*_: object) -> None:
        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
        channel.send(control.SIZE, size)

    before = termios.tcgetattr(sys.stdin.fileno())
    signal.signal(signal.SIGWINCH, tell_size)
    tell_size()
    try:
        tty.setraw(sys.stdin.fileno())
        return _relay(channel)
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


def _relay(channel: control.Channel) -> int:
    outputs = {control.STDOUT: 1, control.STDERR: 2}
    sources: list[int] = [channel.socket.fileno(), 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if 0 in ready:
            data = os.read(0, 65536)
            channel.send(control.STDIN, data)
            if not data:
                sources.remove(0)
        if channel.socket.fileno() in ready:
            kind, payload = channel.receive(None)
            if kind == control.EXIT:
                (status,) = struct.unpack(">i", payload)
                return int(status) if status >= 0 else 128 - int(status)
            os.write(outputs[kind], payload)
