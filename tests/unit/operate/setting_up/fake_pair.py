# SPDX-License-Identifier: GPL-2.0-or-later
"""Two bare servers that are nothing but a record: what is on their disks, in their files, and what runs."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.unit.site import sites
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host.command import CommandFailed, Result
from twinsan.operate.setting_up import facts as told
from twinsan.operate.setting_up import software
from twinsan.operate.setting_up.disk import Disk

SITE = sites.text("data0")
RESOURCE, PORTAL = "data0", "p_portal"
LUN_DISK, STATE_DISK = "/dev/sda5", "/dev/sda6"
VOLUMES = {0: LUN_DISK, 1: STATE_DISK}
JUST_CREATED, OF_DATA = 4, 0x1122334455667788
DEBIAN = """\
nodelist {
    node {
        name: node1
        nodeid: 1
        ring0_addr: 127.0.0.1
    }
}
"""
PASSWORD = "open sesame"
SERVICES = (
    "drbd",
    "rtslib-fb-targetctl",
    "target",
    "corosync",
    "pacemaker",
    "sbd",
    "corosync-qdevice",
    "firewalld",
    "ufw",
)


class Killed(BaseException):
    """The command was ended from outside."""


class FakeNode:
    """A node: its files and services; the disks with the signatures on each; of DRBD the identifier of the data in the
    meta data of each volume, and what the kernel has. `silent` is whether the cluster's configuration cannot be read.
    """

    def __init__(self, name: str, number: int, pair: FakePair) -> None:
        self.name = name
        self.is_here = number == 0
        self.pair = pair
        self.files: dict[str, bytes] = {"/etc/corosync/corosync.conf": DEBIAN.encode()}
        self.modes: dict[str, int] = {}
        self.signatures: dict[str, list[str]] = {LUN_DISK: [], STATE_DISK: []}
        # What was looked at, as the kernel keeps it; DRBD writes past that.
        self.cache: dict[str, list[str]] = {}
        self.metadata: dict[int, int] = {}
        self.disks: dict[int, str] = {}
        self.primary = False
        self.loaded = False
        self.enabled = {"drbd", "target"}
        self.active = {"corosync", "pacemaker"}
        self.cluster: set[str] = {"node1"}
        self.silent = False
        self.stops = True
        number += 2
        addresses = (
            told.Address("eth0", f"10.0.5.{number}", 24),
            told.Address("eth1", f"10.0.6.{10 + number}", 24),
        )
        self.facts = told.Facts(
            node=name,
            version="0.1.0 abc",
            system=("debian",),
            system_name="Debian 13",
            kernel="6.12",
            time=0.0,
            root=True,
            programs=tuple(software.PROGRAMS),
            modules=software.MODULES,
            drbd="8.4.11",
            services=(),
            addresses=addresses,
            listening=(),
            free_mb={"/etc": 1000},
            corosync=None,
            cluster=None,
            events="",
            minors={},
            targets=(),
            bmc=f"10.0.6.{number}",
            candidates=(),
            disks=(),
        )
        self.disk = Disk("", size=1 << 30, discards=True)
        self.changed_disks: dict[str, Disk] = {}

    def __repr__(self) -> str:
        return self.name

    # -- what remote.Node has ------------------------------------------------------------------------------------

    def run(
        self,
        *argv: str,
        deadline: Deadline,
        input: str = "",  # noqa: A002
        check: bool = True,
    ) -> Result:
        with self.pair.lock:
            answer = self._answer(list(argv), input)
        typed = argv if self.is_here else ("ssh", self.name, *argv)
        result = Result(typed, *answer)
        if check and not result.ok:
            raise CommandFailed(result)
        return result

    def put(
        self, path: str, content: str | bytes, *, deadline: Deadline, mode: int = 0o644, owner: str = "root:root"
    ) -> None:
        with self.pair.lock:
            self.pair.change(f"{self.name}: put {path}")
            self.files[path] = content.encode() if isinstance(content, str) else content
            self.modes[path] = mode

    def read(self, path: str, *, deadline: Deadline) -> bytes | None:
        return self.files.get(path)

    def read_text(self, path: str, *, deadline: Deadline) -> str | None:
        found = self.files.get(path)
        return None if found is None else found.decode(errors="replace")

    def require_name(self) -> None:
        return

    # -- programs ------------------------------------------------------------------------------------------------

    def _answer(self, argv: list[str], given: str) -> tuple[int, str, str]:
        program = argv[0].replace(".", "_").replace("-", "_")
        doing: Callable[[list[str], str], str | tuple[int, str, str]] = getattr(self, f"_{program}")
        answer = doing(argv[1:], given)
        return (0, answer, "") if isinstance(answer, str) else answer

    def _change(self, *words: str) -> None:
        self.pair.change(f"{self.name}: {' '.join(words)}")

    def _twinsan(self, words: list[str], _given: str) -> str:
        assert words[0] == "inventory"
        if "--zero" in words:
            return json.dumps({"zero": {path: self._is_zero(path) for path in words[4:]}})
        return self.tell([word for word in words[1:] if word.startswith("/")]).json()

    def _is_zero(self, path: str) -> bool:
        return path not in self.pair.written and (self.name, path) not in self.pair.hidden

    def tell(self, disks: list[str]) -> told.Facts:
        units = tuple(told.Service(f"{name}", True, name in self.enabled, name in self.active) for name in SERVICES)
        running = "pacemaker" in self.active
        conf = self.files.get("/etc/corosync/corosync.conf")
        return dataclasses.replace(
            self.facts,
            time=time.time() + self.facts.time,
            services=units,
            corosync=None if conf is None else conf.decode(),
            cluster=self._cluster() if running and not self.silent else None,
            events=self._events(),
            minors={str(number): "sda" for number in self.disks},
            disks=tuple(self._disk(path) for path in disks),
        )

    def _cluster(self) -> told.Cluster:
        return told.Cluster(tuple(sorted(self.cluster)), tuple(self.pair.resources) if self.in_cluster else ())

    def _disk(self, path: str) -> Disk:
        if path in self.changed_disks:
            return self.changed_disks[path]
        number = next(number for number, disk in VOLUMES.items() if disk == path)
        holders = (f"drbd{number}",) if number in self.disks else ()
        signatures = tuple(self.signatures[path])
        written = bool(signatures) or path in self.pair.written
        return dataclasses.replace(self.disk, path=path, holders=holders, signatures=signatures, written=written)

    def _modprobe(self, words: list[str], _given: str) -> str:
        self._change("modprobe", *words)
        self.loaded = True
        return ""

    def _systemctl(self, words: list[str], _given: str) -> str | tuple[int, str, str]:
        self._change("systemctl", *words)
        verb, names = words[0], {word[: -len(".service")] for word in words if word.endswith(".service")}
        if verb == "disable":
            self.enabled -= names
        elif verb == "enable":
            self.enabled |= names
        elif verb == "stop":
            if not self.stops:
                return 1, "", "Job for pacemaker.service failed."
            self.active -= names
            self.cluster.discard(self.name)
        else:
            assert verb == "start", "a restart of corosync starts Pacemaker, which the next one would stop as it starts"
            self.active |= names
            if names == {"pacemaker"}:
                self.cluster.add(self.name)
        return ""

    def _wipefs(self, words: list[str], _given: str) -> str:
        path = words[-1]
        if "--all" in words:
            self._change("wipefs", *words)
            assert not self.disks
            self.signatures[path] = []
            return ""
        kept = self.cache.setdefault(path, list(self.signatures[path]))
        return json.dumps({"signatures": [{"type": each} for each in kept]})

    def _blockdev(self, words: list[str], _given: str) -> str:
        assert words[0] == "--flushbufs"
        self.cache.pop(words[1], None)
        return ""

    def _dd(self, words: list[str], _given: str) -> str:
        self._change("dd", *words)
        assert not self.disks
        self.pair.written -= {word[3:] for word in words if word.startswith("of=")}
        return ""

    def _install(self, words: list[str], _given: str) -> str:
        self._change("install", *words)
        return ""

    def _cp(self, words: list[str], _given: str) -> str:
        self._change("cp", *words)
        self.files[words[2]] = self.files[words[1]]
        return ""

    def _rm(self, words: list[str], _given: str) -> str:
        self._change("rm", *words)
        del self.files[words[1]]
        return ""

    def _test(self, words: list[str], _given: str) -> tuple[int, str, str]:
        return (0 if words[1] in self.files else 1, "", "")

    def _sh(self, words: list[str], _given: str) -> tuple[int, str, str]:
        """The comparison of a secret with its checksum."""
        secret, sign = (self.files.get(f"{words[3]}/{name}") for name in ("password", "password.sign"))
        return (0 if secret and hashlib.md5(secret).hexdigest().encode() == sign else 1, "", "")

    def _fence_ipmilan(self, _words: list[str], given: str) -> tuple[int, str, str]:
        values = dict(line.partition("=")[::2] for line in given.splitlines())
        assert values["action"] == "status"
        self.pair.asked.append((self.name, values["ip"]))
        return (0, "Status: ON", "") if values["password"] == PASSWORD else (1, "", "Unable to connect/login")

    def _sbd(self, words: list[str], _given: str) -> tuple[int, str, str]:
        if words[-1] == "dump":
            return (0 if words[1] in self.pair.sbd else 1, "", "")
        self._change("sbd", *words)
        self.pair.sbd.add(words[1])
        return (0, "", "")

    # -- DRBD ----------------------------------------------------------------------------------------------------

    @property
    def peer(self) -> FakeNode:
        return next(node for node in self.pair.nodes if node is not self)

    def _drbdadm(self, words: list[str], _given: str) -> str | tuple[int, str, str]:
        verb, name = words[0], words[-1]
        known = f"/etc/drbd.d/{RESOURCE}.res" in self.files
        if verb == "sh-nop":
            return (10, "", self.pair.drbd_complaint) if self.pair.drbd_complaint else ""
        if verb == "get-gi":
            number = int(name.partition("/")[2])
            if not known or number not in self.metadata:
                return (1, "", "")
            return f"{self.metadata[number]:016X}:0000000000000000:0:0:0\n"
        assert known
        self._change("drbdadm", *words)
        if verb == "create-md":
            number = int(name.partition("/")[2])
            assert not self.signatures[VOLUMES[number]], "data would be lost"
            assert number not in self.metadata, "meta data would be lost"
            self.signatures[VOLUMES[number]].append("drbd")
            self.cache.pop(VOLUMES[number], None)
            self.metadata[number] = JUST_CREATED
        elif verb == "adjust":
            assert set(self.metadata) == set(VOLUMES)
            for number, identifier in self.metadata.items():
                self.disks.setdefault(number, "Inconsistent" if identifier == JUST_CREATED else "UpToDate")
        elif verb == "primary":
            self._promote(force="--force" in words)
        else:
            assert verb == "secondary"
            self.primary = False
        return ""

    def _promote(self, *, force: bool) -> None:
        assert not self.peer.primary
        if force:
            for number, disk in self.disks.items():
                if disk == "Inconsistent":
                    assert self.peer.disks[number] == "Inconsistent", "data would be lost"
                    self.pair.copied.add(number)
                    self.disks[number] = "UpToDate"
                    self.metadata[number] = OF_DATA
        assert set(self.disks.values()) == {"UpToDate"}
        self.primary = True

    def _drbdsetup(self, words: list[str], _given: str) -> str:
        assert self.loaded
        if words[0] == "events2":
            return self._events()
        self._change("drbdsetup", *words)
        assert words[0] == "new-current-uuid"
        assert words[2] == "--clear-bitmap"
        number = int(words[1])
        for node in self.pair.nodes:
            assert node.metadata[number] == JUST_CREATED
            assert VOLUMES[number] not in self.pair.written
            node.metadata[number], node.disks[number] = OF_DATA, "UpToDate"
        return ""

    def _events(self) -> str:
        if not self.loaded:
            return ""
        role = "Primary" if self.primary else "Secondary"
        lines = []
        if self.disks:
            connection = "Connected" if self.peer.disks else "Connecting"
            lines = [
                f"exists resource name:{RESOURCE} role:{role} suspended:no",
                f"exists connection name:{RESOURCE} peer-node-id:0 conn-name:peer connection:{connection} "
                f"role:{'Primary' if self.peer.primary else 'Secondary'}",
            ]
        for number, disk in self.disks.items():
            lines.append(f"exists device name:{RESOURCE} volume:{number} minor:{number} disk:{disk}")
            there = self.peer.disks.get(number, "DUnknown")
            lines.append(
                f"exists peer-device name:{RESOURCE} peer-node-id:0 conn-name:peer volume:{number} "
                f"replication:Established peer-disk:{there}"
            )
        return "\n".join([*lines, "exists -"]) + "\n"

    def _mkfs_btrfs(self, words: list[str], _given: str) -> str | tuple[int, str, str]:
        self._change("mkfs.btrfs", *words)
        assert self.primary
        if "btrfs" in self.signatures[STATE_DISK]:
            return (1, "", "appears to contain an existing filesystem (btrfs)")
        for node in self.pair.nodes:
            node.signatures[STATE_DISK].append("btrfs")
        return ""

    # -- the cluster ---------------------------------------------------------------------------------------------

    @property
    def in_cluster(self) -> bool:
        return "pacemaker" in self.active and self.name in self.cluster

    def _crm_mon(self, _words: list[str], _given: str) -> str | tuple[int, str, str]:
        if "pacemaker" not in self.active:
            return (102, "", "not connected")
        one, other = self.pair.nodes
        keys = [node.files.get("/etc/corosync/authkey") for node in self.pair.nodes]
        together = keys[0] is not None and keys[0] == keys[1] and one.in_cluster and other.in_cluster
        names = {"node1": False} if "node1" in self.cluster else {}
        for node in self.pair.nodes if together else [self]:
            names[node.name] = node.in_cluster
        listed = "".join(f'<node name="{name}" online="{str(on).lower()}"/>' for name, on in names.items())
        return f"<pacemaker-result><nodes>{listed}</nodes></pacemaker-result>"

    def _crm_node(self, words: list[str], _given: str) -> str:
        self._change("crm_node", *words)
        for node in self.pair.nodes:
            node.cluster.discard(words[-1])
        return ""

    def _crm_attribute(self, _words: list[str], _given: str) -> str:
        return "corosync"

    def _cibadmin(self, words: list[str], given: str) -> str:
        self._change("cibadmin", *words)
        assert ('value="lrm://"' in given) == ("fence_ipmilan" in given)
        self.pair.resources = re.findall('<primitive[^>]* id="([^"]*)"', given)
        self.pair.serve()
        return ""

    def _crm_resource(self, words: list[str], _given: str) -> str:
        return f"resource {words[-1]} is running on: atlas\n" if words[-1] in self.pair.resources else ""


class FakePair:
    """Both, and what they share. `changes` has each change in words, and the command dies at the one of number
    `fatal`. `written` are disks with bytes that are not zero, `hidden` disks of one node where only a look at all of it
    shows them; `copied` the volumes that DRBD copies.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changes: list[str] = []
        self.fatal = 0
        self.after = False
        self.written: set[str] = set()
        self.hidden: set[tuple[str, str]] = set()
        self.copied: set[int] = set()
        self.resources: list[str] = []
        self.asked: list[tuple[str, str]] = []
        self.drbd_complaint = ""
        self.sbd: set[str] = set()
        self.nodes = (FakeNode("atlas", 0, self), FakeNode("zeus", 1, self))

    @property
    def atlas(self) -> FakeNode:
        return self.nodes[0]

    @property
    def zeus(self) -> FakeNode:
        return self.nodes[1]

    def change(self, what: str) -> None:
        if self.fatal and len(self.changes) + 1 >= self.fatal:
            raise Killed(what)
        self.changes.append(what)

    def serve(self) -> None:
        for node in self.nodes:
            assert set(node.disks.values()) <= {"UpToDate", "Inconsistent"}
            assert not node.primary
            assert "btrfs" in node.signatures[STATE_DISK]
            assert node.in_cluster
        self.atlas.primary = True

    def state(self) -> object:
        """All that lasts, to compare: but for secrets, which are other ones each time."""
        return [
            (
                dict(node.modes),
                node.signatures,
                node.metadata,
                node.disks,
                node.primary,
                node.loaded,
                node.enabled,
                node.active,
                node.cluster,
                node.files["/etc/corosync/corosync.conf"],
            )
            for node in self.nodes
        ]


def write_site(folder: Path, text: str = SITE) -> str:
    path = folder / "data0.toml"
    path.write_text(text)
    return str(path)


def write_password(folder: Path, text: str = PASSWORD + "\n") -> str:
    path = folder / "password"
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def pair_of(pair: FakePair) -> Callable[..., tuple[FakeNode, FakeNode]]:
    def of(names: object) -> tuple[FakeNode, FakeNode]:
        if sorted(names) != ["atlas", "zeus"]:  # type: ignore[call-overload]
            raise Failure("other nodes")
        return pair.nodes

    return of
