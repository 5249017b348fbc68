# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands in for ssh between the servers, whose image has none: `serve` runs what the other one sends, `ssh` sends.

Installed as /usr/bin/ssh it takes the command line of ssh: options, root@HOST, and one word with the command.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lab.machine import Machine

_PORT = 2222
_ADDRESSES = {"atlas": "10.0.5.2", "zeus": "10.0.5.3"}


def install(server: Machine) -> None:
    """Let a server reach the other, and be reached."""
    server.copy({"/usr/bin/ssh": b"#!/usr/bin/python3\n" + Path(__file__).read_bytes()})
    # A test may cut the power before the kernel writes it back.
    server.succeed("chmod 755 /usr/bin/ssh && sync")
    start(server)


def start(server: Machine) -> None:
    """Let a server be reached, also after it has booted."""
    server.succeed(
        "systemctl is-active --quiet peer-shell || systemd-run --quiet --collect --unit=peer-shell /usr/bin/ssh serve"
    )


def remove(server: Machine) -> None:
    """Let a server neither reach the other nor be reached."""
    server.succeed("systemctl stop peer-shell; rm -f /usr/bin/ssh")


def serve() -> None:
    """Run one command after the other, for ever."""
    with socket.create_server(("", _PORT)) as listening:
        while True:
            connection, _ = listening.accept()
            with connection, connection.makefile("rw") as file:
                asked = json.loads(file.readline())
                done = subprocess.run(
                    ["sh", "-c", asked["command"]], input=asked["input"], capture_output=True, text=True, check=False
                )
                file.write(json.dumps([done.returncode, done.stdout, done.stderr]) + "\n")


def ssh(words: list[str]) -> int:
    """Have the last word run on the host of the word before."""
    host, command = words[-2].rpartition("@")[2], words[-1]
    try:
        with socket.create_connection((_ADDRESSES[host], _PORT), 10) as connection, connection.makefile("rw") as file:
            file.write(json.dumps({"command": command, "input": ""}) + "\n")
            file.flush()
            status, out, err = json.loads(file.readline())
    except (OSError, ValueError) as error:
        print(f"ssh: connect to host {host}: {error}", file=sys.stderr)
        return 255
    sys.stdout.write(out)
    sys.stderr.write(err)
    return int(status)


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    sys.exit(ssh(sys.argv[1:]))
