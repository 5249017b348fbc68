# SPDX-License-Identifier: GPL-2.0-or-later
"""A directory that behaves as LIO's tree in configfs does.

The state is in real files, so that several processes can share it; what the kernel does besides (objects appear with
their attributes, values are refused, links count) is done by `Kernel`, which stands in place of the module `os` in the
code under test. tests/contract compares it with a kernel.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twinsan.errors import Passing
from twinsan.host import block_device, block_tree, child, device_limits, rundir
from twinsan.host.device_limits import Limits
from twinsan.lio import configfs
from twinsan.lio import core as lio_core
from twinsan.network import vacancy

_OBJECTS = json.loads((Path(__file__).parent / "data" / "lio" / "objects.json").read_text())

_NAME = r"[^/]+"
_GROUP = rf"iscsi/{_NAME}/tpgt_\d+"
_KINDS = {
    "adapter": r"core/(iblock|fileio|pscsi)_\d+",
    "storage": rf"core/(iblock|fileio|pscsi)_\d+/{_NAME}",
    "fabric": r"iscsi",
    "target": rf"iscsi/{_NAME}",
    "group": _GROUP,
    "portal": rf"{_GROUP}/np/{_NAME}",
    "unit": rf"{_GROUP}/lun/lun_\d+",
    "initiator": rf"{_GROUP}/acls/{_NAME}",
    "mapped": rf"{_GROUP}/acls/{_NAME}/lun_\d+",
}
_CONTAINERS = {"storage": (), "group": ("acls", "lun", "np"), "root": ("core",)}
_SWITCHES = re.compile(r"attrib/(emulate_(caw|3pc|tpu|tpws|rsoc|pr)|force_pr_aptpl|unmap_zeroes_data)$")


def objects(release: str) -> dict[str, dict[str, str]]:
    """The attributes that the objects of a kernel are made with, by their kinds."""
    found: dict[str, dict[str, str]] = _OBJECTS[release]
    return found


def disk(**differences: int) -> Limits:
    """What a disk can do that can do everything."""
    usual = {
        "logical_block_size": 512,
        "physical_block_size": 4096,
        "max_hw_sectors_kb": 1280,
        "discard_max_bytes": 1 << 30,
        "discard_granularity": 4096,
        "write_zeroes_max_bytes": 1 << 20,
    }
    return Limits({**usual, **differences})


class Kernel:
    """Stands for the module `os`: changes below the root follow the kernel's rules, all else is the real module's.

    `devices` are the block devices, each with the errno that opening it gives, or 0; those in `thick` cannot discard,
    the others so many bytes at a time as `granularity` says. Those in `solid` do not rotate, as kernels from 6.11 on
    know of a device; `shape` is what else hosts learn of their queues. `sizes` are theirs in bytes. `foreign` are the
    addresses and ports that other programs listen on, as portals. `fail_at` makes the change with that number fail with
    EIO, counted by `changes`.
    """

    def __init__(self, root: str, release: str = "6.12") -> None:
        self.root = root
        self.objects = objects(release)
        self.devices: dict[str, int] = {"/dev/drbd0": 0, "/dev/drbd1": 0}
        self.sizes = dict.fromkeys(self.devices, 128 << 20)
        self.thick: set[str] = set()
        self.solid: set[str] = set()
        self.shape = {"physical_block_size": "4096", "minimum_io_size": "4096", "optimal_io_size": "0"}
        self.granularity = 4096
        self.foreign: set[str] = set()
        self.changes: list[str] = []
        # The addresses for which the network was asked for other hosts that have them.
        self.asked: list[str] = []
        self.fail_at = 0
        self._open: dict[int, str] = {}
        os.makedirs(root)
        self._fill("", "root")

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  all that `os` has
        return getattr(os, name)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        place = self._inside(path)
        if place is None:
            return os.mkdir(path, mode)
        if os.path.lexists(path):
            raise _error(errno.EEXIST, path)
        if not os.path.isdir(os.path.dirname(path)):
            raise _error(errno.ENOENT, path)
        kind = self._kind(place)
        if kind is None:
            raise _error(errno.EPERM if place.count("/") else errno.EINVAL, path)
        self._count(f"mkdir {place}")
        check: Callable[[str], int] = getattr(self, f"_refuse_{kind}", lambda _: 0)
        number = check(place)
        if number:
            raise _error(number, path)
        os.mkdir(path)
        self._fill(place, kind)
        if kind == "initiator":
            depth = self._read(f"{os.path.dirname(os.path.dirname(place))}/attrib/default_cmdsn_depth")
            self._store(f"{place}/cmdsn_depth", depth)
        return None

    def rmdir(self, path: str) -> None:
        place = self._inside(path)
        if place is None:
            return os.rmdir(path)
        if not os.path.lexists(path):
            raise _error(errno.ENOENT, path)
        self._count(f"rmdir {place}")
        kind = self._kind(place)
        if kind is None:
            raise _error(errno.EPERM, path)
        if kind == "storage" and self._exports(place):
            raise _error(errno.EBUSY, path)
        # configfs is busy with what is linked to; a link inside makes a folder not empty.
        if kind == "unit" and self._mappings(place):
            raise _error(errno.EBUSY, path)
        if kind in ("unit", "mapped") and self._links(path):
            raise _error(errno.ENOTEMPTY, path)
        if self._children(place, kind):
            raise _error(errno.ENOTEMPTY, path)
        for folder, folders, files in os.walk(path, topdown=False):
            for name in files:
                os.unlink(os.path.join(folder, name))
            for name in folders:
                os.rmdir(os.path.join(folder, name))
        os.rmdir(path)
        return None

    def symlink(self, target: str, path: str) -> None:
        place, end = self._inside(path), self._inside(target)
        if place is None or end is None:
            return os.symlink(target, path)
        if os.path.lexists(path):
            raise _error(errno.EEXIST, path)
        self._count(f"symlink {place}")
        parent = os.path.dirname(place)
        kinds = (self._kind(parent), self._kind(end))
        if kinds == ("unit", "storage"):
            self._export(parent, end, path)
        elif kinds == ("mapped", "unit"):
            self._map(parent, end, path)
        else:
            raise _error(errno.EPERM, path)
        os.symlink(target, path)
        return None

    def unlink(self, path: str) -> None:
        place = self._inside(path)
        if place is None:
            return os.unlink(path)
        if not os.path.lexists(path):
            raise _error(errno.ENOENT, path)
        if not os.path.islink(path):
            raise _error(errno.EPERM, path)
        self._count(f"unlink {place}")
        parent = os.path.dirname(place)
        if self._kind(parent) == "mapped":
            self._store(f"{parent}/write_protect", "")
        else:
            # The mappings' links stay, and show nothing any more.
            for mapping in self._mappings(parent):
                self._store(f"{mapping}/write_protect", "")
        os.unlink(path)
        return None

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        place = self._inside(path)
        if place is None:
            return os.open(path, flags, mode)
        descriptor = os.open(path, flags & ~os.O_WRONLY | (os.O_RDWR if flags & os.O_WRONLY else 0))
        if flags & os.O_WRONLY:
            self._open[descriptor] = place
        return descriptor

    def close(self, descriptor: int) -> None:
        self._open.pop(descriptor, None)
        os.close(descriptor)

    def write(self, descriptor: int, data: bytes) -> int:
        place = self._open.get(descriptor)
        if place is None:
            return os.write(descriptor, data)
        text = data.decode("ascii")
        self._count(f"write {place}")
        number = self._set(place, text)
        if number:
            raise OSError(number, os.strerror(number))
        return len(data)

    def claimed(self, device: str) -> bool:
        """Whether a storage object has the block device."""
        owners = [storage for storage in self._storages() if self._device(storage) == device]
        return any(self._read(f"{owner}/enable") == "1" for owner in owners)

    def limits(self, device: str) -> Limits:
        """What a block device can do."""
        return disk(discard_max_bytes=0 if device in self.thick else 1 << 30, discard_granularity=self.granularity)

    # What the kernel refuses.

    def _refuse_portal(self, place: str) -> int:
        portal = os.path.basename(place)
        address, _, port = portal.rpartition(":")
        if not port.isdecimal() or not address or (":" in address and not address.startswith("[")):
            return errno.EINVAL
        for other in Path(self.root, "iscsi").glob("*/tpgt_*/np/*"):
            same_port = other.name.rpartition(":")[2] == port
            wildcard = {"0.0.0.0", "[::]"} & {address, other.name.rpartition(":")[0]}
            if same_port and wildcard and other.name != portal:
                return errno.EINVAL
        return errno.EINVAL if portal in self.foreign else 0

    def _export(self, unit: str, storage: str, path: str) -> None:
        if self._links(os.path.dirname(path)):
            raise _error(errno.EEXIST, path)
        if self._read(f"{storage}/enable") != "1":
            raise _error(errno.ENODEV, path)

    def _map(self, mapped: str, unit: str, path: str) -> None:
        if not self._links(self._path(unit)):
            raise _error(errno.EINVAL, path)
        if self._links(os.path.dirname(path)):
            raise _error(errno.EEXIST, path)
        group = mapped.split("/acls/", maxsplit=1)[0]
        self._store(f"{mapped}/write_protect", self._read(f"{group}/attrib/prod_mode_write_protect"))

    def _set(self, place: str, text: str) -> int:
        """Write an attribute; the errno, or 0."""
        owner, attribute = self._owner(place)
        if owner is not None and self._kind(owner) == "storage":
            return self._set_storage(owner, attribute, text)
        if owner is not None and self._kind(owner) == "group":
            return self._set_group(owner, attribute, text)
        if attribute == "write_protect" and self._read(place) == "":
            # A mapping that is dead takes it, and stays dead.
            return 0
        self._store(place, text)
        return 0

    def _set_storage(self, owner: str, attribute: str, text: str) -> int:
        if attribute == "enable":
            return self._enable_storage(owner, text)
        if attribute.startswith("wwn/"):
            return self._set_identity(owner, attribute, text)
        hidden = ("attrib/force_pr_aptpl", "attrib/unmap_zeroes_data", "pr/res_aptpl_metadata")
        if attribute in hidden and self._exports(owner):
            return errno.EINVAL
        if attribute == "pr/res_aptpl_metadata":
            return self._register(owner, text)
        if _SWITCHES.match(attribute) and text not in ("0", "1"):
            return errno.EINVAL
        if attribute == "attrib/emulate_write_cache" and text != "0":
            return errno.EINVAL
        unmapping = attribute in ("attrib/emulate_tpu", "attrib/emulate_tpws") and text == "1"
        if unmapping and not self._configure_unmap(owner):
            return errno.ENOSYS
        self._store(f"{owner}/{attribute}", text)
        return 0

    def _configure_unmap(self, owner: str) -> bool:
        """Whether UNMAP can be offered: the device is only asked where nothing is known of it."""
        if self._read(f"{owner}/attrib/max_unmap_block_desc_count") != "0":
            return True
        if self._device(owner) in self.thick:
            return False
        self._store(f"{owner}/attrib/max_unmap_block_desc_count", "1")
        self._store(f"{owner}/attrib/max_unmap_lba_count", "8192")
        self._store(f"{owner}/attrib/unmap_granularity", str(self.granularity // 512))
        return True

    def _register(self, owner: str, text: str) -> int:
        """Take a registration from a file. It is live at once; the kernel waits for the initiator's mapping."""
        words = dict(word.partition("=")[::2] for word in text.split(","))
        # The kernel reads a number in the base that its writing suggests: 08 is none.
        holds = words.get("res_holder") == "1"
        if not int(words["sa_res_key"]) or (holds and words.get("res_type", "0") not in "135678"):
            return errno.EINVAL
        place = f"{owner}/pr/res_pr_registered_i_pts"
        before = self._read(place).removesuffix("None").rstrip("\n")
        who = f"iSCSI Node: {words['initiator_node']},i,0x{words.get('initiator_sid', '')}"
        self._store(place, f"{before}\n{who} Key: 0x{int(words['sa_res_key']):016x} PRgen: 0x00000000")
        if holds:
            self._store(f"{owner}/pr/res_holder", f"SPC-3 Reservation: iSCSI Initiator: {words['initiator_node']}")
        return 0

    def _enable_storage(self, owner: str, text: str) -> int:
        if self._read(f"{owner}/enable") == "1":
            return errno.EEXIST if text == "1" else errno.EINVAL
        device = self._device(owner)
        if text != "1" or not device:
            return errno.EINVAL
        if self.claimed(device):
            return errno.EBUSY
        number = self.devices.get(device, errno.ENOENT)
        if number == 0:
            self._store(f"{owner}/enable", "1")
            self._store(f"{owner}/attrib/hw_max_sectors", str(self.limits(device).max_hw_sectors_kb * 2))
            self._store(f"{owner}/attrib/max_unmap_block_desc_count", "0" if device in self.thick else "1")
            if device in self.solid:
                self._store(f"{owner}/attrib/is_nonrot", "1")
        return number

    def _set_identity(self, owner: str, attribute: str, text: str) -> int:
        if self._exports(owner):
            return errno.EINVAL
        longest = {"wwn/vpd_unit_serial": 253, "wwn/vendor_id": 8, "wwn/product_id": 16, "wwn/revision": 4}
        if len(text) > longest.get(attribute, 253):
            return errno.EOVERFLOW
        label = "T10 VPD Unit Serial Number: " if attribute == "wwn/vpd_unit_serial" else ""
        self._store(f"{owner}/{attribute}", label + text)
        return 0

    def _set_group(self, owner: str, attribute: str, text: str) -> int:
        if attribute == "enable" and text not in ("0", "1"):
            return errno.EINVAL
        if attribute == "rtpi":
            if self._read(f"{owner}/enable") == "1" or text == "0":
                return errno.EINVAL
            text = hex(int(text, 0))
        if attribute == "enable" and text == "1" and self._read_or_none(f"{owner}/rtpi") not in (None, "0x0"):
            mine = self._read(f"{owner}/rtpi")
            others = [str(path.parent)[len(self.root) + 1 :] for path in Path(self.root).glob("iscsi/*/tpgt_*/rtpi")]
            if any(
                other != owner and self._read(f"{other}/enable") == "1" and self._read(f"{other}/rtpi") == mine
                for other in others
            ):
                return errno.EINVAL
        numeric = attribute.startswith("param/Max") or attribute == "param/FirstBurstLength"
        if numeric and not text.isdecimal():
            return errno.EINVAL
        if attribute in ("param/InitialR2T", "param/ImmediateData") and text not in ("Yes", "No"):
            return errno.EINVAL
        if attribute == "attrib/default_cmdsn_depth" and not 1 <= int(text) <= 512:
            return errno.EINVAL
        self._store(f"{owner}/{attribute}", text)
        return 0

    # How the tree is looked at.

    def _inside(self, path: str) -> str | None:
        return path[len(self.root) + 1 :] if path.startswith(self.root + "/") else None

    def _path(self, place: str) -> str:
        return f"{self.root}/{place}"

    def _kind(self, place: str) -> str | None:
        kinds = [kind for kind, pattern in _KINDS.items() if re.fullmatch(pattern, place)]
        return kinds[0] if kinds else None

    def _owner(self, place: str) -> tuple[str | None, str]:
        """The object that an attribute belongs to, and the attribute's name in it."""
        owner = os.path.dirname(place)
        while owner and self._kind(owner) is None:
            owner = os.path.dirname(owner)
        return (owner, place[len(owner) + 1 :]) if owner else (None, place)

    def _fill(self, place: str, kind: str) -> None:
        path = self._path(place) if place else self.root
        for folder in _CONTAINERS.get(kind, ()):
            os.makedirs(f"{path}/{folder}", exist_ok=True)
        values = self.objects[kind]
        for folder in {os.path.dirname(name) for name in values}:
            os.makedirs(f"{path}/{folder}", exist_ok=True)
        for name, value in values.items():
            # A text file of Python's takes three times as long, and tests make tens of thousands.
            descriptor = os.open(f"{path}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            os.write(descriptor, f"{value}\n".encode())
            os.close(descriptor)

    def _children(self, place: str, kind: str) -> list[str]:
        """The objects below an object, which keep it from being removed."""
        folders = [f"{place}/{name}" for name in _CONTAINERS.get(kind, ())] or [place]
        below = [f"{folder}/{name}" for folder in folders for name in os.listdir(self._path(folder))]
        return [
            child
            for child in below
            if self._kind(child) is not None and os.path.isdir(self._path(child)) and not self._default(child)
        ]

    def _default(self, place: str) -> bool:
        """Whether a folder came with its object and goes with it."""
        first = os.path.basename(place)
        kind = self._kind(os.path.dirname(place)) or "root"
        return any(name.startswith(f"{first}/") for name in self.objects.get(kind, {}))

    def _links(self, path: str) -> list[str]:
        return [name for name in os.listdir(path) if os.path.islink(f"{path}/{name}")]

    def _exports(self, storage: str) -> list[Path]:
        links = [link for link in Path(self.root).glob("iscsi/*/tpgt_*/lun/lun_*/*") if link.is_symlink()]
        return [link for link in links if os.path.realpath(link) == os.path.realpath(self._path(storage))]

    def _mappings(self, unit: str) -> list[str]:
        links = [link for link in Path(self.root).glob("iscsi/*/tpgt_*/acls/*/lun_*/*") if link.is_symlink()]
        found = [link.parent for link in links if os.path.realpath(link) == os.path.realpath(self._path(unit))]
        return [str(path)[len(self.root) + 1 :] for path in found]

    def _storages(self) -> list[str]:
        return [str(path.parent)[len(self.root) + 1 :] for path in Path(self.root).glob("core/*/*/enable")]

    def _device(self, storage: str) -> str:
        for word in self._read(f"{storage}/control").split(","):
            if word.startswith("udev_path="):
                return word.partition("=")[2]
        return ""

    def _read(self, place: str) -> str:
        return Path(self._path(place)).read_text().rstrip("\n")

    def _read_or_none(self, place: str) -> str | None:
        return self._read(place) if os.path.exists(self._path(place)) else None

    def _store(self, place: str, text: str) -> None:
        # A value without its newline shows that it was written without one.
        Path(self._path(place)).write_text(text if "/auth/" in place else f"{text}\n")

    def _count(self, change: str) -> None:
        self.changes.append(change)
        if len(self.changes) == self.fail_at:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def _drbd_minors(path: str) -> list[int]:
    name = os.path.basename(path)
    return [int(name.removeprefix("drbd"))] if name.startswith("drbd") else []


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)


def _no_device(path: str) -> Passing:
    return Passing(f"device {path} is not there (No such file or directory); check the path")


def tree(root: str) -> dict[str, str]:
    """All that is below a root: attributes with their values, links with their ends, folders with nothing."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            place = path[len(root) + 1 :]
            if os.path.islink(path):
                found[place] = f"-> {os.path.realpath(path)[len(os.path.realpath(root)) + 1 :]}"
            elif os.path.isdir(path):
                found[place] = ""
            else:
                found[place] = Path(path).read_text()
    return found


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, release: str = "6.12") -> Kernel:
    """Put a fake kernel below `folder` in place of the host's, for code that runs in this process."""
    kernel = Kernel(str(folder / "config" / "target"), release)
    Path(kernel.root, "dbroot").write_text(f"{folder}/dbroot\n")
    for module in lio_core._MODULES:
        (folder / "module" / module).mkdir(parents=True, exist_ok=True)

    def require_free(path: str) -> None:
        number = kernel.devices.get(path, errno.ENOENT)
        if number == 0 and kernel.claimed(path):
            number = errno.EBUSY
        if number == errno.ENOENT:
            raise _no_device(path)
        if number:
            raise block_device.refusal(path, number)

    def size(path: str) -> int:
        if kernel.devices.get(path, errno.ENOENT) == errno.ENOENT:
            raise _no_device(path)
        return kernel.sizes[path]

    monkeypatch.setattr(configfs, "root", kernel.root)
    monkeypatch.setattr(configfs, "os", kernel)
    monkeypatch.setattr(child, "run", lambda work, _deadline, _doing: work())
    monkeypatch.setattr(lio_core, "_loaded_modules", str(folder / "module"))
    # What the fake refuses does not pass, unless a test waits for it.
    for patience in ("SECONDS_FOR_WHAT_PASSES", "_SECONDS_FOR_A_STOP", "_SECONDS_FOR_A_LOOK"):
        monkeypatch.setattr(lio_core, patience, 0)
    monkeypatch.setattr(rundir, "DIRECTORY", str(folder / "run"))
    monkeypatch.setattr(vacancy, "ask_beforehand", kernel.asked.extend)
    monkeypatch.setattr(block_device, "require_free", require_free)
    monkeypatch.setattr(block_device, "size", size)
    monkeypatch.setattr(block_device, "is_free", lambda path: not kernel.claimed(path))
    monkeypatch.setattr(device_limits, "of", lambda path: None if kernel.devices.get(path) else kernel.limits(path))
    monkeypatch.setattr(block_tree, "drbd_minors", _drbd_minors)
    monkeypatch.setattr(block_tree, "is_drbd", lambda path: bool(_drbd_minors(path)))
    monkeypatch.setattr(
        device_limits, "io_topology", lambda path: {} if kernel.devices.get(path) else dict(kernel.shape)
    )
    return kernel
