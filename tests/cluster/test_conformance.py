# SPDX-License-Identifier: GPL-2.0-or-later
"""iscsi-test-cu against the portal: the families that are promised once after a switchover; the whole is all families,
and what is promised before the switchover as well.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab import conformance, counts
from lab.machine import Machine
from lab.pair import INITIATOR, IQN, PORTAL, Pair
from tests.cluster import initiator

_URL = f"iscsi://{PORTAL}/{IQN}/1"

# VAAI, reservations, and what a disk is known by.
_PROMISED = (
    "CompareAndWrite", "ExtendedCopy", "ReceiveCopyResults", "Unmap", "WriteSame10", "WriteSame16",
    "PrinReadKeys", "PrinReportCapabilities", "PrinServiceactionRange",
    "ProutRegister", "ProutReserve", "ProutClear", "ProutPreempt", "Reserve6",
    "Inquiry", "ReadCapacity10", "ReadCapacity16", "ReportSupportedOpcodes", "TestUnitReady",
)  # fmt: skip

# Suites that may be skipped as a whole.
_UNSUPPORTED = {"ReportSupportedOpcodes": "LIO has REPORT SUPPORTED OPCODES since Linux 6.3"}

# What fails on LIO itself with a loop device behind it, on Linux 6.1 or 7.2, and why. Nothing promised is among it.
_NO_VERIFY = "VERIFY does nothing in LIO and is always GOOD (target_core_sbc.c, sbc_emulate_noop)"
_RESIDUAL = (
    "LIO refuses a WRITE AND VERIFY whose iSCSI header gives another length than its CDB; the test wants it done"
)
_TOO_QUICK = "the test wants a command to be still under way; the disk has done it by then"
_CUT_OFF = "LIO leaves out a port group that does not fit into the allocation length as a whole"
_DPO = "LIO takes VERIFY with DPO, and does not tell it in REPORT SUPPORTED OPCODES, which it has since Linux 6.3"
_PART_OF_A_BLOCK = (
    "LIO reads as much of a block as the iSCSI header asks for, which the block layer of 7.2 refuses (BLK_STS_INVAL)"
)
_CLOSED = "LIO closes the connection (error recovery level 0), and the test may wait for ever for an answer"
_KNOWN = {
    "ReportTargetPortGroups.AllocLength": _CUT_OFF,
    "Verify10.Dpo": _DPO,
    "Verify10.VerifyProtect": _NO_VERIFY,
    "Verify10.Mismatch": _NO_VERIFY,
    "Verify16.Dpo": _DPO,
    "Verify16.VerifyProtect": _NO_VERIFY,
    "Verify16.Mismatch": _NO_VERIFY,
    "iSCSIdatasn.iSCSIDataSnInvalid": _CLOSED,
    "iSCSIResiduals.Read10Invalid": _PART_OF_A_BLOCK,
    "iSCSIResiduals.Read10Residuals": _PART_OF_A_BLOCK,
    "iSCSIResiduals.Read12Residuals": _PART_OF_A_BLOCK,
    "iSCSIResiduals.Read16Residuals": _PART_OF_A_BLOCK,
    "iSCSIResiduals.WriteVerify10Residuals": _RESIDUAL,
    "iSCSIResiduals.WriteVerify16Residuals": _RESIDUAL,
    "iSCSITMF.AbortTaskSimpleAsync": _TOO_QUICK,
    "iSCSITMF.LUNResetSimpleAsync": _TOO_QUICK,
}

# PERSISTENT RESERVE IN (SPC-4, 6.15).
_READ_KEYS: initiator.Command = {"cdb": "5e000000000000000800", "in": 8}
_READ_RESERVATION: initiator.Command = {"cdb": "5e010000000000000800", "in": 8}

# Many times what a suite takes, so that only a real hang meets it.
_SECONDS = 300
# What may hang without a fault of ours need not be waited for so long.
_HANGING = {"iSCSIdatasn": 60}


@pytest.fixture(scope="module")
def admitted(whole_pair: Pair) -> Iterator[Pair]:
    """The suite's initiators may log in; afterwards they may not, and nothing of theirs is left."""
    if whole_pair.suite == "bookworm":
        pytest.skip("Debian 12 has libiscsi-bin without iscsi-test-cu")
    _admit(whole_pair, INITIATOR, *conformance.INITIATORS)
    yield whole_pair
    _admit(whole_pair, INITIATOR)


def _admit(pair: Pair, *initiators: str) -> None:
    """As an operator does it: it changes without a restart."""
    server = pair.wait_until_serving()
    words = "--resource p_target --set-parameter allowed_initiators"
    server.succeed(["sh", "-c", f"crm_resource {words} --parameter-value '{' '.join(initiators)}'"])
    lists = f"/sys/kernel/config/target/iscsi/{IQN}/tpgt_1/acls"
    server.wait_until(f'test "$(ls {lists} | xargs)" = "{" ".join(sorted(initiators))}"', "they may log in", 60)
    pair.wait_until_settled()


def _run(pair: Pair, suites: tuple[str, ...] = ()) -> dict[str, conformance.Run]:
    listed = conformance.suites(pair.esx)
    runs = {
        suite: conformance.run(pair.esx, _URL, suite, listed[suite], _HANGING.get(suite, _SECONDS))
        for suite in suites or listed
    }
    counts.add("families of iscsi-test-cu", len(runs))
    counts.add("tests of iscsi-test-cu", sum(len(ran.outcomes) for ran in runs.values()))
    print(f"\niscsi-test-cu against {pair.wait_until_serving()}:\n{conformance.table(runs)}")
    return runs


def _failures(runs: dict[str, conformance.Run]) -> dict[str, str]:
    return {
        f"{suite}.{test}": f"{outcome.verdict}: {outcome.said}"
        for suite, ran in runs.items()
        for test, outcome in ran.outcomes.items()
        if outcome.verdict != "passed"
    }


def _judge_what_is_promised(runs: dict[str, conformance.Run]) -> None:
    promised = {suite: runs[suite] for suite in _PROMISED}
    assert not _failures(promised)
    nothing = {suite for suite, ran in promised.items() if ran.skipped() == len(ran.outcomes)}
    assert nothing <= set(_UNSUPPORTED), "not one test of these has run"


@pytest.mark.soak
def test_what_is_promised(admitted: Pair) -> None:
    _judge_what_is_promised(_run(admitted, _PROMISED))


def test_after_a_switchover(admitted: Pair, pair: Pair, passive: Machine, whole: bool) -> None:
    """All failures are LIO's own, and none of what is promised; one of those that passes is welcome."""
    pair.move(passive)
    runs = _run(admitted, () if whole else _PROMISED)
    _judge_what_is_promised(runs)
    failures = _failures(runs)
    print("".join(f"{name} failed: {_KNOWN.get(name, 'NOT KNOWN')}\n" for name in failures))
    unknown = {name: said for name, said in failures.items() if name not in _KNOWN}
    assert not unknown


def test_it_leaves_nothing_behind(admitted: Pair, pair: Pair, whole: bool) -> None:
    keys, reservation = initiator.ask(pair.esx, pair.disk, [_READ_KEYS, _READ_RESERVATION])
    # Behind the number of changes, the length of what follows.
    assert (keys["status"], str(keys["data"])[8:16]) == (0, "00000000")
    assert (reservation["status"], str(reservation["data"])[8:16]) == (0, "00000000")
    assert pair.verify_replicas() == 0
