# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of a disk is left for data where DRBD keeps its meta data at the end of it (drbd.conf: meta-disk internal).

At the end are the super block, the activity log before it, and before that a bitmap for each peer: one bit for 4 KiB
of data, in whole blocks of 4 KiB (drbd_nl.c of 8.4: drbd_md_set_sector_offsets).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 4096
_SUPER_BLOCK_AND_LOG = _BLOCK + (32 << 10)
# The data that a block of the bitmap stands for.
_OF_BITMAP_BLOCK = _BLOCK * 8 * _BLOCK

# DRBD 9 has bitmaps for as many peers as create-md was told, at most this many; 8.4 has one.
_MOST_PEERS = 31

# A disk that has grown by less than this counts as one that has not.
_NOTHING = 64 << 10


def most(disk: int, peers: int = 1) -> int:
    """Return how many bytes are left for data on a disk of this size, with bitmaps for so many peers."""
    bitmap = -(-disk // _OF_BITMAP_BLOCK) * _BLOCK
    return max(0, disk // _BLOCK * _BLOCK - peers * bitmap - _SUPER_BLOCK_AND_LOG)


def is_used_up(size: int, disk: int, *, one_peer: bool) -> bool:
    """Whether a device of this size is as large as its disk allows. `one_peer` is for DRBD 8.4; with DRBD 9 nobody says
    how many bitmaps there are, so the size has to be that of any number. All of the disk is data if the meta data is on
    another one.
    """
    return any(abs(size - each) < _NOTHING for each in _sizes(disk, 1 if one_peer else _MOST_PEERS))


def _sizes(disk: int, peers: int) -> Iterator[int]:
    yield disk
    for number in range(1, peers + 1):
        yield most(disk, number)
