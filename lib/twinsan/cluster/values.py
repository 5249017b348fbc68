# SPDX-License-Identifier: GPL-2.0-or-later
"""What the values in the cluster's configuration mean to Pacemaker: yes and no, times, scores, roles."""

from __future__ import annotations

import re

# The score that outweighs all others.
INFINITY = 1_000_000

_TRUE = ("true", "on", "yes", "y", "1")
_FALSE = ("false", "off", "no", "n", "0")
_TIME = re.compile(r"\s*(\d{1,12}(?:\.\d*)?)\s*([a-z]*)\s*", re.ASCII)
_SCALES = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "msec": 0.001, "us": 1e-6, "usec": 1e-6}
_SCALES.update({"m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0})
_ISO_8601 = re.compile(r"p(?:(\d{1,9})d)?t?(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?", re.ASCII)
# Pacemaker before 2.1 has other words for the roles, and later ones know them still.
_ROLES = {"master": "Promoted", "slave": "Unpromoted", "promoted": "Promoted", "unpromoted": "Unpromoted"}


def is_true(text: str | None) -> bool:
    """Whether a value says yes."""
    return (text or "").strip().lower() in _TRUE


def is_false(text: str | None) -> bool:
    """Whether a value says no. One that is not set says neither."""
    return (text or "").strip().lower() in _FALSE


def seconds(text: str) -> float | None:
    """Return a time in seconds: 20, 20s, 500ms, 2min, PT1M30S; None for anything else."""
    word = text.strip().lower()
    plain = _TIME.fullmatch(word)
    if plain and plain[2] in _SCALES:
        return float(plain[1]) * _SCALES[plain[2]]
    parts = _ISO_8601.fullmatch(word)
    if parts and any(parts.groups()):
        return sum(float(number or 0) * unit for number, unit in zip(parts.groups(), (86400, 3600, 60, 1)))
    return None


def score(text: str) -> int:
    """Return a score; 0 for what is none."""
    word = text.strip().lower().lstrip("+")
    if word.lstrip("-") == "infinity":
        return -INFINITY if word.startswith("-") else INFINITY
    number = re.fullmatch(r"-?\d{1,12}", word, re.ASCII)
    return max(-INFINITY, min(INFINITY, int(number[0]))) if number else 0


def role(text: str) -> str:
    """Return the present word for a role."""
    return _ROLES.get(text.lower(), text)
