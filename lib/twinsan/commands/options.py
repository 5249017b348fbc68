# SPDX-License-Identifier: GPL-2.0-or-later
"""Values of options that several commands take."""

from __future__ import annotations

import argparse


def seconds(text: str) -> float:
    """Return a number of seconds, from 0.1 to 86400. Raises ArgumentTypeError for another text."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0.1 <= number <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0.1 to 86400")
    return number
