# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of the tables in tests/states, made of fakes: a method for each verb that their steps have."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.states import drbd_vaai, lio_iscsi_target, lio_lun, portal_ip
from tests.states.state import ACTIONS, RUN, Item, State, words
from tests.unit import agents, fake_configfs, fake_network, owner
from tests.unit.fake_drbd import HELD_OPEN_8_4, FakeHost
from twinsan import fence
from twinsan.drbd import role as drbd_role
from twinsan.errors import DeadlinePassed, NotHere
from twinsan.host import block_device, child, scsi
from twinsan.lio import core as lio_core
from twinsan.network import tcp_table
from twinsan.network.addresses import AssignedAddress
from twinsan.network.links import Link

TABLES = {
    "lio-iscsi-target": (lio_iscsi_target.STATES, lio_iscsi_target.USUAL),
    "lio-lun": (lio_lun.STATES, lio_lun.USUAL),
    "portal-ip": (portal_ip.STATES, portal_ip.USUAL),
    "drbd-vaai": (drbd_vaai.STATES, drbd_vaai.USUAL),
}
_NO_DEVICE = errno.ENOENT
_DAD_FAILED = 0x88


class FakeWorld:
    """A host of fakes for one row."""

    def __init__(self, agent: str, row: State, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._agent = agents.load(agent)
        self._usual = TABLES[agent][1]
        self._given = row.given
        self._run = folder / "states"
        self._run.mkdir()
        self._user = 0
        self._frozen = False
        monkeypatch.setattr(os, "geteuid", lambda: self._user)
        owner.pretend(monkeypatch, 0)
        self._kernel = fake_configfs.install(monkeypatch, folder)
        resource = drbd_vaai.RESOURCE if row.host == "server" else "none"
        self._drbd = FakeHost(folder, monkeypatch, name=resource, minor=drbd_vaai.MINOR)
        self._drbd.version = 8
        monkeypatch.setattr(drbd_role, "_SECONDS_FOR_HOLDERS", 0.05)
        if agent == "portal-ip":
            self._network = _network(monkeypatch, folder)
        self._devices(monkeypatch)
        monkeypatch.setattr(tcp_table, "listeners", self._listeners)
        if row.host == "bare":
            self._drbd.has_modules = False
            monkeypatch.setattr(lio_core, "_loaded_modules", str(folder / "none"))
            os.rename(self._kernel.root, f"{self._kernel.root}-not-there")
        else:
            self._kernel.mkdir(f"{self._kernel.root}/iscsi")
            self._drbd.load()
        if agent == "lio-lun" and row.host != "bare":
            self._target("start")

    def _devices(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for path in (lio_lun.DISK, lio_lun.OTHER_DISK):
            self._kernel.devices[path], self._kernel.sizes[path] = 0, lio_lun.SIZE
        require_free = block_device.require_free

        def read_ends(path: str) -> None:
            block_device.size(path)
            if self._frozen:
                raise TimeoutError

        def bounded(work: Callable[[], str | None], _deadline: object, doing: str) -> str:
            try:
                return work() or ""
            except TimeoutError:
                raise DeadlinePassed(f"{doing} hangs in the kernel; look at 'dmesg'") from None

        def there(path: str) -> None:
            if path.endswith("/secret"):
                raise NotHere(f"{path} is no block device; name one")
            require_free(path)

        monkeypatch.setattr(block_device, "require_free", there)
        monkeypatch.setattr(block_device, "read_ends", read_ends)
        monkeypatch.setattr(scsi, "require_ready", lambda _path, _milliseconds: None)
        monkeypatch.setattr(child, "run", bounded)

    def _listeners(self) -> list[tcp_table.Row]:
        """LIO listens on what its enabled portal groups say."""
        rows = []
        for portal in Path(self._kernel.root, "iscsi").glob("*/tpgt_*/np/*:*"):
            address, _, port = portal.name.rpartition(":")
            rows.append(tcp_table.Row(address.strip("[]"), int(port), "0.0.0.0", 0, "0"))
        return rows

    # What a plan has.

    def carry_out(self, items: list[Item], capture: pytest.CaptureFixture[str]) -> list[tuple[int, str]]:
        """The results of a plan."""
        results = []
        for item in items:
            if item.kind == "objects":
                results.append((0, self._objects()))
            elif item.kind == "step":
                self._step(item.text)
                results.append((0, ""))
            else:
                code = self._call(item.text, {} if item.usual else self._given)
                results.append((code, capture.readouterr().err))
        return results

    def _call(self, name: str, given: object) -> int:
        action, told = ACTIONS[name]
        values = {**self._usual, **told, **dict(given)}  # type: ignore[call-overload]
        if self._agent.name == "drbd-vaai":
            values.setdefault("drbdconf", self._drbd.configuration)
        if "CRM_meta_timeout" in values:
            # What waits for it in vain waits no longer than it has to; the fakes answer at once.
            values["CRM_meta_timeout"] = "100"
        return _run(self._agent, action, {name: self._here(value) for name, value in values.items()})

    def _here(self, value: str) -> str:
        """A parameter that is the path of a file, which is in a folder of this test's."""
        return value.replace(RUN, str(self._run)) if value.endswith("/secret") and self._agent_reads_files else value

    @property
    def _agent_reads_files(self) -> bool:
        return self._agent.name == "lio-iscsi-target"

    def _objects(self) -> str:
        shown = [" ".join(words) for words in self._places()]
        if self._agent.name == "portal-ip":
            shown += [f"{held.address}/{held.prefix} {held.index}" for held in self._network.held]
        return "\n".join([*sorted(shown), self._drbd.events2()])

    def _places(self) -> list[tuple[str, str]]:
        found = []
        for folder, folders, _ in os.walk(self._kernel.root):
            for name in folders:
                path = os.path.join(folder, name)
                end = os.path.realpath(path) if os.path.islink(path) else ""
                found.append((path.removeprefix(self._kernel.root), end.removeprefix(self._kernel.root)))
        return found

    # The verbs.

    def _step(self, step: str) -> None:
        verb, *arguments = words(step)
        name = "drbd_" if verb == "drbd" else verb.replace("-", "_")
        getattr(self, f"_{name}")(*arguments)

    def _start(self) -> None:
        # With the secret that it will not have any more.
        assert self._call("start", {}) == 0

    def _promote(self) -> None:
        assert self._call("promote", {}) == 0

    def _target(self, action: str) -> None:
        assert _run(agents.load("lio-iscsi-target"), action, lio_lun.TARGET) == 0

    def _restore(self) -> None:
        self._user = 0
        self._drbd.missing.clear()
        self._drbd.refusals.clear()

    def _as(self, _user: str) -> None:
        self._user = 65534

    def _without(self, *programs: str) -> None:
        self._drbd.missing.update(programs)

    def _mkdir(self, place: str) -> None:
        self._kernel.mkdir(f"{self._kernel.root}/{place}")

    def _rmdir(self, place: str) -> None:
        self._kernel.rmdir(f"{self._kernel.root}/{place}")

    def _link(self, target: str, place: str) -> None:
        self._kernel.symlink(f"{self._kernel.root}/{target}", f"{self._kernel.root}/{place}")

    def _unlink(self, place: str) -> None:
        self._kernel.unlink(f"{self._kernel.root}/{place}")

    def _write(self, place: str, value: str) -> None:
        descriptor = self._kernel.open(f"{self._kernel.root}/{place}", os.O_WRONLY)
        self._kernel.write(descriptor, value.encode())
        self._kernel.close(descriptor)

    def _secret(self, mode: str, text: str = "") -> None:
        path = self._run / "secret"
        path.unlink(missing_ok=True)
        if text:
            path.write_text(f"{text}\n")
            path.chmod(int(mode, 8))

    def _resize(self, path: str, size: str) -> None:
        self._kernel.sizes[path] = int(size)

    def _hide(self, path: str) -> None:
        self._kernel.devices[path] = _NO_DEVICE

    def _show(self, path: str) -> None:
        self._kernel.devices[path] = 0

    def _thick(self, path: str) -> None:
        self._kernel.thick.add(path)

    def _thin(self, path: str) -> None:
        self._kernel.thick.discard(path)

    def _freezable(self, state: str = "") -> None:
        self._frozen = False

    def _freeze(self) -> None:
        self._frozen = True

    _no_freezable = _freezable

    def _ip(self, kind: str, verb: str, subject: str, *more: str) -> None:
        assert (kind, verb) == ("address", "add")
        address, _, prefix = subject.partition("/")
        index = next(link.index for link in self._network.links if link.name == more[1])
        self._network.held.append(AssignedAddress(index, address, int(prefix), 0x80))

    def _device(self, state: str) -> None:
        self._change_link("test0", up=state == "up", carrier=state == "up")

    def _cable(self, state: str) -> None:
        self._change_link("test0", up=True, carrier=state == "in")

    def _change_link(self, name: str, *, up: bool, carrier: bool) -> None:
        link = next(link for link in self._network.links if link.name == name)
        link.up, link.carrier = up, carrier

    def _ip_6(self, state: str) -> None:
        self._network.without_ipv6 = {"test0"} if state == "off" else set()

    def _other_name(self, name: str) -> None:
        link = next(link for link in self._network.links if link.name == "test0")
        link.names = frozenset((link.name, name))

    def _no_other_name(self, name: str) -> None:
        link = next(link for link in self._network.links if link.name == "test0")
        link.names -= {name}

    def _duplicate(self, address: str) -> None:
        self._network.held.append(AssignedAddress(2, address, 64, _DAD_FAILED))

    def _ip_6_clean(self) -> None:
        tests = (portal_ip.ADDRESS_6, "fd77::9")
        self._network.held = [held for held in self._network.held if held.address not in tests]

    def _marker(self, state: str) -> None:
        path = Path(fence.constraint_note(drbd_vaai.RESOURCE).path)
        path.touch() if state == "there" else path.unlink(missing_ok=True)

    def _drbd_(self, verb: str) -> None:
        self._drbd.by_hand(verb)

    def _peer(self, verb: str) -> None:
        self._drbd.by_peer(verb)

    def _change(self) -> None:
        self._drbd.by_hand("change")

    def _settle(self) -> None:
        self._drbd.end_resync()

    def _hold(self) -> None:
        self._drbd.refusals["secondary"] = [(11, HELD_OPEN_8_4)] * 1000


def _network(monkeypatch: pytest.MonkeyPatch, folder: Path) -> fake_network.Host:
    host = fake_network.install(monkeypatch, folder / "run")
    host.neighbours = {"10.77.0.9": "02:00:00:00:00:09", "fd77::9": "02:00:00:00:00:09"}
    host.links = [
        Link(1, "lo", 0x10049, b""),
        Link(2, "test0", 0x11043, b"\2\0\0\0\0\1"),
        Link(3, "other0", 0x11043, b"\2\0\0\0\0\2"),
    ]
    host.held = [AssignedAddress(2, "10.77.0.2", 24, 0x80), AssignedAddress(2, "fd77::2", 64, 0x80)]
    return host


def _run(agent: type, action: str, values: object) -> int:
    variables = {f"OCF_RESKEY_{name}": value for name, value in dict(values).items()}  # type: ignore[call-overload]
    level = variables.pop("OCF_RESKEY_OCF_CHECK_LEVEL", "")
    variables |= {"OCF_CHECK_LEVEL": level, "PCMK_logfacility": "none"}
    from twinsan.ocf.environment import Environment

    return int(agent(Environment(variables), action).run())
