# SPDX-License-Identifier: GPL-2.0-or-later
"""The text is valid OpenMetrics, whatever the values are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.operate.metrics import openmetrics
from twinsan.operate.metrics import families
from twinsan.operate.metrics.text import COUNTER, GAUGE, UNITS, Family, Samples

SIZE = Family("twinsan_x_bytes", GAUGE, 'A "size"\\\nof x.', "x y")
COUNT = Family("twinsan_y", COUNTER, "A count.")


@given(st.text(), st.text(), st.one_of(st.booleans(), st.integers(-(2**63), 2**63), st.floats()))
def test_what_is_written_is_read(x: str, y: str, value: float) -> None:
    samples = Samples()
    samples.add(SIZE, value, x, y)
    # A line may not hold what splits lines elsewhere.
    (read,) = openmetrics.read(samples.text())["twinsan_x_bytes"].items()
    assert read[0] == (("x", x), ("y", y))
    assert read[1] == pytest.approx(float(value), rel=1e-14) or math.isnan(value)


def test_a_counter_ends_in_total_and_nothing_is_written_of_what_is_unknown() -> None:
    samples = Samples()
    samples.add(COUNT, 5)
    samples.add(SIZE, None, "a", "b")
    assert samples.text() == "# TYPE twinsan_y counter\n# HELP twinsan_y A count.\ntwinsan_y_total 5\n# EOF\n"


def test_the_first_of_two_counts() -> None:
    samples = Samples()
    for value in (1, 2):
        samples.add(SIZE, value, "a", "b")
    assert openmetrics.read(samples.text()) == {"twinsan_x_bytes": {(("x", "a"), ("y", "b")): 1}}


def test_nothing_is_valid() -> None:
    assert openmetrics.read(Samples().text()) == {}


@pytest.mark.parametrize("text", ["", "# EOF", "x 1\n# EOF\n", "# TYPE x gauge\n# HELP x y\nx_total 1\n# EOF\n",
                                  "# TYPE x_bytes gauge\n# HELP x_bytes y\n# EOF\n", "x{a=\"1\" 1\n# EOF\n",
                                  "# TYPE x gauge\n# HELP x y\nx 1\nx 2\n# EOF\n"])  # fmt: skip
def test_the_reader_refuses_what_is_not_valid(text: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        openmetrics.read(text)


def test_the_names_are_as_prometheus_wants_them() -> None:
    names = [family.name for family in families.ALL]
    assert len(names) == len(set(names)) > 50
    for family in families.ALL:
        assert family.name.startswith("twinsan_")
        assert family.help.endswith(".")
        assert not family.name.endswith(("_total", "_info_info", "_count", "_sum"))
        assert family.unit in (*UNITS, "")
        assert set(family.labels) <= {
            "drbd", "error", "initiator", "lun", "on", "peer", "pool", "primitive", "resource", "target", "version",
            "volume", "what",
        }  # fmt: skip
