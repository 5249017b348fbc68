# SPDX-License-Identifier: GPL-2.0-or-later
"""Two servers with one replicated volume for a LUN and one for the state, for commands that work on their disks."""

from __future__ import annotations

import dataclasses
import json
import re

from tests.unit.site import sites
from twinsan.deadline import Deadline
from twinsan.disk.fingerprint import Fingerprint
from twinsan.drbd import events2
from twinsan.errors import Failure, NotInstalled
from twinsan.host.command import CommandFailed, Result
from twinsan.operate.disks import capacity
from twinsan.operate.setting_up import facts as told
from twinsan.operate.setting_up.disk import Disk
from twinsan.site import drbd

RESOURCE, LUN = "data0", "p_lun1"
GIB = 1 << 30
FIRST, SECOND, STATE_DISK = "/dev/sda5", "/dev/sdb", "/dev/sda6"
FILE = f"/etc/drbd.d/{RESOURCE}.res"
JUST_CREATED, OF_DATA = 4, 0x1122334455667788
CIB = f"""\
<cib><configuration><nodes><node id="1" uname="atlas"/><node id="2" uname="zeus"/></nodes><resources>
<clone id="ms_drbd"><primitive id="p_drbd" class="ocf" provider="twinsan" type="drbd-vaai"/></clone>
<primitive id="{LUN}" class="ocf" provider="twinsan" type="lio-lun"><instance_attributes id="a">
<nvpair id="b" name="path" value="/dev/drbd0"/>SIZE</instance_attributes></primitive>
<primitive id="p_lun2" class="ocf" provider="twinsan" type="lio-lun"><instance_attributes id="d">
<nvpair id="e" name="path" value="/dev/drbd7"/></instance_attributes></primitive>
</resources></configuration></cib>
"""


class Killed(BaseException):
    """The command was ended from outside."""


class Server:
    """A server. `attached` has the disk of each volume that has one in the kernel, None for the whole if DRBD is down;
    `metadata` the identifier of the data in the meta data of each disk.
    """

    def __init__(self, name: str, number: int, servers: Servers) -> None:
        self.name = name
        self.is_here = number == 0
        self.servers = servers
        self.primary = number == 1
        self.disks = {
            path: Disk(path, number=path, size=size, discards=True)
            for path, size in ((FIRST, GIB), (SECOND, GIB), (STATE_DISK, GIB))
        }
        self.metadata = {FIRST: OF_DATA, STATE_DISK: OF_DATA}
        self.attached: dict[int, str] | None = {0: FIRST, 1: STATE_DISK}
        self.states = {0: "UpToDate", 1: "UpToDate"}
        self.suspended = "no"
        self.noted = GIB
        # None if there is no dmsetup.
        self.thin: bool | None = False
        self.file = drbd.with_secret(drbd.text(SITE.resources[0], SITE, "8.4"), "secret")

    @property
    def peer(self) -> Server:
        return next(each for each in self.servers.both if each is not self)

    # -- what remote.Node has ------------------------------------------------------------------------------------

    def run(
        self,
        *argv: str,
        deadline: Deadline,
        input: str = "",  # noqa: A002
        check: bool = True,
    ) -> Result:
        answer = getattr(self, "_" + argv[0].replace("-", "_"))(list(argv[1:]))
        status, out, error = (0, answer, "") if isinstance(answer, str) else answer
        result = Result(argv, status, out, error)
        if check and not result.ok:
            raise CommandFailed(result)
        return result

    def put(
        self, path: str, content: str | bytes, *, deadline: Deadline, mode: int = 0o644, owner: str = "root:root"
    ) -> None:
        assert (path, mode) == (FILE, 0o600)
        assert isinstance(content, str)
        self._change("put", path)
        self.file = content

    def read_text(self, path: str, *, deadline: Deadline) -> str | None:
        assert path == FILE
        return self.file or None

    def require_name(self) -> None:
        return

    # -- programs ------------------------------------------------------------------------------------------------

    def _change(self, *words: str) -> None:
        self.servers.change(f"{self.name}: {' '.join(words)}")

    def _twinsan(self, words: list[str]) -> str:
        assert words[0] == "inventory"
        known = [word for word in words[1:] if word.startswith("/")]
        return dataclasses.replace(
            FACTS, node=self.name, events=self.events(), disks=tuple(self.disk(path) for path in known)
        ).json()

    def disk(self, path: str) -> Disk:
        if path not in self.disks:
            return Disk(path, fault="No such file or directory")
        holders = tuple(f"drbd{number}" for number, disk in (self.attached or {}).items() if disk == path)
        disk = dataclasses.replace(self.disks[path], holders=holders)
        if path in self.metadata:
            disk = dataclasses.replace(disk, signatures=(*disk.signatures, "drbd"), written=True)
        return disk

    def _wipefs(self, words: list[str]) -> str:
        path = words[-1]
        if "--all" in words:
            self._change("wipefs", *words)
            assert path not in (self.attached or {}).values()
            self.metadata.pop(path, None)
            self.disks[path] = dataclasses.replace(self.disks[path], signatures=(), written=False)
        return json.dumps({"signatures": [{"type": each} for each in self.disk(path).signatures]})

    def _dd(self, words: list[str]) -> str:
        self._change("dd", *words)
        return ""

    def _cat(self, words: list[str]) -> str | tuple[int, str, str]:
        found = re.fullmatch(r"/sys/block/drbd(\d)/size", words[0])
        assert found
        return (1, "", "No such file") if self.attached is None else f"{self.servers.sizes[self.name] // 512}\n"

    def _blockdev(self, words: list[str]) -> str:
        if words[0] == "--flushbufs":
            return ""
        assert words[0] == "--getsize64"
        return f"{self.disks[words[1]].size}\n"

    def _dmsetup(self, words: list[str]) -> str | tuple[int, str, str]:
        assert words[0] == "table"
        if self.thin is None:
            raise NotInstalled("dmsetup")
        return "0 2097152 thin 253:2 1\n" if self.thin else (1, "", "Device does not exist.")

    def _crm_resource(self, words: list[str]) -> str:
        self._change("crm_resource", *words)
        assert words == ["--cleanup", "--resource", "p_drbd", "--node", self.name]
        if self.servers.cluster_starts:
            self._up()
        return ""

    def _drbdsetup(self, words: list[str]) -> str:
        assert words[0] == "events2"
        return self.events()

    def _drbdadm(self, words: list[str]) -> str | tuple[int, str, str]:
        verb, name = words[0], words[-1]
        number = int(name.partition("/")[2] or 0)
        if verb == "sh-nop":
            return (10, "", "it does not") if self.servers.unreadable in self.file else ""
        if verb == "sh-ll-dev":
            return f"{self.configured(number)}\n"
        if verb == "get-gi":
            found = self.metadata.get(self.configured(number))
            return (1, "", "no valid meta data") if found is None else f"{found:016X}:0:0:0\n"
        if verb == "check-resize":
            self.noted = self.disks[self.configured(number)].size
            return ""
        self._change("drbdadm", *words)
        if verb == "resize":
            self._resize()
        elif verb == "detach":
            assert self.attached is not None
            assert self.peer.states[number] == "UpToDate", "no good copy would be left"
            del self.attached[number]
            self.states[number] = "Diskless"
        elif verb == "create-md":
            path = self.configured(number)
            assert path not in (self.attached or {}).values()
            assert not self.disk(path).content, "data would be lost"
            self.metadata[path] = JUST_CREATED
        elif verb == "attach":
            return self._attach(number)
        elif verb == "adjust":
            self._up()
        return ""

    def configured(self, number: int) -> str:
        """The disk of a volume by DRBD's file."""
        own = self.file.partition(f"on {self.name} {{")[2].partition("}\n}")[0].partition("\n  on ")[0]
        found = re.search(rf"volume {number} {{ disk ([^;]*);", own) or re.search(
            rf"volume {number} {{[^}}]*\n    disk +([^;]*);", self.file
        )
        assert found
        return found[1]

    def _attach(self, number: int) -> str | tuple[int, str, str]:
        path = self.configured(number)
        if self.attached is None:
            return (10, "", "no such resource")
        if path not in self.metadata:
            return (20, "", "no valid meta data")
        fresh = self.metadata[path] == JUST_CREATED
        self.attached[number] = path
        self.states[number] = "Inconsistent" if fresh and self.servers.slow else "UpToDate"
        self.metadata[path] = OF_DATA
        return ""

    def _up(self) -> None:
        if self.configured(0) in self.metadata:
            self.attached = {}
            for number in (0, 1):
                self._attach(number)
            self.servers.connected = True

    def _resize(self) -> None:
        assert self.primary
        size = min(capacity.most(each.disks[each.configured(0)].size) for each in self.servers.both)
        self.servers.sizes = dict.fromkeys(self.servers.sizes, size)

    def events(self) -> str:
        """What drbdsetup prints."""
        if self.attached is None:
            return "exists -\n"
        role = "Primary" if self.primary else "Secondary"
        connection = "Connected" if self.servers.connected and self.peer.attached is not None else "Connecting"
        lines = [
            f"exists resource name:{RESOURCE} role:{role} suspended:{self.suspended}",
            f"exists connection name:{RESOURCE} peer-node-id:0 conn-name:peer connection:{connection}",
        ]
        for number in (0, 1):
            there = self.peer.states[number] if connection == "Connected" else "DUnknown"
            copied = "Inconsistent" in (there, self.states[number])
            replication = "SyncSource" if copied else "Established" if connection == "Connected" else "Off"
            lines.append(f"exists device name:{RESOURCE} volume:{number} minor:{number} disk:{self.states[number]}")
            lines.append(
                f"exists peer-device name:{RESOURCE} peer-node-id:0 conn-name:peer volume:{number} "
                f"replication:{self.servers.replication or replication} peer-disk:{there} resync-suspended:no"
            )
        return "\n".join([*lines, "exists -", ""])


class Servers:
    """Both; the command is typed on atlas, and zeus serves. `told` is the size that the LUN tells, `size` its parameter
    in the cluster.
    """

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.fatal = 0
        self.connected = True
        self.replication = ""
        self.slow = False
        self.cluster_starts = True
        self.unreadable = "nothing that is in a file"
        self.sizes = dict.fromkeys(("atlas", "zeus"), capacity.most(GIB))
        self.told: int | None = capacity.most(GIB)
        self.size: str | None = None
        self.reloads = True
        self.atlas, self.zeus = Server("atlas", 0, self), Server("zeus", 1, self)
        self.both = (self.atlas, self.zeus)

    def change(self, what: str) -> None:
        if self.fatal and len(self.changes) + 1 >= self.fatal:
            raise Killed(what)
        self.changes.append(what)

    def pair(self, names: object) -> tuple[Server, Server]:
        if sorted(names) != ["atlas", "zeus"]:  # type: ignore[call-overload]
            raise Failure("other nodes")
        return self.both

    def query(self, name: str, _: Deadline) -> events2.Resource | None:
        return events2.parse(self.atlas.events(), name)

    def all_resources(self, _: Deadline) -> list[events2.Resource]:
        found = events2.parse(self.atlas.events(), RESOURCE)
        return [found] if found else []

    def cib(self, _: Deadline) -> str:
        pair = "" if self.size is None else f'<nvpair id="c" name="size" value="{self.size}"/>'
        return CIB.replace("SIZE", pair)

    def attributes(self, name: str, _: Deadline) -> dict[str, str]:
        assert name == f"twinsan-lun-{LUN}"
        if self.told is None:
            return {}
        older = Fingerprint("zeus", {"capacity": "4096"}, 1)
        last = Fingerprint("zeus", {"capacity": str(self.told), "naa": "naa.6001"}, 2)
        return {"atlas": str(older), "zeus": str(last)}

    def run(self, *argv: str, deadline: Deadline, check: bool = True) -> Result:
        """crm_resource, typed on this node."""
        assert argv[:3] == ("crm_resource", "--resource", LUN)
        self.change(" ".join(argv))
        self.size = None if argv[3] == "--delete-parameter" else argv[-1]
        if self.reloads and self.size:
            self.told = self.sizes["zeus"]
        return Result(argv, 0, "", "")


SITE = sites.site(sites.text("data0"))
FACTS = told.Facts(
    node="",
    version="",
    system=(),
    system_name="",
    kernel="",
    time=0.0,
    root=True,
    programs=(),
    modules=(),
    drbd="8.4.11",
    services=(),
    addresses=(),
    listening=(),
    free_mb={},
    corosync=None,
    cluster=None,
    events="",
    minors={},
    targets=(),
    bmc="",
    candidates=(),
    disks=(),
)
