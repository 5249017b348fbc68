# SPDX-License-Identifier: GPL-2.0-or-later
"""What iscsi-test-cu says is read test by test, whatever the test itself has said in between."""

from __future__ import annotations

import pytest

from lab import conformance
from lab.errors import LabError

_SAID = """\
    [SKIPPED] REPORT_SUPPORTED_OPCODES is not implemented.


     CUnit - A unit testing framework for C - Version 2.1-3


Suite: CompareAndWrite
  Test: Simple ...passed
  Test: DpoFua ...    [SKIPPED] It is not implemented.
    [SKIPPED] It is not implemented at all.
passed    [INFO] A word too many
Suite: Verify10
  Test: Mismatch ...    [FAILED] VERIFY10 successful but should have failed
FAILED
    1. test_verify10_mismatch.c:50  - CU_ASSERT_EQUAL(_r,0)
  Test: Control-SWP ...passed
"""
_SUMMARY = """
Run Summary:    Type  Total    Ran Passed Failed Inactive
              suites      2      2    n/a      0        0
               tests      4      {ran}      {passed}      1        0
             asserts     11     11     10      1      n/a
"""


def test_each_test_has_its_outcome() -> None:
    found = conformance.parse(_SAID + _SUMMARY.format(ran=4, passed=3))
    verdicts = {f"{suite}.{test}": found[suite][test].verdict for suite in found for test in found[suite]}
    assert verdicts == {
        "CompareAndWrite.Simple": "passed",
        "CompareAndWrite.DpoFua": "passed",
        "Verify10.Mismatch": "failed",
        "Verify10.Control-SWP": "passed",
    }
    reasons = [outcome.skipped for outcomes in found.values() for outcome in outcomes.values()]
    assert reasons == ["", "It is not implemented.", "", ""]
    assert "test_verify10_mismatch.c:50" in found["Verify10"]["Mismatch"].said


def test_one_that_was_ended_has_no_verdict() -> None:
    found = conformance.parse("Suite: iSCSIdatasn\n  Test: iSCSIDataSnInvalid ...    [FAILED] WRITE10 did fail")
    assert found["iSCSIdatasn"]["iSCSIDataSnInvalid"].verdict == "unfinished"


def test_what_does_not_add_up_is_no_result() -> None:
    with pytest.raises(LabError, match="counts"):
        conformance.parse(_SAID + _SUMMARY.format(ran=5, passed=4))


def test_nothing_said_is_nothing_found() -> None:
    assert conformance.parse("iscsi-test-cu: connection refused\n") == {}
