# SPDX-License-Identifier: GPL-2.0-or-later
"""Each server's management controller: OpenIPMI's simulator, whose power control is the guest's process.

The cluster fences through it as it does on real servers: fence_ipmilan, IPMI 2.0, a network of its own.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lab import counts, network
from lab.machine import Machine

USER = "twinsan"
PASSWORD = "twinsan-lab"  # noqa: S105  the lab's own

_LAN = """\
name "{name}"
set_working_mc 0x20
  startlan 1
    addr {address} 623
    priv_limit admin
    allowed_auths_callback none md2 md5 straight
    allowed_auths_user none md2 md5 straight
    allowed_auths_operator none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa1234567{number:08x}
  endlan
  chassis_control "{hook}"
  user 1 false  ""        "test" user     10       none md2 md5 straight
  user 2 true  "{user}" "{password}" admin    10       none md2 md5 straight
"""
_COMMANDS = """\
mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02
sel_enable 0x20 1000 0x0a
mc_enable 0x20
"""
# The simulator runs `hook get power` and takes a line power:0 or power:1; `hook set power 0`; `hook set reset 1`.
_HOOK = """\
#!{python} -IS
import socket, sys
power = socket.socket(socket.AF_UNIX)
power.connect({path!r})
power.sendall(" ".join(sys.argv[1:]).encode())
power.shutdown(socket.SHUT_WR)
sys.stdout.write(power.makefile().read())
"""


class Bmc:
    """The controller of one guest; `told` hears of each power change, with the time it was made."""

    def __init__(self, machine: Machine, folder: Path, told: Callable[[Machine, str, float], None]) -> None:
        self.address = f"{network.WIRES['management']}.{machine.number}"
        self._machine = machine
        self._told = told
        self._folder = folder / f"bmc-{machine.name}"
        self._folder.mkdir(mode=0o700)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._folder / "power"))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        self._process = self._start_simulator()

    def _start_simulator(self) -> subprocess.Popen[bytes]:
        hook = self._folder / "hook"
        hook.write_text(_HOOK.format(python=sys.executable, path=str(self._folder / "power")), encoding="utf-8")
        hook.chmod(0o700)
        (self._folder / "commands").write_text(_COMMANDS, encoding="utf-8")
        (self._folder / "lan.conf").write_text(
            _LAN.format(
                name=self._machine.name,
                address=self.address,
                number=self._machine.number,
                hook=shlex.quote(str(hook)),
                user=USER,
                password=PASSWORD,
            ),
            encoding="utf-8",
        )
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(
                ["ipmi_sim", "-n", "-c", "lan.conf", "-f", "commands", "-s", "."],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": os.environ["PATH"]},
            )

    def unplug(self) -> None:
        """Leave it without power: it does not answer any more."""
        self._process.terminate()
        self._process.wait()

    def plug(self) -> None:
        """Give it power again."""
        self._process = self._start_simulator()

    def stop(self) -> None:
        """End the simulator."""
        self._process.terminate()
        self._process.wait()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                request, _ = self._listener.accept()
            except OSError:
                return
            with request, contextlib.suppress(OSError):
                words = request.makefile().read().split()
                request.sendall(self._answer(words).encode())

    def _answer(self, words: list[str]) -> str:
        """Do what the simulator asks: `get NAME...` or `set NAME VALUE`."""
        if words[:1] == ["get"]:
            return "".join(f"{name}:{int(self._machine.is_on) if name == 'power' else 0}\n" for name in words[1:])
        if words == ["set", "power", "0"]:
            self._machine.power_off(counts.FENCINGS)
            self._told(self._machine, "off", time.time())
        elif words == ["set", "power", "1"]:
            self._machine.start()
            self._told(self._machine, "on", time.time())
        elif words[:2] == ["set", "reset"]:
            self._machine.power_off(counts.FENCINGS)
            self._machine.start()
            self._told(self._machine, "reset", time.time())
        return ""
