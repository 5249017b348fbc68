# SPDX-License-Identifier: GPL-2.0-or-later
"""A LUN that is removed on purpose while another of its target stays: its initiator hears that, and no more."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from lab.pair import IQN, Pair
from tests.cluster import hand, initiator, second_lun
from tests.cluster.test_failover import Load

# ILLEGAL REQUEST, LOGICAL UNIT NOT SUPPORTED: by this ESXi knows a device that was removed for ever (PDL).
_REMOVED = (2, "05/25/00")
_BLOCK = 512
# TEST UNIT READY, READ (10) and WRITE (10) of the first block, WRITE SAME (10) of it, COMPARE AND WRITE, UNMAP of
# nothing, PERSISTENT RESERVE IN, READ CAPACITY (10).
_COMMANDS: tuple[initiator.Command, ...] = (
    initiator.TEST_UNIT_READY,
    {"cdb": "28000000000000000100", "in": _BLOCK},
    {"cdb": "2a000000000000000100", "out": "00" * _BLOCK},
    {"cdb": "41000000000000000100", "out": "00" * _BLOCK},
    {"cdb": "89000000000000000000000000010000", "out": "00" * 2 * _BLOCK},
    {"cdb": "42000000000000000800", "out": "0006000000000000"},
    {"cdb": "5e000000000000000800", "in": 8},
    {"cdb": "25000000000000000000", "in": 8},
)


@pytest.fixture
def second(pair: Pair) -> Iterator[str]:
    with second_lun.made(pair) as disk:
        yield disk


@pytest.fixture
def load(pair: Pair, second: str) -> Iterator[Load]:
    running = Load(pair)
    yield running
    running.judge()


def _session(pair: Pair) -> str:
    return next(line for line in pair.esx.succeed("iscsiadm -m session").splitlines() if f" {IQN} " in line)


def test_one_lun_is_removed_and_comes_back(pair: Pair, second: str, load: Load) -> None:
    esx, active = pair.esx, pair.wait_until_serving()
    before, session = initiator.identity(pair.esx, second), _session(pair)
    esx.succeed(f"yes written | dd of={second} bs=4k count=1 oflag=direct iflag=fullblock")
    since = esx.succeed("dmesg | wc -l").strip()

    hand.expect(active, 0, "lio-lun", "stop", **second_lun.PARAMETERS)
    answers = initiator.send(pair.esx, second, _COMMANDS)
    assert [(answer["status"], answer["sense"]) for answer in answers] == [_REMOVED] * len(_COMMANDS)
    load.wait_for_writes()
    hand.expect(active, 0, "lio-lun", "monitor", target_iqn=IQN, lun="1", path="/dev/drbd0", OCF_CHECK_LEVEL="20")

    hand.expect(active, 0, "lio-lun", "start", **second_lun.PARAMETERS)
    # That the LUNs have changed, and no error.
    told = {str(answer["sense"]) for answer in initiator.send(pair.esx, second, [initiator.TEST_UNIT_READY] * 4)}
    assert told <= {"", "06/3f/0e", "06/29/00"}
    assert initiator.identity(pair.esx, second) == before
    assert "written" in esx.succeed(f"dd if={second} bs=4k count=1 iflag=direct 2>/dev/null")
    load.wait_for_writes()

    assert _session(pair) == session
    kernel = esx.succeed(f"dmesg | tail -n +{since}")
    assert not re.search(rf"conn error|I/O error, dev {pair.disk.removeprefix('/dev/')}|session recovery", kernel)
