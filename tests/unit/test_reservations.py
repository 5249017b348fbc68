# SPDX-License-Identifier: GPL-2.0-or-later
"""Persistent reservations between two nodes: the kernel's text, the state volume, and the cluster's attribute."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit import agents, fake_configfs
from tests.unit.agents import reason
from tests.unit.fake_configfs import Kernel
from twinsan.deadline import Deadline
from twinsan.system import command, configfs, device_limits, naa, reservation_store, reservations, rundir, state

IQN = "iqn.2003-01.org.example:san"
SERIAL = naa.serial(IQN, 1)
run = agents.Runner("lio-lun", target_iqn=IQN, lun="1", path="/dev/drbd0")
target = agents.Runner("lio-iscsi-target", iqn=IQN, portals="10.0.5.50", allowed_initiators="iqn.1998-01.com.vmware:a")
# As the cluster calls an agent.
IN_CLUSTER = {"crm_feature_set": "3.20.0", "CRM_meta_interval": "10000"}


def registration(number: int, key: int, *, holds: str = "") -> str:
    """A registration as the kernel writes it; `holds` is the type of the reservation, of two digits."""
    reserved = f"res_holder=1\nres_type={holds}\nres_scope=00\n" if holds else "res_holder=0\n"
    return (
        f"PR_REG_START: {number}\ninitiator_fabric=iSCSI\ninitiator_node=iqn.1998-01.com.vmware:{number}\n"
        f"initiator_sid=00023d00000{number}\nsa_res_key={key}\n{reserved}res_all_tg_pt=0\nmapped_lun=1\n"
        f"target_fabric=iSCSI\ntarget_node={IQN}\ntpgt=1\nport_rtpi=1\ntarget_lun=1\nPR_REG_END: {number}\n"
    )


ONE = registration(0, 2748)
TWO = registration(0, 2748, holds="08") + registration(1, 7)


class Cluster:
    """The attribute daemon, which knows this node and its peer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attributes: dict[str, dict[str, str]] = {}
        self.calls: list[str] = []
        self.answers = True
        monkeypatch.setattr(command, "run", self.run)

    def run(self, *argv: str, deadline: Deadline, check: bool = True) -> command.Result:
        self.calls.append(" ".join(argv))
        if not self.answers:
            raise command.CommandFailed(command.Result(argv, 1, "", "Connection to cluster failed"))
        if argv[0] == "crm_node":
            return command.Result(argv, 0, "atlas zeus\n", "")
        values = self.attributes.setdefault(argv[argv.index("--name") + 1], {})
        if "--update" in argv:
            assert "--private" in argv
            values[argv[argv.index("--node") + 1]] = argv[argv.index("--update") + 1]
        told = "".join(f'name="x" host="{node}" value="{value}"\n' for node, value in values.items())
        return command.Result(argv, 0 if values else 105, told, "")


class Node:
    """One of two nodes that serve the LUN in turn; the state volume, where there is one, goes with the LUN."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, volume: Path | None) -> None:
        self._patch = monkeypatch
        self._folder = folder
        self._volume = volume
        self._kernel: Kernel | None = None

    @property
    def kernel(self) -> Kernel:
        assert self._kernel is not None
        return self._kernel

    def start(self) -> None:
        """Take over: the fakes of this node are the host from now on."""
        if self._kernel is None:
            self._kernel = fake_configfs.install(self._patch, self._folder)
        self._patch.setattr(configfs, "root", self.kernel.root)
        self._patch.setattr(configfs, "os", self.kernel)
        self._patch.setattr(rundir, "DIRECTORY", str(self._folder / "run"))
        self._patch.setattr(state, "folder", lambda _device, _name="": str(self._volume) if self._volume else None)
        assert target("start") == 0
        assert run("start", **IN_CLUSTER) == 0

    def stop(self) -> None:
        assert run("stop", **IN_CLUSTER) == 0
        assert target("stop") == 0

    def file(self) -> Path:
        """What the kernel writes to."""
        return Path(reservations.file(SERIAL))

    def change(self, text: str) -> None:
        """An initiator changes what is reserved; the kernel answers when it has written the file."""
        with self.file().open("w") as file:
            file.write(f"{text}\0")
        place = next(Path(self.kernel.root).glob("core/iblock_*/*/pr"))
        (place / "res_pr_generation").write_text(f"{hash(text)}\n")

    def taken(self) -> list[str]:
        """The keys that the kernel has been told."""
        told = next(Path(self.kernel.root).glob("core/iblock_*/*/pr/res_pr_registered_i_pts")).read_text()
        return [line.partition("Key: ")[2].split()[0] for line in told.splitlines() if "Key: " in line]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(state, "make_synchronous", lambda _path: None)
    return Cluster(monkeypatch)


@pytest.fixture(params=["volume", "attribute"])
def nodes(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Cluster
) -> tuple[Node, Node]:
    volume = tmp_path / "volume" if request.param == "volume" else None
    for name in ("atlas", "zeus", "volume"):
        (tmp_path / name).mkdir()
    return Node(monkeypatch, tmp_path / "atlas", volume), Node(monkeypatch, tmp_path / "zeus", volume)


# The kernel's text.


def test_a_type_is_given_back_in_decimal() -> None:
    first, second = reservations.registrations(TWO)
    assert "res_type=8," in first
    assert first.startswith(
        "initiator_fabric=iSCSI,initiator_node=iqn.1998-01.com.vmware:0,initiator_sid=00023d000000,"
    )
    assert "sa_res_key=7," in second
    assert "res_type" not in second


@pytest.mark.parametrize("text", ["", "PR_REG_START: 0\ninitiator_node=a\n", TWO[:-5], TWO[: len(TWO) // 2]])
def test_what_is_cut_off_is_seen(text: str) -> None:
    assert reservations.torn(text)


@pytest.mark.parametrize("text", [ONE, TWO, reservations.NONE])
def test_what_is_whole_is_whole(text: str) -> None:
    assert not reservations.torn(text)


@pytest.mark.parametrize("text", [reservations.NONE, "garbage\n=\n", "PR_REG_END: 0\n"])
def test_nothing_is_no_registration(text: str) -> None:
    assert reservations.registrations(text) == []


# Two nodes.


def test_they_move_with_the_lun(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    here.start()
    here.change(TWO)
    here.stop()
    there.start()
    assert there.taken() == ["0x0000000000000abc", "0x0000000000000007"]
    assert run("monitor", **IN_CLUSTER) in (0, 190)
    there.stop()
    here.start()
    assert here.taken() == ["0x0000000000000abc", "0x0000000000000007"]


@pytest.mark.parametrize("cleared", [reservations.NONE, ONE])
def test_an_old_file_brings_nothing_back(nodes: tuple[Node, Node], cleared: str) -> None:
    here, there = nodes
    here.start()
    here.change(TWO)
    # Its file is left, as after a power cut.
    left = here.file().read_text()
    here.stop()
    there.start()
    there.change(cleared)
    there.stop()
    if not here.file().exists():
        here.file().parent.mkdir(parents=True, exist_ok=True)
        here.file().write_text(left)
    here.start()
    assert len(here.taken()) == len(reservations.registrations(cleared))


def test_what_comes_and_goes_between_two_monitors_is_gone(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    here.start()
    here.change(TWO)
    here.stop()
    there.start()
    there.change(reservations.NONE)
    there.stop()
    here.start()
    assert here.taken() == []


@pytest.mark.parametrize("nodes", ["volume"], indirect=True)
def test_with_a_volume_nothing_acknowledged_is_lost(nodes: tuple[Node, Node], cluster: Cluster) -> None:
    here, there = nodes
    here.start()
    here.change(ONE)
    assert run("monitor", **IN_CLUSTER) == 0
    here.change(TWO)
    # The power is cut: no monitor, no stop.
    there.start()
    assert there.taken() == ["0x0000000000000abc", "0x0000000000000007"]
    assert not [call for call in cluster.calls if "--name twinsan-reservations" in call and "--update" in call]


@pytest.mark.parametrize("nodes", ["volume"], indirect=True)
def test_a_file_that_was_being_written_gives_way_to_the_copy(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    here.start()
    here.change(TWO)
    assert run("monitor", **IN_CLUSTER) == 0
    here.file().write_text("")
    there.start()
    assert there.taken() == ["0x0000000000000abc", "0x0000000000000007"]


@pytest.mark.parametrize("nodes", ["attribute"], indirect=True)
def test_without_a_volume_a_monitor_tells_every_node(nodes: tuple[Node, Node], cluster: Cluster) -> None:
    here, there = nodes
    here.start()
    assert run("monitor", **IN_CLUSTER) == 0
    assert not cluster.attributes.get(f"twinsan-reservations-{SERIAL}"), "there is nothing to tell"
    here.change(TWO)
    assert run("monitor", **IN_CLUSTER) == 0
    calls = len(cluster.calls)
    assert run("monitor", **IN_CLUSTER) == 0
    assert len(cluster.calls) == calls, "what did not change is told again"
    assert set(cluster.attributes[f"twinsan-reservations-{SERIAL}"]) == {"atlas", "zeus"}
    there.start()
    assert len(there.taken()) == 2


@pytest.mark.parametrize("nodes", ["attribute"], indirect=True)
def test_reservations_without_a_volume_are_degraded(
    nodes: tuple[Node, Node], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = nodes
    here.start()
    here.change(ONE)
    here.stop()
    there.start()
    capsys.readouterr()
    assert run("monitor", **IN_CLUSTER) == 190
    assert "give its DRBD resource a state_device" in reason(capsys)
    assert run.probe() == 0


@pytest.mark.parametrize("nodes", ["attribute"], indirect=True)
def test_a_cluster_that_does_not_answer_fails_nothing(nodes: tuple[Node, Node], cluster: Cluster) -> None:
    here, _ = nodes
    cluster.answers = False
    here.start()
    here.change(ONE)
    assert run("monitor", **IN_CLUSTER) == 0
    here.stop()


def test_a_stop_leaves_no_file(nodes: tuple[Node, Node]) -> None:
    here, _ = nodes
    here.start()
    assert here.file().exists()
    here.stop()
    assert not os.path.lexists(here.file())


def test_what_the_kernel_refuses_is_no_reason_to_fail(nodes: tuple[Node, Node]) -> None:
    here, there = nodes
    here.start()
    here.change(ONE + registration(1, 0))
    here.stop()
    there.start()
    assert there.taken() == ["0x0000000000000abc"]


# The state volume.


def test_the_home_of_a_device_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(device_limits, "drbd_below", {"/dev/vg/lun": [4], "/dev/drbd9": [9]}.get)
    os.symlink("state.san", rundir.path("state-of.drbd4"))
    assert state.folder("/dev/vg/lun") is None, "it is not mounted"
    mounted = str(tmp_path / "run" / "state.san")
    monkeypatch.setattr(os.path, "ismount", lambda path: path == mounted)
    assert state.folder("/dev/vg/lun") == mounted
    assert state.folder("/dev/drbd9") is None
    assert state.folder("/dev/drbd9", "san") == mounted


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    state.write(path, "one\n")
    state.write(path, "two\n")
    assert state.read(path) == "two\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_the_store_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(configfs, "root", str(tmp_path))
    store = reservation_store.Store("abc", None, print, clustered=False)
    assert not store.connected
    assert store.attribute == "twinsan-reservations-abc"
