# SPDX-License-Identifier: GPL-2.0-or-later
"""Messages through a pipe: each has a kind, one byte, and a length, so that one that is cut off can be told."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH_BYTES = 4
_HEAD_BYTES = _LENGTH_BYTES + 1


class Report:
    """What a child of ``child.side_by_side`` has sent: its `pieces`, and the `failure` that ended it early, None if it
    has finished.
    """

    __slots__ = ("failure", "pieces")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.failure: Exception | None = None


def send(descriptor: int, kind: bytes, text: bytes) -> None:
    """Write a message to a pipe. Raises BrokenPipeError if nobody reads it any more."""
    left = len(text).to_bytes(_LENGTH_BYTES, "big") + kind + text
    while left:
        left = left[os.write(descriptor, left) :]


def whole(received: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, text) for each message of what was received, but not for a last one that is cut off."""
    at = 0
    while at + _HEAD_BYTES <= len(received):
        begin = at + _HEAD_BYTES
        end = begin + int.from_bytes(received[at : at + _LENGTH_BYTES], "big")
        if end > len(received):
            return
        yield received[at + _LENGTH_BYTES : begin], received[begin:end]
        at = end
