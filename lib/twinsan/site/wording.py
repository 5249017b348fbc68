# SPDX-License-Identifier: GPL-2.0-or-later
"""How a mistake words a value or a key that is wrong."""

from __future__ import annotations

import difflib
import ipaddress

_KINDS = {bool: "a truth value", int: "a number", float: "a fraction", str: "a text", list: "a list", dict: "a table"}


def nearest(key: str, known: list[str]) -> str:
    """Return which of the known keys was meant, or all of them."""
    asked = key[:80].lower()
    near = difflib.get_close_matches(asked, known, 3)
    if near:
        best = min(near, key=lambda each: (-_likeness(asked, each), len(each)))
        return f"did you mean {best}?"
    return f"possible here: {' '.join(dict.fromkeys(known))}"


def kind_of(value: object) -> str:
    """Return what a value of TOML is, in words."""
    return _KINDS.get(type(value), "a date or a time")


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def quoted(value: object) -> str:
    """Return a value for a message: on one line, and not too long"""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a number of so many digits"
    shown = str(value) if isinstance(value, int) else ascii(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def network_of(text: str) -> str:
    """Return the network of an address that was written with its prefix length; for other texts an example."""
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return "10.0.5.0/24"
