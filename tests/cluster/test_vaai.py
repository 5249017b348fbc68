# SPDX-License-Identifier: GPL-2.0-or-later
"""The four primitives that VMware calls VAAI, command by command from the initiator; and the contract about them."""

from __future__ import annotations

import json

from lab.machine import Machine
from lab.pair import Pair
from tests.cluster import hand

# Beyond what the loads write: 100 MiB in, in blocks of 512 bytes.
_LBA = 204800


def _write(pair: Pair, lba: int, letter: str, blocks: int = 1) -> None:
    pair.esx.succeed(
        f"head -c {512 * blocks} /dev/zero | tr '\\0' {letter} | dd of={pair.disk} bs=512 seek={lba} oflag=direct"
        " iflag=fullblock"
    )


def _read(pair: Pair, lba: int, blocks: int = 1) -> str:
    return pair.esx.succeed(f"dd if={pair.disk} bs=512 skip={lba} count={blocks} iflag=direct | tr '\\0' 0")


def test_compare_and_write_decides_by_what_is_there(pair: Pair) -> None:
    _write(pair, _LBA, "a")
    pair.esx.succeed("for l in a b c; do head -c 512 /dev/zero | tr '\\0' $l >/run/$l; done")
    command = f"sg_compare_and_write --lba={_LBA} --num=1"
    pair.esx.succeed(f"{command} --inc=/run/a --inw=/run/b {pair.disk}")
    assert _read(pair, _LBA) == "b" * 512
    # 14 is MISCOMPARE (sg3_utils, EXIT STATUS).
    assert pair.esx.run(f"{command} --inc=/run/a --inw=/run/c {pair.disk}").status == 14
    assert _read(pair, _LBA) == "b" * 512


def test_extended_copy_moves_the_bytes_in_the_server(pair: Pair) -> None:
    _write(pair, _LBA, "x", 128)
    _write(pair, _LBA + 4096, "y", 128)
    pair.esx.succeed(
        f"sg_xcopy if={pair.disk} iflag=xcopy skip={_LBA} of={pair.disk} seek={_LBA + 4096} count=128 bs=512 bpt=128"
    )
    assert _read(pair, _LBA + 4096, 128) == "x" * 512 * 128


def test_write_same_writes_zeros(pair: Pair) -> None:
    _write(pair, _LBA, "z", 64)
    pair.esx.succeed(f"sg_write_same --16 --in=/dev/zero --lba={_LBA} --num=64 --xferlen=512 {pair.disk}")
    assert _read(pair, _LBA, 64) == "0" * 512 * 64


def test_unmap_is_taken(pair: Pair) -> None:
    _write(pair, _LBA, "u", 2048)
    pair.esx.succeed(f"sg_unmap --lba={_LBA} --num=2048 {pair.disk}")
    # LBPRZ is 0: what is read afterwards is not promised. That the range can be written and read again is.
    _write(pair, _LBA, "v", 8)
    assert _read(pair, _LBA, 8) == "v" * 512 * 8


# Each primitive as one command, to blocks that hold zeros; and the page that tells their limits (SBC-3, 6.5.3).
_ZEROS = "00" * 512
_PLACE = f"{_LBA:016x}"
_COMMANDS: dict[str, dict[str, str | int]] = {
    "write_same": {"cdb": f"9300{_PLACE}000000080000", "out": _ZEROS},
    "ats": {"cdb": f"8900{_PLACE}000000010000", "out": 2 * _ZEROS},
    "unmap": {"cdb": "42000000000000001800", "out": f"0016001000000000{_PLACE}0000080000000000"},
    # Without a list of what to copy it copies nothing.
    "xcopy": {"cdb": "83000000000000000000000000000000"},
    "limits": {"cdb": "1201b0004000", "in": 64},
}


def _ask(pair: Pair) -> tuple[dict[str, str], bytes]:
    """The sense of each primitive's command ("" for GOOD), and the page of limits."""
    commands = [dict(command, device=pair.disk) for command in _COMMANDS.values()]
    printed = pair.esx.succeed("/usr/local/lib/lab/scsi", stdin=json.dumps(commands).encode())
    answers = dict(zip(_COMMANDS, json.loads(printed)))
    page = bytes.fromhex(answers.pop("limits")["data"])
    return {name: answer["sense"] for name, answer in answers.items()}, page


def _parameter(server: Machine, name: str, value: str) -> None:
    change = f"--set-parameter {name} --parameter-value '{value}'" if value else f"--delete-parameter {name}"
    server.succeed(f"crm_resource --resource p_lun1 {change}")


def test_what_is_not_selected_is_off(pair: Pair, active: Machine) -> None:
    place = f"{hand.CONFIGFS}/core/iblock_*/san-lun1-*/attrib"
    all_good = dict.fromkeys(("write_same", "ats", "unmap", "xcopy"), "")
    senses, before = _ask(pair)
    assert senses == all_good
    _parameter(active, "vaai", "none")
    try:
        active.wait_until(f"grep -qx 0 {place}/emulate_tpws", "the LUN has no primitive", 60)
        senses, page = _ask(pair)
        # INVALID COMMAND OPERATION CODE; for WRITE SAME, which has other uses, INVALID FIELD IN CDB.
        assert senses == {"write_same": "05/24/00", "ats": "05/20/00", "unmap": "05/20/00", "xcopy": "05/20/00"}
        assert page[5] == 0, "MAXIMUM COMPARE AND WRITE LENGTH"
        assert not any(page[36:44]), "MAXIMUM WRITE SAME LENGTH"
    finally:
        _parameter(active, "vaai", "")
    active.wait_until(f"grep -qx 1 {place}/emulate_tpws", "the LUN has all primitives again", 60)
    assert _ask(pair) == (all_good, before)
