# SPDX-License-Identifier: GPL-2.0-or-later
"""Short lists of names for reasons, because crm_mon shows no more than 128 characters of a reason."""

from __future__ import annotations


def shorten(names: list[str]) -> str:
    """The first of the names, and how many more there are."""
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
