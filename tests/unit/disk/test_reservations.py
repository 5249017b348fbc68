# SPDX-License-Identifier: GPL-2.0-or-later
"""Persistent reservations between two nodes: the kernel's text, the state volume, and the cluster's attribute."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import pytest

from tests.unit import agents, fake_configfs
from tests.unit.agents import reason
from tests.unit.fake_configfs import Kernel
from twinsan.cluster import turn
from twinsan.deadline import Deadline
from twinsan.disk import reservation_record, reservation_store
from twinsan.drbd import state_volume
from twinsan.host import command, durable_file, rundir
from twinsan.lio import configfs, naa, reservations
from twinsan.lio import lun as lio_lun
from twinsan.network import addresses
from twinsan.network.addresses import AssignedAddress

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
        self.told = self.attributes.setdefault(f"twinsan-reservations-{SERIAL}", {})
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
        # Whether the state volume can be mounted here, and its device.
        self.mounts = True
        self.device = "/dev/drbd1"

    @property
    def kernel(self) -> Kernel:
        assert self._kernel is not None
        return self._kernel

    def start(self) -> None:
        """Take over: the fakes of this node are the host from now on."""
        assert self.try_to_start() == 0

    def try_to_start(self, **changes: str) -> int:
        """The same, where it may not serve."""
        if self._kernel is None:
            self._kernel = fake_configfs.install(self._patch, self._folder)
        self._patch.setattr(configfs, "root", self.kernel.root)
        self._patch.setattr(configfs, "os", self.kernel)
        self._patch.setattr(rundir, "DIRECTORY", str(self._folder / "run"))
        where = str(self._volume) if self._volume else ""
        self._patch.setattr(
            state_volume, "of", lambda _device, _name="": state_volume.Volume(where, self.device if where else "")
        )
        self._patch.setattr(state_volume, "mounted_device", lambda _where: self.device)
        self._patch.setattr(os.path, "ismount", lambda path: path == where and self.mounts)
        assert target("start") == 0
        return run("start", **IN_CLUSTER, **changes)

    def stop(self) -> None:
        assert run("stop", **IN_CLUSTER) == 0
        assert target("stop") == 0

    def file(self) -> Path:
        """What the kernel writes to."""
        return Path(reservations.aptpl_file(SERIAL))

    def change(self, text: str) -> None:
        """An initiator changes what is reserved; the kernel answers when it has written the file."""
        with self.file().open("w") as file:
            file.write(f"{text}\0")
        place = next(Path(self.kernel.root).glob("core/iblock_*/*/pr"))
        (place / "res_pr_generation").write_text(f"{hash(text)}\n")
        told = [f"iSCSI Node: {each.initiator} Key: 0x{each.key:016x} PRgen: 0x0" for each in reservations.parse(text)]
        (place / "res_pr_registered_i_pts").write_text(
            "\n".join(["SPC-3 PR Registrations:", *(told or ["None"])]) + "\n"
        )

    def taken(self) -> list[str]:
        """The keys that the kernel has been told."""
        told = next(Path(self.kernel.root).glob("core/iblock_*/*/pr/res_pr_registered_i_pts")).read_text()
        return [line.partition("Key: ")[2].split()[0] for line in told.splitlines() if "Key: " in line]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(durable_file, "make_synchronous", lambda _path: None)
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
    first, second = reservations.metadata_lines(TWO)
    assert "res_type=8," in first
    assert first.startswith(
        "initiator_fabric=iSCSI,initiator_node=iqn.1998-01.com.vmware:0,initiator_sid=00023d000000,"
    )
    assert "sa_res_key=7," in second
    assert "res_type" not in second


@pytest.mark.parametrize("text", ["", "PR_REG_START: 0\ninitiator_node=a\n", TWO[:-5], TWO[: len(TWO) // 2]])
def test_what_is_cut_off_is_seen(text: str) -> None:
    assert reservations.is_truncated(text)


@pytest.mark.parametrize("text", [ONE, TWO, reservations.NONE])
def test_what_is_whole_is_whole(text: str) -> None:
    assert not reservations.is_truncated(text)


@pytest.mark.parametrize("text", [reservations.NONE, "garbage\n=\n", "PR_REG_END: 0\n"])
def test_nothing_is_no_registration(text: str) -> None:
    assert reservations.metadata_lines(text) == []


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
    assert len(here.taken()) == len(reservations.metadata_lines(cleared))


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
    assert {value.partition(";")[2] for value in cluster.told.values()} == {"reserved, in the state volume"}


RESERVATIONS_ASKED = f"attrd_updater --query --all --name twinsan-reservations-{SERIAL}"


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[AssignedAddress]:
    """The addresses of the host."""
    present: list[AssignedAddress] = []
    monkeypatch.setattr(addresses, "present", lambda: present)
    return present


@pytest.mark.parametrize("nodes", ["volume"], indirect=True)
def test_a_failover_reads_the_volume_and_asks_the_cluster_when_the_address_is_up(
    nodes: tuple[Node, Node], cluster: Cluster, held: list[AssignedAddress]
) -> None:
    """What the other node could not tell any more is told then."""
    here, there = nodes
    here.start()
    here.change(ONE)
    assert run("monitor", **IN_CLUSTER) == 0
    here.change(reservations.NONE)
    # The power is cut: the cluster still has the LUN for reserved.
    cluster.calls.clear()
    there.start()
    assert there.taken() == []
    run("monitor", **IN_CLUSTER)
    assert RESERVATIONS_ASKED not in cluster.calls
    held.append(AssignedAddress(1, "10.0.5.50", 24, 0))
    run("monitor", **IN_CLUSTER)
    assert cluster.calls.count(RESERVATIONS_ASKED) == 1
    assert {value.partition(";")[2] for value in cluster.told.values()} == {"not reserved, by the state volume"}
    cluster.calls.clear()
    run("monitor", **IN_CLUSTER)
    assert RESERVATIONS_ASKED not in cluster.calls


@pytest.mark.parametrize("nodes", ["volume"], indirect=True)
def test_a_node_that_served_without_the_volume_says_so_before_anybody_sees_the_lun(
    nodes: tuple[Node, Node], cluster: Cluster, held: list[AssignedAddress]
) -> None:
    """No address was up yet when its power is cut. What a monitor of it has published counts, not the volume."""
    here, there = nodes
    here.start()
    here.stop()
    there.mounts = False
    there.start()
    there.change(TWO)
    run("monitor", **IN_CLUSTER)
    # Its end says nothing more, as that of a power cut.
    cluster.answers = False
    there.stop()
    cluster.answers = True
    here.start()
    assert RESERVATIONS_ASKED in cluster.calls
    assert here.taken() == ["0x0000000000000abc", "0x0000000000000007"]


@pytest.mark.parametrize("nodes", ["volume"], indirect=True)
def test_an_old_file_in_another_volume_is_not_trusted(nodes: tuple[Node, Node], cluster: Cluster) -> None:
    """state_device was changed, to a device that has been the state volume before."""
    here, there = nodes
    here.start()
    here.change(TWO)
    here.stop()
    cluster.calls.clear()
    there.device = "/dev/drbd2"
    there.start()
    assert RESERVATIONS_ASKED in cluster.calls
    assert "reservations_in=/dev/drbd2" in cluster.attributes["twinsan-lun-by-hand"]["zeus"], "told at once"


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
    assert not cluster.told, "there is nothing to tell"
    here.change(TWO)
    assert run("monitor", **IN_CLUSTER) == 190
    calls = len(cluster.calls)
    assert run("monitor", **IN_CLUSTER) == 190
    assert len(cluster.calls) == calls, "what did not change is told again"
    assert set(cluster.told) == {"atlas", "zeus"}
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
    assert "set its drbd-vaai's state_device, then type: crm_resource --restart --resource" in reason(capsys)
    assert run.probe() == 0


@pytest.mark.parametrize("nodes", ["attribute"], indirect=True)
def test_a_cluster_that_does_not_answer_fails_nothing(nodes: tuple[Node, Node], cluster: Cluster) -> None:
    here, _ = nodes
    cluster.answers = False
    here.start()
    here.change(ONE)
    assert run("monitor", **IN_CLUSTER) == 190
    here.stop()


def test_a_stop_leaves_no_file(nodes: tuple[Node, Node]) -> None:
    here, _ = nodes
    here.start()
    assert here.file().exists()
    here.stop()
    assert not os.path.lexists(here.file())


def test_what_the_kernel_refuses_is_not_served_without(
    nodes: tuple[Node, Node], capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = nodes
    here.start()
    here.change(ONE + registration(1, 0))
    here.stop()
    capsys.readouterr()
    assert there.try_to_start() == 1
    told = reason(capsys)
    assert told.startswith(
        "the kernel refuses a registration; type: twinsan reservations --lun by-hand "
        "--remove iqn.1998-01.com.vmware:1; then: crm_resource --cleanup --resource by-hand; or serve it without: "
    )
    assert run("monitor", **IN_CLUSTER) == 7
    assert there.try_to_start(require_reservations="no") == 0
    assert there.taken() == ["0x0000000000000abc"]


# A start after one that was killed.


def test_a_start_after_a_killed_start_brings_them_back_once(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = nodes
    here.start()
    here.change(TWO)
    here.stop()

    def killed(_lun: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(lio_lun, "_show", killed)
        with pytest.raises(KeyboardInterrupt):
            there.try_to_start()
    assert len(there.taken()) == 2
    there.start()
    assert there.taken() == ["0x0000000000000abc", "0x0000000000000007"]
    # And once it is shown, there is nothing to bring back.
    there.start()
    assert there.taken() == ["0x0000000000000abc", "0x0000000000000007"]


# A state volume that is configured and not there.


VOLUME = pytest.mark.parametrize("nodes", ["volume"], indirect=True)


def reserved_on(node: Node, *, monitors: bool = True) -> None:
    node.start()
    node.change(ONE)
    if monitors:
        assert run("monitor", **IN_CLUSTER) == 0


@VOLUME
@pytest.mark.parametrize("stops", [True, False])
def test_a_reserved_lun_is_not_served_without_its_volume(
    nodes: tuple[Node, Node], capsys: pytest.CaptureFixture[str], stops: bool
) -> None:
    here, there = nodes
    reserved_on(here, monitors=not stops)
    if stops:
        here.stop()
    there.mounts = False
    capsys.readouterr()
    assert there.try_to_start() == 1
    told = reason(capsys)
    assert "which is not mounted; type: mount /dev/drbd1 " in told
    assert told.endswith("--set-parameter require_reservations --parameter-value no")
    assert run("monitor", **IN_CLUSTER) == 7
    there.mounts = True
    there.start()
    assert there.taken() == ["0x0000000000000abc"]


def test_the_monitors_of_many_luns_repeat_it_one_after_the_other(
    nodes: tuple[Node, Node], cluster: Cluster, held: list[AssignedAddress], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has changed is told at once; what is only repeated, or asked after a failover, has its turn."""
    monkeypatch.setattr(turn, "_SECONDS_TO_WAIT", 0.05)
    here, _ = nodes
    here.start()
    with turn.Turn(Deadline(1)):
        here.change(ONE)
        assert run("monitor", **IN_CLUSTER) in (0, 190)
        assert set(cluster.told) == {"atlas", "zeus"}
        old = time.time() - 61
        os.utime(rundir.path(f"reservations.{SERIAL}"), (old, old))
        cluster.calls.clear()
        assert run("monitor", **IN_CLUSTER) in (0, 190)
        assert cluster.calls == []
        Path(rundir.path(f"reservations-unasked.{SERIAL}")).touch()
        held.append(AssignedAddress(1, "10.0.5.50", 24, 0))
        assert run("monitor", **IN_CLUSTER) in (0, 190)
        assert cluster.calls == []
    assert run("monitor", **IN_CLUSTER) in (0, 190)
    assert RESERVATIONS_ASKED in cluster.calls


@VOLUME
def test_it_is_served_without_where_the_administrator_says_so(nodes: tuple[Node, Node], cluster: Cluster) -> None:
    here, there = nodes
    reserved_on(here)
    here.stop()
    there.mounts = False
    assert there.try_to_start(require_reservations="no") == 0
    assert there.taken() == []
    assert {value.partition(";")[2] for value in cluster.told.values()} == {reservations.NONE.replace("\n", ";")}
    there.stop()
    # What the volume has is older than that.
    age(here, seconds=60)
    here.start()
    assert here.taken() == []


def age(node: Node, seconds: float) -> None:
    """What the state volume has was written so long ago."""
    for path in Path(state_volume.of("").where).rglob("*"):
        os.utime(path, (time.time() - seconds,) * 2)


@VOLUME
def test_a_lun_that_is_not_reserved_is_served_without_its_volume(
    nodes: tuple[Node, Node], cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = nodes
    reserved_on(here)
    here.change(reservations.NONE)
    assert run("monitor", **IN_CLUSTER) == 0
    assert {value.partition(";")[2] for value in cluster.told.values()} == {"not reserved, by the state volume"}
    here.stop()
    there.mounts = False
    there.start()
    assert there.taken() == []
    assert run("monitor", **IN_CLUSTER) == 0
    # Reservations that are made meanwhile are in the attribute, and count afterwards.
    there.change(TWO)
    there.stop()
    age(there, seconds=60)
    here.start()
    assert len(here.taken()) == 2
    assert {value.partition(";")[2] for value in cluster.told.values()} == {"reserved, in the state volume"}


@VOLUME
@pytest.mark.parametrize("here_too", [True, False])
def test_an_empty_volume_is_no_proof_that_nothing_was_reserved(
    nodes: tuple[Node, Node], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], here_too: bool
) -> None:
    """One with a new file system; or none, where state_device was taken away after it was reserved."""
    here, there = nodes
    reserved_on(here)
    here.stop()
    if here_too:
        shutil.rmtree(Path(state_volume.of("").where, "reservations"))
    else:
        there._volume = None
    capsys.readouterr()
    assert there.try_to_start() == 1
    assert "give its drbd-vaai the state_device that it had; then: crm_resource --cleanup" in reason(capsys)
    assert there.try_to_start(require_reservations="no") == 0


@VOLUME
def test_a_slow_cluster_is_asked_again_where_nothing_else_can_tell(
    nodes: tuple[Node, Node], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = nodes
    reserved_on(here)
    here.stop()
    there.mounts = False
    answers = iter([False])
    run_program = cluster.run

    def slow_once(*argv: str, deadline: Deadline, check: bool = True) -> command.Result:
        if "--query" in argv:
            cluster.answers = next(answers, True)
        return run_program(*argv, deadline=deadline, check=check)

    monkeypatch.setattr(command, "run", slow_once)
    assert there.try_to_start() == 1


@VOLUME
def test_nobody_knows_after_both_nodes_were_off(nodes: tuple[Node, Node], cluster: Cluster) -> None:
    here, there = nodes
    reserved_on(here)
    cluster.told.clear()
    there.mounts = False
    there.start()
    assert there.taken() == []


@VOLUME
def test_an_old_attribute_is_not_restored_where_the_volume_cannot_be_read(
    nodes: tuple[Node, Node], cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = nodes
    for node in ("atlas", "zeus"):
        cluster.told[node] = "1000.0;" + TWO.replace("\n", ";")
    here.start()
    assert len(here.taken()) == 2, "the volume takes over what the attribute had"
    assert {value.partition(";")[2] for value in cluster.told.values()} == {"reserved, in the state volume"}
    here.stop()

    def unreadable(path: str) -> str | None:
        raise OSError(5, "Input/output error", path)

    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr(durable_file, "read", unreadable)
        assert there.try_to_start() == 1
    assert "cannot be read (Input/output error); see 'dmesg'; then: crm_" in reason(capsys)
    there.start()
    assert len(there.taken()) == 2


@VOLUME
def test_a_reserved_lun_without_its_volume_says_how_to_mount_it(
    nodes: tuple[Node, Node], capsys: pytest.CaptureFixture[str]
) -> None:
    here, _ = nodes
    here.mounts = False
    here.start()
    here.change(ONE)
    capsys.readouterr()
    assert run("monitor", **IN_CLUSTER) == 190
    assert "it is reserved without its state volume; type: mount /dev/drbd1 " in reason(capsys)
    here.mounts = True
    assert run("monitor", **IN_CLUSTER) == 190
    assert "not in its state volume yet, so a power cut loses them; type: crm_resource --restart" in reason(capsys)


# One is taken out.


def test_a_registration_is_taken_out_of_a_file() -> None:
    assert reservations.without_initiator(ONE, "iqn.1998-01.com.vmware:0") == reservations.NONE
    assert reservations.without_initiator(ONE, "iqn.1998-01.com.vmware:9") == ONE
    holder, other = reservations.parse(TWO)
    assert (holder.kind, other.kind, holder.key, other.session) == (8, 0, 2748, "00023d000001")
    left = reservations.parse(reservations.without_initiator(TWO, holder.initiator))
    assert [(each.initiator, each.kind) for each in left] == [(other.initiator, 8)], "all registrants hold it"
    exclusive = TWO.replace("res_type=08", "res_type=03")
    left = reservations.parse(reservations.without_initiator(exclusive, holder.initiator))
    assert [each.kind for each in left] == [0]
    assert not reservations.is_truncated(reservations.without_initiator(TWO, holder.initiator))


def test_the_store_says_where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(configfs, "root", str(tmp_path))
    store = reservation_store.Store("abc", "p_lun1", state_volume.Volume(), print, clustered=False)
    assert not store.connected
    assert reservation_record.attribute("abc") == "twinsan-reservations-abc"
