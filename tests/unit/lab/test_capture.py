# SPDX-License-Identifier: GPL-2.0-or-later
"""The judge of a capture finds each thing that must not be, and nothing in what may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.capture import iscsi, verdict
from lab.capture.judge import judge
from lab.capture.packets import ACK, FIN, RST, SYN
from lab.capture.verdict import Verdict
from lab.errors import LabError
from tests.unit import wire
from tests.unit.wire import ATLAS, PORTAL, ZEUS, Link, Wire, fixed, pdu

_NAMES = {ATLAS: "atlas", ZEUS: "zeus"}


class Scene:
    """A capture in the making, and its judgement."""

    def __init__(self, folder: Path) -> None:
        self.wire = Wire()
        self._path = folder / "capture"

    def judge(self, dropped: int | None = 0, cut: int = 0) -> Verdict:
        return judge(self.wire.write(self._path, dropped, cut), PORTAL, _NAMES)

    def accused(self, *words: str) -> Verdict:
        """The one violation says all these words."""
        found = self.judge()
        (violation,) = found.violations
        assert all(word in violation for word in words), violation
        return found

    def clean(self) -> dict[str, int]:
        """There is no violation; the counts."""
        found = self.judge()
        assert found.violations == []
        return found.counts


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.fixture
def link(scene: Scene) -> Link:
    """A session that is logged in on atlas."""
    scene.wire.take(ATLAS)
    return Link(scene.wire).open().login()


# -- what may be -------------------------------------------------------------------------------------------------


def test_a_session_from_beginning_to_end(scene: Scene, link: Link) -> None:
    link.command(wire.WRITE, data=bytes(512))
    link.response()
    link.command(wire.READ, task=2)
    link.answer(bytes(512), task=2)
    link.logout()
    link.from_target(FIN | ACK)
    link.from_initiator(FIN | ACK)
    counts = scene.clean()
    assert counts[verdict.SESSIONS] == counts[verdict.LOGINS] == counts[verdict.LOGGED_OUT] == 1
    assert counts[verdict.GOOD] == 2
    assert counts[verdict.TAKES] == 1
    assert counts[verdict.PACKETS] == len(scene.wire.frames)


def test_the_new_owner_may_reset_sessions_of_the_old(scene: Scene, link: Link) -> None:
    scene.wire.take(ZEUS)
    # As portal-ip makes it answer: an acknowledgement that fits nothing, the initiator's own, and the reset.
    link.from_target(ACK, server=ZEUS)
    link.from_initiator(ACK)
    link.from_target(RST, server=ZEUS)
    link.from_target(RST, server=ZEUS)
    Link(scene.wire, ZEUS, port=40001).open().login()
    counts = scene.clean()
    assert (counts[verdict.RESET], counts[verdict.STALE], counts[verdict.TAKES]) == (1, 1, 2)
    assert counts[verdict.SESSIONS] == 2


def test_a_server_that_comes_back_may_reset_its_own_former_sessions(scene: Scene, link: Link) -> None:
    """After a cold start of both."""
    scene.wire.take(ATLAS)
    link.from_target(RST)
    assert scene.clean()[verdict.RESET] == 1


def test_the_address_is_taken_by_the_first_word_from_it(scene: Scene, link: Link) -> None:
    """An answer to somebody's question may precede the announcement."""
    scene.wire.arp(ZEUS, wire.NOBODY, PORTAL)
    link.from_target(RST, server=ZEUS)
    assert scene.clean()[verdict.RESET] == 1


def test_a_session_of_before_the_capture(scene: Scene) -> None:
    """Its first segment begins a PDU, and whoever the initiator speaks to has the address."""
    link = Link(scene.wire)
    link.command(wire.WRITE, data=bytes(512))
    link.response()
    link.from_target(RST)
    found = scene.accused("atlas sent RST to the live session 10.0.5.4:40000")
    assert (found.counts[verdict.SESSIONS], found.counts[verdict.GOOD]) == (1, 1)


def test_a_connection_that_is_asked_for_twice_is_one(scene: Scene) -> None:
    scene.wire.take(ATLAS)
    link = Link(scene.wire)
    asking = link.segment(SYN, b"", by_target=False)
    scene.wire.frames += [asking, asking]
    link.from_target(SYN | ACK)
    link.from_initiator(ACK)
    link.login()
    assert scene.clean()[verdict.SESSIONS] == 1


@pytest.mark.parametrize(
    ("status", "sense", "name"),
    [
        (0x08, b"", verdict.BUSY),
        (0x02, fixed(0x06, 0x29, 0x07), "sense 06/29/07"),
        (0x02, bytes([0x72, 0x06, 0x3F, 0x0E, 0, 0, 0, 0]), "sense 06/3f/0e"),
    ],
    ids=["busy", "unit attention", "unit attention in descriptor format"],
)
def test_an_answer_that_makes_the_initiator_try_again(
    scene: Scene, link: Link, status: int, sense: bytes, name: str
) -> None:
    link.command(wire.READ)
    link.response(status, sense)
    assert scene.clean()[name] == 1


def test_a_miscompare_is_lawful_for_compare_and_write_alone(scene: Scene, link: Link) -> None:
    link.command(wire.COMPARE_AND_WRITE, data=bytes(1024))
    link.response(0x02, fixed(0x0E, 0x1D, 0x00))
    assert scene.clean()[verdict.MISCOMPARES] == 1
    link.command(wire.WRITE, task=2)
    link.response(0x02, fixed(0x0E, 0x1D, 0x00), task=2)
    found = scene.accused("sense 0e/1d/00 to command 8a")
    assert found.counts[verdict.MISCOMPARES] == 1


def test_a_disk_need_not_have_the_page_of_hints_and_none_else_may_be_refused(scene: Scene, link: Link) -> None:
    link.command(0x5A, further=b"\x08\x0a\x05")
    link.response(0x02, fixed(0x05, 0x24, 0x00))
    assert scene.clean()["sense 05/24/00"] == 1
    link.command(0x5A, task=2, further=b"\x08\x08\x00")
    link.response(0x02, fixed(0x05, 0x24, 0x00), task=2)
    scene.accused("sense 05/24/00 to command 5a")


def test_a_target_that_is_silent(scene: Scene, link: Link) -> None:
    """The initiator's question stays without an answer, and it hangs up."""
    link.from_initiator(payload=pdu(iscsi.NOP_OUT, fields={16: b"\0\0\0\7"}))
    link.from_initiator(FIN | ACK)
    link.from_target(RST)
    counts = scene.clean()
    assert (counts[verdict.NOP_TIMEOUTS], counts[verdict.GIVEN_UP], counts[verdict.STALE]) == (1, 1, 1)


def test_an_initiator_that_resets_its_connection(scene: Scene, link: Link) -> None:
    """Such a segment acknowledges nothing."""
    link.from_initiator(RST)
    assert scene.clean()[verdict.GIVEN_UP] == 1


def test_a_ping_that_is_answered(scene: Scene, link: Link) -> None:
    link.from_initiator(payload=pdu(iscsi.NOP_OUT, fields={16: b"\0\0\0\7"}))
    link.from_target(payload=pdu(iscsi.NOP_IN, fields={16: b"\0\0\0\7"}))
    link.from_initiator(FIN | ACK)
    assert scene.clean()[verdict.NOP_TIMEOUTS] == 0


def test_what_is_only_counted(scene: Scene, link: Link) -> None:
    link.from_target(payload=pdu(iscsi.ASYNC))
    link.from_initiator(payload=pdu(iscsi.TASK_REQUEST))
    counts = scene.clean()
    assert (counts[verdict.ASYNC], counts[verdict.ABORTS]) == (1, 1)


# -- what must not be --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("flag", "name"), [(RST, "RST"), (FIN, "FIN")])
def test_the_end_of_a_live_session(scene: Scene, link: Link, flag: int, name: str) -> None:
    link.from_target(flag | ACK)
    found = scene.accused(f"atlas sent {name} to the live session 10.0.5.4:40000")
    assert found.counts[verdict.LIVE_ENDED] == 1


def test_the_end_of_a_session_that_came_after_the_address(scene: Scene, link: Link) -> None:
    """Only what was there before may be reset, not what the new owner let in."""
    scene.wire.take(ZEUS)
    link.from_target(RST, server=ZEUS)
    Link(scene.wire, ZEUS, port=40001).open().login().from_target(RST)
    scene.accused("zeus sent RST to the live session 10.0.5.4:40001")


def test_the_old_server_after_the_new_one_has_the_address(scene: Scene, link: Link) -> None:
    scene.wire.take(ZEUS)
    link.response()
    scene.accused("atlas sent from the address that zeus has taken")


def test_a_server_that_takes_the_address_without_a_question(scene: Scene, link: Link) -> None:
    link.from_target(RST, server=ZEUS)
    assert any("zeus sent from the address that atlas has taken" in text for text in scene.judge().violations)


def test_a_refused_connection(scene: Scene) -> None:
    scene.wire.take(ATLAS)
    link = Link(scene.wire)
    link.connect()
    link.from_target(RST | ACK)
    found = scene.accused("atlas refused the connection of session 10.0.5.4:40000")
    assert (found.counts[verdict.REFUSED], found.counts[verdict.SESSIONS]) == (1, 0)


@pytest.mark.parametrize("status", [0x0301, 0x0202, 0x0201])
def test_a_rejected_login(scene: Scene, status: int) -> None:
    scene.wire.take(ATLAS)
    Link(scene.wire).open().login(status)
    found = scene.accused(f"login answered with status {status:04x}")
    assert (found.counts[verdict.LOGINS], found.counts[verdict.LOGINS_FAILED]) == (0, 1)


@pytest.mark.parametrize(
    "codes",
    [(0x05, 0x25, 0x00), (0x03, 0x11, 0x00), (0x02, 0x04, 0x0B), (0x0B, 0x00, 0x00), (0x07, 0x27, 0x00)],
    ids=["logical unit not supported", "medium error", "not ready", "aborted command", "data protect"],
)
def test_sense_that_is_no_unit_attention(scene: Scene, link: Link, codes: tuple[int, int, int]) -> None:
    link.command(wire.READ)
    link.response(0x02, fixed(*codes))
    text = "/".join(f"{code:02x}" for code in codes)
    assert scene.accused(f"sense {text} to command 88").counts[f"sense {text}"] == 1


def test_check_condition_without_sense(scene: Scene, link: Link) -> None:
    link.command(wire.READ)
    link.response(0x02)
    scene.accused("without sense data")


@pytest.mark.parametrize(
    ("status", "name"), [(0x18, "RESERVATION CONFLICT"), (0x28, "TASK SET FULL"), (0x40, "TASK ABORTED"), (0x22, "22")]
)
def test_another_status(scene: Scene, link: Link, status: int, name: str) -> None:
    link.command(wire.WRITE)
    link.response(status)
    assert scene.accused(f"SCSI status {name} to command 8a").counts[f"SCSI status {name}"] == 1


def test_a_command_that_the_target_gave_up(scene: Scene, link: Link) -> None:
    link.command(wire.WRITE)
    link.response(response=1)
    scene.accused("not completed: response 01")


def test_another_capacity_after_a_move(scene: Scene, link: Link) -> None:
    link.command(wire.READ_CAPACITY)
    link.answer(bytes([0, 3, 0xFF, 0xFF, 0, 0, 2, 0]))
    scene.wire.take(ZEUS)
    other = Link(scene.wire, ZEUS, port=40001).open().login()
    other.command(wire.READ_CAPACITY)
    other.answer(bytes(8))
    scene.accused("command 25", "0003ffff00000200 before", "now with 0000000000000000")


def test_a_reject(scene: Scene, link: Link) -> None:
    link.from_target(payload=pdu(iscsi.REJECT, fields={2: b"\x05"}))
    assert scene.accused("rejected with reason 05").counts[verdict.REJECTS] == 1


def test_what_is_no_iscsi(scene: Scene, link: Link) -> None:
    link.from_target(payload=pdu(0x2F))
    scene.accused("no iSCSI: opcode 2f")


# -- a capture that cannot be judged is none that is clean -------------------------------------------------------


def test_packets_that_were_dropped(scene: Scene, link: Link) -> None:
    found = scene.judge(dropped=3)
    assert found.counts[verdict.DROPPED] == 3
    assert "lacks 3 packets" in found.violations[0]


def test_a_capture_without_an_end(scene: Scene, link: Link) -> None:
    assert "no end" in scene.judge(dropped=None).violations[0]


def test_a_packet_of_which_a_part_is_missing(scene: Scene, link: Link) -> None:
    with pytest.raises(LabError, match="were captured"):
        scene.judge(cut=4)


def test_segments_that_the_initiator_had_and_the_capture_has_not(scene: Scene, link: Link) -> None:
    link.command(wire.READ)
    link.segment(ACK, wire.response_pdu(0x02, 1, b"\0\x12" + fixed(0x03, 0x11, 0)), by_target=True)
    link.from_initiator(ACK)
    scene.accused("the capture lacks 68 bytes")


def test_segments_that_come_late_twice_and_in_parts(scene: Scene, link: Link) -> None:
    link.command(wire.READ)
    bad = wire.response_pdu(0x02, 1, b"\0\x12" + fixed(0x03, 0x11, 0))
    parts = [link.segment(ACK, part, by_target=True) for part in (bad[:10], bad[10:50], bad[50:])]
    scene.wire.frames += [parts[2], parts[0], parts[0], parts[1], parts[2]]
    link.command(wire.READ, task=2)
    link.response(task=2)
    assert scene.accused("sense 03/11/00").counts[verdict.GOOD] == 1


def test_the_table_and_the_json_tell_all(scene: Scene, link: Link) -> None:
    link.from_target(RST)
    found = scene.judge()
    assert "live session" in found.table().splitlines()[-1]
    assert f'"{verdict.TAKES}": 1' in found.json()
