# SPDX-License-Identifier: GPL-2.0-or-later
"""A host with one DRBD resource as the programs that the agent runs would show it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.fake_configfs import disk
from twinsan.deadline import Deadline
from twinsan.drbd import setup as drbd_setup
from twinsan.drbd import split_brain
from twinsan.drbd import state_volume as state
from twinsan.errors import DeadlinePassed
from twinsan.host import child, command, device_limits, durable_file, rundir
from twinsan.host.device_limits import Limits

HELD_OPEN_9 = """\
san: State change failed: (-12) Device is held open by someone
additional info from kernel:
drbd0 opened by mount (pid 1876) at 2026-11-22 08:28:38.657
"""
HELD_OPEN_8_4 = "0: State change failed: (-12) Device is held open by someone\n"
NO_DATA = "san: State change failed: (-2) Need access to UpToDate data\n"
TWO_PRIMARIES = "san: State change failed: (-1) Multiple primaries not allowed by config\n"
NOT_FENCED = "san: State change failed: (-7) Refusing to be Primary while peer is not outdated\n"
UNKNOWN = "'{}' not defined in your config (for this host).\n"
PARSE_ERROR = """\
/etc/drbd.d/san.res:5: Parse error: 'protocol | on | disk | net' expected,
\tbut got 'bogus' (TK 282)
"""


class FakeHost:
    """What the kernel has, and what was asked of it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "san", minor: int = 0) -> None:
        self.name, self.minor = name, minor
        self.version = 9
        self.up = False
        self.role = "Secondary"
        self.disk = "UpToDate"
        self.suspended = "no"
        self.forced = "no"
        self.connection = "Connected"
        self.peer_role = "Secondary"
        self.peer_disk = "UpToDate"
        self.replication = "Established"
        self.out_of_sync = 0
        # Requests that the local disk has not answered.
        self.pending = 0
        # How many looks a disk needs to become Diskless after it was detached, as on 8.4.
        self.looks_until_diskless = 0
        self.no_data_policy = "suspend-io"
        # Every state that I/O went on or failed in.
        self.released: list[str] = []
        # What the peer has told the cluster.
        self.peer_attributes: dict[str, str] = {}
        # Programs that do not end, by how their command begins.
        self.hanging: tuple[str, ...] = ()
        self.configuration_error = ""
        # For a verb, the refusals that come before it works: exit status and standard error.
        self.refusals: dict[str, list[tuple[int, str]]] = {}
        self.missing: set[str] = set()
        self.calls: list[str] = []
        self.attributes: dict[str, str] = {}
        # What is mounted where; what mount(8) complains of, and who keeps umount(8) from its work.
        self.mounts: dict[str, str] = {}
        self.mount_complaint = ""
        # What it complains of before it works.
        self.mount_refusals: list[str] = []
        self.users = 0
        # What becomes of a process whose mounts it is unmounted from.
        self.left: Callable[[int], None] = lambda _pid: None
        self.busy: Callable[[], object] = lambda: False
        monkeypatch.setattr(os.path, "ismount", lambda path: path in self.mounts)
        monkeypatch.setattr(state, "mounted_device", lambda where: self.mounts.get(where, ""))
        monkeypatch.setattr(durable_file, "make_synchronous", lambda _path: None)
        # Whether the kernel's package has any.
        self.has_modules = True
        # Whether the disk has grown while nobody used it, so that DRBD does not find its meta data at the end.
        self.grown = False
        # Whether it was disconnected here, which `adjust` undoes.
        self._cut = False
        self._changed: set[str] = set()
        self._module = folder / "module"
        self._devices = folder / "block"
        self._node = folder / f"drbd{minor}"
        self._devices.mkdir()
        self._configuration = folder / "drbd.conf"
        self._configuration.write_text("")
        monkeypatch.setattr(drbd_setup, "MODULE", str(self._module))
        self.proc = folder / "proc-drbd"
        monkeypatch.setattr(drbd_setup, "PROC", str(self.proc))
        monkeypatch.setattr(drbd_setup, "BLOCK_DEVICES", str(self._devices))
        monkeypatch.setattr(rundir, "DIRECTORY", str(folder / "run"))
        monkeypatch.setattr(command, "run", self.run)
        # What was left to a process of its own.
        self.background: list[Callable[[], None]] = []
        monkeypatch.setattr(child, "run_detached", self.background.append)
        # The disk below.
        self.limits: Limits | None = disk()
        monkeypatch.setattr(
            device_limits, "of_backing_device", lambda _: None if self.disk == "Diskless" else self.limits
        )
        self.shape = {"block_size": "512", "physical_block_size": "4096"}
        monkeypatch.setattr(device_limits, "io_topology_of_drbd", lambda _minor: dict(self.shape))

    @property
    def configuration(self) -> str:
        return str(self._configuration)

    def bring_up(self, **state: str) -> None:
        """Put the resource into the kernel, in a state other than the healthy Secondary where one is given."""
        self._module.touch()
        self.up = True
        for name, value in state.items():
            assert hasattr(self, name)
            setattr(self, name, value)
        self._show_device()

    def lose_peer(self) -> None:
        self.connection, self.peer_role, self.peer_disk, self.replication = "Connecting", "Unknown", "DUnknown", "Off"

    def find_peer(self) -> None:
        self.connection, self.peer_role, self.peer_disk, self.replication = (
            "Connected",
            "Secondary",
            "UpToDate",
            "Established",
        )
        self._cut = False

    def load(self) -> None:
        self._module.touch()

    def by_hand(self, verb: str) -> None:
        """What somebody types here."""
        if verb == "disconnect":
            self.lose_peer()
            self.connection, self._cut = "StandAlone", True
        elif verb == "detach":
            self.disk = "Diskless"
        elif verb == "outdate":
            self.disk = "Outdated"
        elif verb == "invalidate":
            self.disk, self.replication = "Inconsistent", "SyncTarget"
        elif verb == "suspend-io":
            self.suspended = "user"
        elif verb == "change":
            self._changed.add("here")
        else:
            assert verb == "down"
            self.up, self.role = False, "Secondary"

    def by_peer(self, verb: str) -> None:
        """What somebody types on the peer."""
        if verb == "disconnect":
            self.lose_peer()
            if self.disk != "UpToDate":
                self.suspended = "no-data"
        elif verb == "connect" and self._changed == {"here", "peer"}:
            self.connection, self._cut = "StandAlone", True
            split_brain.record(self.name)
        elif verb == "change":
            self._changed.add("peer")
        elif verb == "primary":
            self.peer_role = "Primary"
        elif verb == "detach":
            self.peer_disk = "Diskless"
        elif verb == "invalidate":
            self.peer_disk, self.replication = "Inconsistent", "SyncSource"
        else:
            assert verb in ("reset", "discard")
            self._changed.clear()
            self.find_peer()

    def end_resync(self) -> None:
        if self.replication.startswith("Sync"):
            self.disk, self.peer_disk, self.replication = "UpToDate", "UpToDate", "Established"

    def ran(self, *beginnings: str) -> list[str]:
        """The commands that were run, as far as they begin so."""
        return [call for call in self.calls if call.startswith(beginnings)]

    def run(self, *argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        if argv[0] in self.missing:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(command, "PATH", "/nowhere")
                command.find(argv[0])
        self.calls.append(" ".join(argv))
        if self.hanging and " ".join(argv).startswith(self.hanging):
            raise DeadlinePassed(f"{' '.join(argv)} did not end in time")
        status, stdout, stderr = self._answer(list(argv))
        result = command.Result(argv, status, stdout, stderr)
        if check and status:
            raise command.CommandFailed(result)
        return result

    def _answer(self, argv: list[str]) -> tuple[int, str, str]:
        program = argv[0]
        if program == "modprobe" and not self.has_modules:
            return 1, "", "modprobe: FATAL: Module not found in directory /lib/modules"
        if program == "modprobe":
            self._module.touch()
            return 0, "", ""
        if program == "attrd_updater":
            name = argv[argv.index("--name") + 1]
            if "--query" in argv:
                return self._attribute(name)
            self.attributes[name] = argv[argv.index("--update") + 1] if "--update" in argv else ""
            return 0, "", ""
        if program == "drbdadm":
            return self._drbdadm(argv[3:])
        if program == "mount":
            assert self.role == "Primary", "a Secondary cannot be mounted"
            if self.mount_refusals:
                return 32, "", self.mount_refusals.pop(0)
            if not self.mount_complaint:
                self.mounts[argv[-1]] = argv[-2]
            return (32, "", self.mount_complaint) if self.mount_complaint else (0, "", "")
        if program == "umount":
            assert argv[1] == "--recursive" or len(argv) == 2
            self.users -= 1
            if self.users >= 0 or self.busy():
                return 32, "", f"umount: {argv[-1]}: target is busy."
            del self.mounts[argv[-1]]
            return 0, "", ""
        if program == "nsenter":
            self.left(int(argv[1].split("/")[2]))
            return 0, "", ""
        assert program == "drbdsetup", argv
        return self._drbdsetup(argv[1:])

    def _attribute(self, name: str) -> tuple[int, str, str]:
        values = {os.uname().nodename: self.attributes.get(name, ""), "zeus": self.peer_attributes.get(name, "")}
        lines = [f'name="{name}" host="{node}" value="{value}"' for node, value in values.items() if value]
        return (0, "\n".join(lines), "") if lines else (105, "", "")

    def _drbdadm(self, words: list[str]) -> tuple[int, str, str]:
        verb, name = words
        if self.configuration_error:
            return 10, "", self.configuration_error
        if name != self.name:
            return 1, "", UNKNOWN.format(name)
        if verb == "sh-dev":
            return 0, f"{self._node}\n", "modinfo: ERROR: Module drbd not found.\n"
        if verb == "check-resize":
            self.grown = False
            return 0, "", ""
        assert verb == "adjust"
        if self.grown:
            return 1, "", "No valid meta data found\n"
        if self._refused(verb):
            return self.refusals[verb].pop(0)[0], "", "san: Failure: (104) Can not open backing device.\n"
        self.up, self.disk, self.no_data_policy = True, "UpToDate", "suspend-io"
        if self._cut:
            self.find_peer()
        self._show_device()
        return 0, "", ""

    def _drbdsetup(self, words: list[str]) -> tuple[int, str, str]:
        assert self._module.exists(), "drbdsetup would load the module"
        verb, target = words[0], words[-1]
        if verb == "events2" and self._refused(verb):
            status, stderr = self.refusals[verb].pop(0)
            return status, "", stderr
        if verb == "events2":
            if self.disk == "Failed":
                self.looks_until_diskless -= 1
                self.disk = "Diskless" if self.looks_until_diskless < 0 else "Failed"
            return 0, self.events2(), ""
        if verb in ("resume-io", "detach", "resource-options") or "--force" in words:
            return self._release(words)
        expected = str(self.minor) if self.version == 8 and verb != "down" else self.name
        assert target == expected
        if self._refused(verb):
            status, stderr = self.refusals[verb].pop(0)
            return status, "", stderr
        if self.mounts and verb in ("down", "secondary"):
            return 11, "", "State change failed: (-12) Device is held open by someone\n"
        if verb == "down":
            self.up, self.role = False, "Secondary"
        else:
            self.role = {"primary": "Primary", "secondary": "Secondary"}[verb]
            self._show_device()
        return 0, "", ""

    def _release(self, words: list[str]) -> tuple[int, str, str]:
        verb = words[0]
        if self._refused(verb):
            status, stderr = self.refusals[verb].pop(0)
            return status, "", stderr
        if verb == "resource-options":
            assert words[1] == self.name
            assert "--on-no-data-accessible=io-error" in words
            self.no_data_policy = "io-error"
        elif verb == "detach":
            assert words == ["detach", "--force", str(self.minor)]
            self.disk = "Failed"
        elif verb == "secondary":
            assert words == ["secondary", "--force", self.name]
            self.role = "Secondary"
            self.released.append("failed")
        else:
            assert words == ["resume-io", str(self.minor)]
            self.released.append(f"{self.disk} {self.no_data_policy}")
            self.suspended = "no" if self.no_data_policy == "io-error" or self.disk == "UpToDate" else "no-data"
        return 0, "", ""

    def _refused(self, verb: str) -> bool:
        return bool(self.refusals.get(verb))

    def _show_device(self) -> None:
        self._node.touch()
        (self._devices / f"drbd{self.minor}").mkdir(exist_ok=True)
        (self._devices / f"drbd{self.minor}" / "ro").write_text("0\n" if self.role == "Primary" else "1\n")

    def events2(self) -> str:
        if not self.up:
            return "exists -\n"
        peer = "peer-node-id:1 conn-name:zeus" if self.version == 9 else "peer-node-id:0 conn-name:peer"
        extra = f" force-io-failures:{self.forced} may_promote:no promotion_score:10102" if self.version == 9 else ""
        device = " backing_dev:/dev/vdb" if self.version == 9 else ""
        quorum = " client:no quorum:yes" if self.version == 9 else ""
        client = " peer-client:no" if self.version == 9 else ""
        return (
            f"exists resource name:{self.name} role:{self.role} suspended:{self.suspended}{extra}\n"
            f"exists connection name:{self.name} {peer} connection:{self.connection} role:{self.peer_role}\n"
            f"exists device name:{self.name} volume:0 minor:{self.minor}{device} disk:{self.disk}{quorum} "
            f"lower-pending:{self.pending}\n"
            f"exists peer-device name:{self.name} {peer} volume:0 replication:{self.replication} "
            f"peer-disk:{self.peer_disk}"
            f"{client} resync-suspended:no out-of-sync:{self.out_of_sync}\n"
            "exists -\n"
        )
