# SPDX-License-Identifier: GPL-2.0-or-later
"""The lines on which the keys of a TOML file stand: tomllib does not keep them.

The text must be valid TOML: it is only read for its keys, and strings and brackets are skipped as TOML has them.
"""

from __future__ import annotations

import bisect
import re

from twinsan.site.toml import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    Path = tuple[Union[str, int], ...]

# Spaces, and outside of a key also line ends and comments.
_BLANK = re.compile(r"[ \t]*")
_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (
    # The last quotes of a multi-line string may stand before those that close it.
    re.compile(r'"""(?:[^\\]|\\.)*?"""("{0,2})', re.DOTALL),
    re.compile(r"'''.*?'''('{0,2})", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_PLAIN = re.compile(r"[^,\]}#\r\n]*")


class Places:
    """The place of each key, by its path: ("resources", "data0", "luns", 0, "disk")."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._starts = [match.end() for match in re.finditer(r"\n", text)]
        self._lines: dict[Path, int] = {(): 1}
        # The number of the last element of each array of tables.
        self._last: dict[Path, int] = {}
        self._document()

    def line(self, path: Path) -> int:
        """Return the line of a key; that of the table around it if the key does not exist."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def paths(self) -> set[Path]:
        """Return the paths of all keys and elements."""
        return set(self._lines) - {()}

    def _document(self) -> None:
        table: Path = ()
        self._skip(_SPACE)
        while self._at < len(self._text):
            table = self._header() if self._text[self._at] == "[" else self._pair(table)
            self._skip(_SPACE)

    def _header(self) -> Path:
        """Read [table] or [[array of tables]]. Returns the path of the table that begins here."""
        brackets = 2 if self._text.startswith("[[", self._at) else 1
        start, self._at = self._at, self._at + brackets
        table: Path = ()
        parts = self._key()
        for number, part in enumerate(parts, 1):
            table = self._note((*table, part), start)
            if brackets == 2 and number == len(parts):
                self._last[table] = self._last.get(table, -1) + 1
            if table in self._last:
                table = self._note((*table, self._last[table]), start)
        self._at = self._text.index("]", self._at) + brackets
        return table

    def _pair(self, table: Path) -> Path:
        """Read KEY = VALUE. Returns `table`, which it belongs to."""
        start, path = self._at, table
        for part in self._key():
            path = self._note((*path, part), start)
        self._at = self._text.index("=", self._at) + 1
        self._value(path)
        return table

    def _key(self) -> list[str]:
        """Read a key of one or several parts."""
        parts = []
        while True:
            self._skip(_BLANK)
            bare = _BARE.match(self._text, self._at)
            if bare:
                parts.append(bare[0])
                self._at = bare.end()
            else:
                parts.append(str(loads(f"key = {self._string()}")["key"]))
            self._skip(_BLANK)
            if not self._text.startswith(".", self._at):
                return parts
            self._at += 1

    def _string(self) -> str:
        """Read a string in any quotes. Returns it with them, "" if there is none here."""
        for form in _STRINGS:
            match = form.match(self._text, self._at)
            if match:
                self._at = match.end()
                return match[0]
        return ""

    def _value(self, path: Path) -> None:
        self._skip(_BLANK)
        opening = self._text[self._at]
        if opening == "[":
            self._array(path)
        elif opening == "{":
            self._inline_table(path)
        elif not self._string():
            self._skip(_PLAIN)

    def _array(self, path: Path) -> None:
        self._at += 1
        number = 0
        self._skip(_SPACE)
        while self._text[self._at] != "]":
            self._value(self._note((*path, number), self._at))
            number += 1
            self._separator()
        self._at += 1

    def _inline_table(self, path: Path) -> None:
        self._at += 1
        self._skip(_SPACE)
        while self._text[self._at] != "}":
            self._pair(path)
            self._separator()
        self._at += 1

    def _separator(self) -> None:
        """Skip a comma and the space around it."""
        self._skip(_SPACE)
        if self._text[self._at] == ",":
            self._at += 1
            self._skip(_SPACE)

    def _skip(self, what: re.Pattern[str]) -> None:
        match = what.match(self._text, self._at)
        self._at = match.end() if match else self._at

    def _note(self, path: Path, start: int) -> Path:
        """Note that `path` stands at `start`, unless it is known from before. Returns it."""
        self._lines.setdefault(path, bisect.bisect_right(self._starts, start) + 1)
        return path
