# SPDX-License-Identifier: GPL-2.0-or-later
"""The settings in a file of DRBD, corosync or SBD, without comments and order, to compare two files."""

from __future__ import annotations

import re

from twinsan.site.draft import HIDDEN, Change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Who sets it, sets it himself.
SECRET = "shared-secret"  # noqa: S105  the name of a setting

# Corosync's key, for a cluster without the file authkey.
_KEY = "totem / key"

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{};]|[^\s{};"#]+|#[^\n]*')


def of_drbd(text: str) -> dict[str, str]:
    """Return the settings of a file of DRBD: "resource san / volume 0 / device" has "/dev/drbd0". The secret is not
    among them.
    """
    found: dict[str, str] = {}
    path: list[str] = []
    words: list[str] = []
    for word in _TOKEN.findall(text):
        if word.startswith("#"):
            continue
        if word == "{":
            path.append(" ".join(words))
            found[" / ".join(path)] = ""
        elif word == "}":
            del path[-1:]
        elif word == ";" and words and SECRET not in words:
            found[" / ".join([*path, words[0]])] = " ".join(words[1:])
        if word in "{};":
            words = []
        else:
            words.append(word.strip('"'))
    return found


def of_corosync(text: str) -> dict[str, str]:
    """Return the settings of corosync.conf: "totem / token" has "3000". Sections of one name are numbered. A key is
    not shown.
    """
    found: dict[str, str] = {}
    path: list[str] = []
    numbers: dict[str, int] = {}
    for line in _lines(text):
        if line.endswith("{"):
            name = " / ".join([*path, line[:-1].strip()])
            numbers[name] = numbers.get(name, 0) + 1
            path.append(
                line[:-1].strip() + (f" {numbers[name]}" if line.startswith("node ") or numbers[name] > 1 else "")
            )
        elif line == "}":
            del path[-1:]
        else:
            key, _, value = line.partition(":")
            name = " / ".join([*path, key.strip()])
            found[name] = HIDDEN if name == _KEY else value.strip()
    return found


def of_sbd(text: str) -> dict[str, str]:
    """Return the settings of SBD: SBD_WATCHDOG_TIMEOUT has "5"."""
    pairs = (line.partition("=") for line in _lines(text))
    return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}


def differences(place: str, present: str, wanted: str, read: Callable[[str], dict[str, str]]) -> list[Change]:
    """Return what differs in the file `place`, by the function that reads its settings."""
    old, new = read(present), read(wanted)
    return [Change(place, key, old.get(key), new.get(key)) for key in {**old, **new} if old.get(key) != new.get(key)]


def secret(text: str) -> str:
    """Return the secret in a file of DRBD, as it is written there; "" if there is none."""
    found = re.search(rf'^\s*{SECRET}\s+("[^"\n]*"|[^\s;"#]+)\s*;', text, re.MULTILINE)
    return found[1] if found else ""


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        plain = line.strip()
        if plain and not plain.startswith("#"):
            yield plain
