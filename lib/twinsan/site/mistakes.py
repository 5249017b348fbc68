# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with a site file: each mistake with its line and its key, and what would be right."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.errors import Reason
    from twinsan.site.places import Path, Places


# The most characters of a value in a message.
_LONGEST = 500


class Mistake:
    """A mistake in line `line`, at the key `key`: `what` is wrong, and `remedy` says what would be right."""

    __slots__ = ("key", "line", "remedy", "what")

    def __init__(self, line: int, key: str, what: str, remedy: str) -> None:
        self.line = line
        self.key = key
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        told = f"{self.what}; {self.remedy}" if self.remedy else self.what
        return f"{self.key}: {told}" if self.key else told


class Mistakes:
    """All mistakes of a file, sorted by line."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._found: list[Mistake] = []
        self._wrong: set[Path] = set()

    def add(self, path: Path, reason: Reason, **values: object) -> None:
        """Add the mistake `reason` at the key `path`, unless one was found there before: it would follow from that.
        `values` fill the reason.
        """
        if path in self._wrong:
            return
        self._wrong.add(path)
        shown = {key: _on_one_line(value) for key, value in values.items()}
        what, remedy = reason.what.format(**shown), reason.remedy.format(**shown)
        self._found.append(Mistake(self._places.line(path), name(path), what, remedy))

    def __iter__(self) -> Iterator[Mistake]:
        return iter(sorted(self._found, key=lambda mistake: mistake.line))

    def __bool__(self) -> bool:
        return bool(self._found)


def name(path: Path) -> str:
    """Return a path as people write it: resources.data0.luns[0].disk."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{_shown(part)}" if text else _shown(part)
    return text


def _on_one_line(value: object) -> object:
    """A value for a message: a text from the file may hold anything, and be long."""
    if not isinstance(value, str):
        return value
    plain = value if value.isascii() and value.isprintable() else ascii(value)[1:-1]
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def _shown(part: str) -> str:
    """A key on one line, with quotes where it needs them."""
    plain = part.replace("-", "").replace("_", "")
    shown = part if plain.isascii() and plain.isalnum() else ascii(part)
    return shown if len(shown) <= 40 else shown[:37] + "..."
