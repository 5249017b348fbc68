# SPDX-License-Identifier: GPL-2.0-or-later
"""Values, keys and comments as TOML has them. No value can break out of its place, whatever it holds."""

from __future__ import annotations

import re

_BARE = re.compile(r"[A-Za-z0-9_-]+")

# The longest line of a list that is not broken.
_WIDTH = 100


def value(given: object) -> str:
    """Return a value as TOML."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, int):
        return str(given)
    if isinstance(given, (list, tuple)):
        return _listed([value(each) for each in given])
    if isinstance(given, dict):
        return "{ " + ", ".join(f"{key(name)} = {value(each)}" for name, each in given.items()) + " }"
    return _quoted(str(given))


def key(name: str) -> str:
    """Return a key as TOML, with quotes where it needs them."""
    return name if _BARE.fullmatch(name) else _quoted(name)


def comment(text: str) -> str:
    """Return a comment, on one line."""
    return "# " + "".join(each if " " <= each <= "~" else "?" for each in text)


def _listed(parts: list[str]) -> str:
    line = f"[{', '.join(parts)}]"
    return line if len(line) <= _WIDTH else "[\n" + "".join(f"    {part},\n" for part in parts) + "]"


def _quoted(text: str) -> str:
    return '"' + "".join(_escaped(each) for each in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if " " <= character <= "~":
        return character
    number = ord(character)
    # A half of a pair, as JSON may have it, is no character.
    number = 0xFFFD if 0xD800 <= number <= 0xDFFF else number
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
