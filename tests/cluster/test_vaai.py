# SPDX-License-Identifier: GPL-2.0-or-later
"""The four primitives that VMware calls VAAI, command by command from the initiator."""

from __future__ import annotations

from lab.pair import Pair

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
