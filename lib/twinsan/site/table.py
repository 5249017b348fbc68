# SPDX-License-Identifier: GPL-2.0-or-later
"""A table of a site file, read key by key. A wrong value is noted as a mistake, and a harmless one takes its place, so
that all mistakes of a file are found at once.
"""

from __future__ import annotations

import ipaddress
import re

from twinsan.errors import Misconfigured, Reason
from twinsan.site import declarations
from twinsan.site.wording import kind_of, nearest, network_of, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.site.mistakes import Mistakes
    from twinsan.site.model import Network
    from twinsan.site.places import Path

UNKNOWN_KEY = Reason(Misconfigured, "there is no such key", "{known}")
MISSING_KEY = Reason(Misconfigured, "{key} is missing", "write, for example: {example}")
EMPTY = Reason(Misconfigured, "this is empty", "write, for example: {example}")
WRONG_TYPE = Reason(Misconfigured, "this is {found} and not {wanted}", "write, for example: {example}")
OUT_OF_RANGE = Reason(Misconfigured, "{value} is out of range", "give a number from {least} to {most}")
NO_CHOICE = Reason(Misconfigured, "{value} is none of the possible values", "choose {choices}")
BAD_CHARACTERS = Reason(
    Misconfigured,
    "{value} has a character that not every file can hold",
    "use printable ASCII without quotes, backslash, backquote and $",
)
BAD_NAME = Reason(Misconfigured, "{value} is no {what}", "use {allowed}")
NO_ADDRESS = Reason(Misconfigured, "{value} is no IP address", "write it as 10.0.5.2 or as 2001:db8::2")
NO_PATH = Reason(Misconfigured, "{value} is no path that twinsan takes", "write it absolutely, as /dev/sdb")
NO_NETWORK = Reason(Misconfigured, "{value} is no network", "write its first address and the prefix length: {example}")
WRONG_VALUE = Reason(Misconfigured, "{text}", "see: man ocf_twinsan_{agent}")
SECRET = Reason(
    Misconfigured,
    "a secret may not stand in a site file, which others read and copy",
    "{remedy}",
)
ELSEWHERE = "put it into a file that only root can read and name that, or into the cluster (crm resource secret)"

# What Pacemaker has in its configuration in place of a secret that is kept in files.
CIB_SECRET = "lrm://"  # noqa: S105  the word for a secret, and none

_SAFE = re.compile(r"[ !#%&()*+,./0-9:;<=>?@A-Z\[\]^_a-z{|}~-]*")
_SECRET_WORDS = re.compile(r"passw(or)?d|passphrase|secret|credential", re.IGNORECASE)


class Table:
    """A table at `path` of the site file. `value` should be a dict; anything else is noted as a mistake."""

    def __init__(self, value: object, path: Path, found: Mistakes) -> None:
        self.path = path
        self.mistakes = found
        self._known: list[str] = []
        self._value: dict[str, object] = {}
        if isinstance(value, dict):
            self._value = value
        else:
            self.mistakes.add(path, WRONG_TYPE, found=kind_of(value), wanted="a table", example="{ key = value }")

    def has(self, key: str) -> bool:
        """Whether the table has a key."""
        return key in self._value

    def is_table(self, key: str) -> bool:
        """Whether the value at a key is a table."""
        return isinstance(self._value.get(key), dict)

    def text(self, key: str, *, example: str, default: str | None = None) -> str:
        """Return a text; the default, or "" if there is none, for a wrong one. Without a default the key is needed."""
        if not self._present(key, example, needed=default is None):
            return default or ""
        value, path = self._value[key], (*self.path, key)
        if value == "" and default is None:
            self.mistakes.add(path, EMPTY, example=example)
        return self._text(value, path, example)

    def prose(self, key: str) -> str:
        """Return a text of any characters that XML and a comment can hold, in several lines; "" if there is none."""
        if not self._present(key, "", needed=False):
            return ""
        value, path = self._value[key], (*self.path, key)
        if not isinstance(value, str):
            self.mistakes.add(path, WRONG_TYPE, found=kind_of(value), wanted="a text", example=f'{key} = "Our SAN"')
        elif not value.replace("\n", "").isprintable() or not value.isascii() or "--" in value or len(value) > 4000:
            allowed = "at most 4000 characters of printable ASCII, and no two hyphens in a row"
            self.mistakes.add(path, BAD_NAME, value="this text", what="text for a comment", allowed=allowed)
        else:
            return value.strip().rstrip("-")
        return ""

    def name(self, key: str, form: str, *, what: str, allowed: str, example: str, default: str | None = None) -> str:
        """Return a text that fits the expression `form` as a whole."""
        value = self.text(key, example=example, default=default)
        if value and not re.fullmatch(form, value, re.ASCII):
            self.mistakes.add((*self.path, key), BAD_NAME, value=quoted(value), what=what, allowed=allowed)
            return default or ""
        return value

    def name_of_key(self, key: str, form: str, *, what: str, allowed: str) -> None:
        """Note a mistake where a key does not fit the expression `form` as a whole."""
        if not re.fullmatch(form, key, re.ASCII):
            self.mistakes.add((*self.path, key), BAD_NAME, value=quoted(key), what=what, allowed=allowed)

    def device(self, key: str, *, example: str, default: str | None = None) -> str:
        """Return the absolute path of a device or a file."""
        return self.checked_path(self.text(key, example=f"{key} = {example}", default=default), (*self.path, key))

    def checked_path(self, text: str, path: Path) -> str:
        """Return `text` if it is an absolute path without spaces and dots that lead elsewhere; "" otherwise."""
        if not text or (
            re.fullmatch(r"(/[A-Za-z0-9_.:+@%=-]+)+", text) and "/../" not in f"{text}/" and len(text) < 256
        ):
            return text
        self.mistakes.add(path, NO_PATH, value=quoted(text))
        return ""

    def secret(self, key: str) -> str:
        """Return a secret that the cluster keeps, which only its own word may stand for; "" if there is none."""
        self._known.append(key)
        if not self.has(key):
            return ""
        if self._value[key] != CIB_SECRET:
            self.mistakes.add((*self.path, key), SECRET, remedy=ELSEWHERE)
        return CIB_SECRET

    def number(self, key: str, least: int, most: int, *, default: int | None = None) -> int:
        """Return a whole number; the default, or `least` if there is none, for a wrong one."""
        fallback = least if default is None else default
        if not self._present(key, f"{key} = {fallback}", needed=default is None):
            return fallback
        value, path = self._value[key], (*self.path, key)
        if not isinstance(value, int) or isinstance(value, bool):
            self.mistakes.add(path, WRONG_TYPE, found=kind_of(value), wanted="a number", example=f"{key} = {fallback}")
        elif not least <= value <= most:
            self.mistakes.add(path, OUT_OF_RANGE, value=quoted(value), least=least, most=most)
        else:
            return value
        return fallback

    def truth(self, key: str) -> bool:
        """Return true or false; false for a wrong value or none."""
        value = self._value.get(key, False)
        self._known.append(key)
        if not isinstance(value, bool):
            example = f"{key} = true"
            self.mistakes.add(
                (*self.path, key), WRONG_TYPE, found=kind_of(value), wanted="true or false", example=example
            )
        return value is True

    def choice(self, key: str, choices: tuple[str, ...], default: str) -> str:
        """Return one of `choices`; the default for a wrong one or none."""
        value = self.text(key, example=f'{key} = "{default}"', default=default)
        if value in (*choices, default):
            return value
        if value:
            self.mistakes.add((*self.path, key), NO_CHOICE, value=quoted(value), choices=" or ".join(choices))
        return default

    def paths(self, key: str, *, example: str) -> list[str]:
        """Return a list of absolute paths; wrong ones are left out."""
        listed = self._list(key, example, needed=True)
        found = [self.checked_path(self._text(value, path, example), path) for path, value in listed]
        return [path for path in found if path]

    def address(self, key: str, *, example: str, default: str | None = None) -> str:
        """Return an IP address in its usual form."""
        return self._address(self.text(key, example=example, default=default), (*self.path, key))

    def addresses(self, key: str, *, example: str) -> tuple[str, ...]:
        """Return a list of IP addresses; wrong ones are left out."""
        listed = ((path, self._text(value, path, example)) for path, value in self._list(key, example, needed=True))
        return tuple(address for path, text in listed for address in [self._address(text, path)] if address)

    def networks(self, key: str, *, example: str) -> dict[str, Network]:
        """Return a table of networks, by their names."""
        inner = self.table(key, example=example)
        found = {}
        for name in inner.names():
            value = inner.text(name, example=example)
            try:
                found[name] = ipaddress.ip_network(value)
            except ValueError:
                if value:
                    self.mistakes.add((*inner.path, name), NO_NETWORK, value=quoted(value), example=network_of(value))
        return found

    def names(self) -> list[str]:
        """Return all keys of the table, in the order of the file."""
        return list(self._value)

    def table(self, key: str, *, example: str, needed: bool = True) -> Table:
        """Return the table at a key; an empty one for a wrong one or none."""
        value = self._value[key] if self._present(key, example, needed=needed) else {}
        return Table(value, (*self.path, key), self.mistakes)

    def tables(self, key: str, *, example: str) -> list[Table]:
        """Return the tables of an array of tables."""
        return [Table(value, path, self.mistakes) for path, value in self._list(key, example, needed=True)]

    def parameters(self, agent: str, *, without: tuple[str, ...] = ()) -> dict[str, str]:
        """Return the parameters of an agent that the table has, checked by the agent's own declarations. `without` are
        those that have another source.
        """
        declared = declarations.parameters(agent)
        for key in declared:
            if key not in without:
                self._known.append(key)
        names = [key for key in self._value if key in declared and key not in without]
        return {key: value for key in names for value in [self._parameter(agent, key)] if value}

    def finish(self) -> None:
        """Note the keys that nobody has asked for."""
        for key in self._value:
            if key in self._known:
                continue
            if _SECRET_WORDS.search(key) and not key.endswith(("_file", "_script")):
                self.mistakes.add((*self.path, key), SECRET, remedy=ELSEWHERE)
            else:
                self.mistakes.add((*self.path, key), UNKNOWN_KEY, known=nearest(key, self._known))

    def _parameter(self, agent: str, key: str) -> str:
        value, path = self._value[key], (*self.path, key)
        if declarations.parameters(agent)[key].secret:
            if value != CIB_SECRET:
                self.mistakes.add(
                    path, SECRET, remedy=f"name a file: {key}_file; or write {CIB_SECRET} and set it later"
                )
            return CIB_SECRET
        text = self._parameter_text(value, path)
        fault = declarations.fault(agent, key, text) if text else ""
        if fault:
            self.mistakes.add(path, WRONG_VALUE, text=fault, agent=agent)
        return "" if fault else text

    def _parameter_text(self, value: object, path: Path) -> str:
        """A value as the agents write it: yes and no, numbers, and words separated by spaces."""
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, int):
            return quoted(value)
        if isinstance(value, list):
            return " ".join(self._text(each, (*path, number), '"text"') for number, each in enumerate(value))
        return self._text(value, path, f'{path[-1]} = "text"')

    def _present(self, key: str, example: str, *, needed: bool) -> bool:
        self._known.append(key)
        if key not in self._value and needed:
            self.mistakes.add((*self.path, key), MISSING_KEY, key=key, example=example)
        return key in self._value

    def _list(self, key: str, example: str, *, needed: bool) -> Iterator[tuple[Path, object]]:
        value = self._value[key] if self._present(key, example, needed=needed) else []
        path = (*self.path, key)
        if value == [] and needed:
            self.mistakes.add(path, EMPTY, example=example)
        if isinstance(value, list):
            yield from (((*path, number), each) for number, each in enumerate(value))
        else:
            self.mistakes.add(path, WRONG_TYPE, found=kind_of(value), wanted="a list", example=example)

    def _text(self, value: object, path: Path, example: str) -> str:
        if not isinstance(value, str):
            self.mistakes.add(path, WRONG_TYPE, found=kind_of(value), wanted="a text", example=example)
        elif not _SAFE.fullmatch(value):
            self.mistakes.add(path, BAD_CHARACTERS, value=quoted(value))
        else:
            return value
        return ""

    def _address(self, text: str, path: Path) -> str:
        try:
            if "%" not in text:
                return str(ipaddress.ip_address(text)) if text else ""
        except ValueError:
            pass
        self.mistakes.add(path, NO_ADDRESS, value=quoted(text))
        return ""
