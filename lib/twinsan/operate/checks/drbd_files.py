# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD's configuration as its files have it: read here, because a version of drbdadm reads only its own kind of file,
and prints the secret.
"""

from __future__ import annotations

import glob
import os
import re

from twinsan.host import kernel_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAIN = "/etc/drbd.conf"

_TOKEN = re.compile(r'\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|([{};])|([^\s{};"#]+)')

# Sections whose options hold for a whole resource, a volume or a connection.
_OF_OPTIONS = ("net", "disk", "options", "handlers", "startup", "syncer")
_DEEPEST = 8
_MOST_FILES = 200

# What is told of a secret instead of it.
SET, OF_MANUALS = "set", "of manuals"
_KNOWN = frozenset(("secret", "foofunfactory", "make your own", "password", "drbd", "test", "my-secret", "egdcdabb"))


class Statement:
    """A statement: its words, and what stands in its braces; None if it has none."""

    __slots__ = ("inner", "words")

    def __init__(self, words: list[str], inner: list[Statement] | None) -> None:
        self.words = words
        self.inner = inner

    def sections(self, name: str) -> list[Statement]:
        """The sections of a name in it."""
        return [each for each in self.inner or () if each.words[:1] == [name] and each.inner is not None]


def parse(text: str) -> list[Statement]:
    """Return the statements of a file. What cannot be understood is left out."""
    return _statements(_tokens(text), 0)


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in _TOKEN.finditer(text):
        if match[2]:
            yield match[2], ""
        elif match[1] is not None or match[3]:
            yield "", match[1] if match[1] is not None else match[3]


def _statements(tokens: Iterator[tuple[str, str]], depth: int) -> list[Statement]:
    found: list[Statement] = []
    words: list[str] = []
    for mark, word in tokens:
        if mark == "{" and depth == _DEEPEST:
            _skip(tokens)
            words = []
        elif mark == "{":
            found.append(Statement(words, _statements(tokens, depth + 1)))
            words = []
        elif mark == "}":
            return found
        elif mark == ";":
            if words:
                found.append(Statement(words, None))
            words = []
        else:
            words.append(word)
    return found


def _skip(tokens: Iterator[tuple[str, str]]) -> None:
    """Leave out what stands in braces that are nested more deeply than DRBD has them."""
    depth = 1
    for mark, _ in tokens:
        depth += {"{": 1, "}": -1}.get(mark, 0)
        if not depth:
            return


def read(root: str = "") -> tuple[list[Statement], list[str]]:
    """Return the statements of all files, and the files that they are in. `root` is where the file system begins."""
    found: list[Statement] = []
    files: list[str] = []
    waiting = [MAIN]
    while waiting and len(files) < _MOST_FILES:
        path = waiting.pop(0)
        text = kernel_files.text(root + path)
        if path in files or not text:
            continue
        files.append(path)
        for statement in parse(text):
            if statement.words[:1] == ["include"] and len(statement.words) == 2:
                pattern = os.path.join(os.path.dirname(path), statement.words[1])
                waiting += sorted(each[len(root) :] for each in glob.glob(root + pattern))
            else:
                found.append(statement)
    return found, files


def resources(statements: list[Statement]) -> dict[str, Any]:
    """Return what is known of each resource, by name, for the other node as well: without its secret."""
    common = [each for each in statements if each.words[:1] == ["common"]]
    return {
        each.words[1]: _resource(each, common)
        for each in statements
        if each.words[:1] == ["resource"] and len(each.words) > 1 and each.inner is not None
    }


def _resource(resource: Statement, common: list[Statement]) -> dict[str, Any]:
    options: dict[str, str] = {}
    connections = resource.sections("connection")
    for holder in (*common, resource, *resource.sections("volume"), *connections):
        options.update(_options(holder))
    if "net.shared-secret" in options:
        known = options["net.shared-secret"].lower() in _KNOWN
        options["net.shared-secret"] = OF_MANUALS if known else SET
    hosts: dict[str, dict[str, str]] = {}
    volumes: dict[str, dict[str, dict[str, str]]] = {}
    for host in resource.sections("on"):
        for name in host.words[1:]:
            hosts[name] = _values(host)
    for place, host in (("", resource), *((each.words[-1], each) for each in resource.sections("on"))):
        for volume in (host, *host.sections("volume")):
            number = volume.words[1] if volume is not host and len(volume.words) > 1 else "0"
            values = {key: value for key, value in _values(volume).items() if key in ("device", "disk", "meta-disk")}
            for key, value in values.items():
                volumes.setdefault(number, {}).setdefault(key, {})[place] = value.split()[0] if value else ""
    return {"options": options, "hosts": hosts, "volumes": volumes, "connections": len(connections)}


def _options(holder: Statement) -> dict[str, str]:
    found = {}
    for statement in holder.inner or ():
        name = statement.words[0] if statement.words else ""
        if name == "protocol" and len(statement.words) > 1:
            found["net.protocol"] = statement.words[1]
        elif name in _OF_OPTIONS and statement.inner is not None:
            found.update({f"{name}.{key}": value for key, value in _values(statement).items()})
            if name == "syncer":
                found["syncer"] = "yes"
    return found


def _values(holder: Statement) -> dict[str, str]:
    """The options of a section; one without a value says yes."""
    inner = [each for each in holder.inner or () if each.inner is None and each.words]
    return {each.words[0]: " ".join(each.words[1:]) or "yes" for each in inner}
