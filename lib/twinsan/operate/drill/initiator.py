# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host of the SAN notices: it reads a block of its disk over and over, beside the drill."""

from __future__ import annotations

import os
import re
import threading

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.host import command

NOT_SO = Reason(Misconfigured, "{text!r} is no disk of a host", "write HOST:DEVICE, as in esx1:/dev/sdb")
SAYS_NOTHING = Reason(Failure, "{host} does not read {device}: {said}", "try: ssh {host} true")

# A host and a path that mean the same to every shell.
_FORM = re.compile(r"((?:[\w.-]+@)?[\w.-]+):(/dev/[\w./:+-]+)")

# Reads the first 4 KiB of the device past all caches, 20 times a second, until the file is there or the time is over,
# and prints when each read ended, or what its error was. It runs on Python 3 of any age, also on ESXi.
_PROGRAM = """
import mmap, os, sys, time
device, seconds, ended = sys.argv[1], float(sys.argv[2]), sys.argv[3]
disk = os.open(device, os.O_RDONLY | getattr(os, "O_DIRECT", 0))
block = mmap.mmap(-1, 4096)
end = time.time() + seconds
while time.time() < end and not os.path.exists(ended):
    begin = time.time()
    try:
        os.preadv(disk, [block], 0) if hasattr(os, "preadv") else os.pread(disk, 4096, 0)
        print("%.3f ok" % time.time())
    except OSError as error:
        print("%.3f %s" % (time.time(), error))
    time.sleep(max(0.0, 0.05 - (time.time() - begin)))
if os.path.exists(ended):
    os.unlink(ended)
"""

_SECONDS_FOR_SSH = 30.0

# A line of that program. A host may print other words, at each login.
_LINE = re.compile(r"(\d{1,12}\.\d{3}) (.*)")


class Reader:
    """A host that reads `device`, from `start` to `stop`. `times` are those at which a read ended, in seconds since the
    epoch by the host's clock; `errors` are the reads that failed.
    """

    def __init__(self, host: str, device: str) -> None:
        self.host = host
        self.device = device
        self.times: list[float] = []
        self.errors: list[str] = []
        self.fault = ""
        # On another host, by a name that nobody can foresee.
        self._ended = f"/tmp/twinsan-drill-{os.urandom(8).hex()}"  # noqa: S108
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._seconds = 0.0

    def start(self, seconds: float) -> None:
        """Begin to read, for at most that long. Raises Failure if the host cannot."""
        probe = f"test -r {self.device} && python3 -c pass"
        result = self._ssh(probe, seconds=_SECONDS_FOR_SSH)
        if not result.ok:
            said = result.complaint or "it cannot be read there, or there is no python3"
            raise SAYS_NOTHING(host=self.host, device=self.device, said=said)
        self._seconds = seconds
        self._thread.start()

    def stop(self) -> None:
        """End the reading and take in what was read. What keeps it from that is its `fault`, and raises nothing."""
        try:
            self._ssh(f"touch {self._ended}", seconds=_SECONDS_FOR_SSH)
        except Failure as failure:
            self.fault = str(failure)
        self._thread.join(timeout=_SECONDS_FOR_SSH)
        if self._thread.is_alive():
            self.fault = "it did not end to read"

    def _read(self) -> None:
        words = f"python3 - {self.device} {self._seconds:.0f} {self._ended}"
        try:
            result = self._ssh(words, seconds=self._seconds + _SECONDS_FOR_SSH, text=_PROGRAM)
        except (Failure, OSError) as failure:
            self.fault = str(failure)
            return
        self.take(result.stdout)
        if not result.ok:
            self.fault = result.complaint or f"its reader ended with status {result.status}"

    def take(self, printed: str) -> None:
        """Take in what the host has printed."""
        for line in printed.splitlines():
            found = _LINE.fullmatch(line)
            if found and found[2] == "ok":
                self.times.append(float(found[1]))
            elif found:
                self.errors.append(found[2])

    def _ssh(self, words: str, *, seconds: float, text: str = "") -> command.Result:
        options = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=10")
        return command.run("ssh", *options, self.host, words, deadline=Deadline(seconds), input=text, check=False)


def parse(text: str) -> tuple[str, str]:
    """Return host and device of HOST:DEVICE. Raises Misconfigured."""
    found = _FORM.fullmatch(text)
    # A host that begins with a dash would be an option of ssh.
    if not found or text.startswith("-"):
        raise NOT_SO(text=text)
    return found[1], found[2]
