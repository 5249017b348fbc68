# SPDX-License-Identifier: GPL-2.0-or-later
"""Records: made whole or not at all, never changed, equal by their values."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from twinsan.operate.facts.fact import as_json, replace
from twinsan.operate.facts.shape import NotSeen, Told

RECORD = NotSeen("DRBD", "it hangs")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((), {}),
        (("DRBD",), {}),
        (("DRBD", "it hangs", "more"), {}),
        (("DRBD",), {"what": "DRBD"}),
        (("DRBD", "it hangs"), {"because": "it hangs"}),
        (("DRBD", "it hangs"), {"other": 1}),
    ],
)
def test_it_takes_one_value_for_each_field(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="NotSeen takes one value for each of: what, because"):
        NotSeen(*values, **named)


def test_it_does_not_change() -> None:
    with pytest.raises(AttributeError):
        RECORD.what = "LIO"  # type: ignore[misc]
    changed = replace(RECORD, what="LIO")
    assert (changed, RECORD) == (NotSeen("LIO", "it hangs"), NotSeen("DRBD", because="it hangs"))
    with pytest.raises(TypeError):
        replace(RECORD, other=1)


def test_it_is_equal_to_one_of_its_class_with_its_values() -> None:
    assert NotSeen(because="it hangs", what="DRBD") == RECORD
    assert hash(NotSeen(because="it hangs", what="DRBD")) == hash(RECORD)
    assert RECORD not in (NotSeen("DRBD", "other"), Told("DRBD", {}, {}), None)
    assert pickle.loads(pickle.dumps(RECORD)) == RECORD
    assert repr(RECORD) == "NotSeen(what='DRBD', because='it hangs')"
    assert as_json((RECORD,)) == [{"what": "DRBD", "because": "it hangs"}]
