# SPDX-License-Identifier: GPL-2.0-or-later
"""Declared parameters: one declaration feeds parsing, validation, metadata and the man page.

A parameter is a descriptor in the body of an agent's class. Reading the attribute parses the value in the environment,
and raises Misconfigured with the parameter's name if the value is wrong. The kinds for names and addresses in a network
are in ``network_parameter``.
"""

from __future__ import annotations

from twinsan.errors import Misconfigured, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from twinsan.ocf.environment import Environment

    class Owner(Protocol):
        environment: Environment


_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+")
_TRUE = frozenset(("yes", "true", "1", "on", "y", "t"))
_FALSE = frozenset(("no", "false", "0", "off", "n", "f", ""))

# How many characters of a wrong value are quoted.
_LONGEST_QUOTED = 80

REQUIRED = Reason(Misconfigured, "parameter {parameter} is required and has no value")
NOT_PRINTABLE = Reason(Misconfigured, "parameter {parameter} has characters outside printable ASCII: {value}")
NO_NAME = Reason(Misconfigured, "parameter {parameter} may hold letters, digits and _ . - + only: {value}")
BAD_FIRST_CHARACTER = Reason(Misconfigured, "parameter {parameter} may not start with . or -: {value}")
TOO_LONG = Reason(Misconfigured, "parameter {parameter} is longer than {most} characters: {value}")
NO_ABSOLUTE_PATH = Reason(Misconfigured, "parameter {parameter} is not an absolute path: {value}")
BAD_PATH = Reason(Misconfigured, "parameter {parameter} may not hold /../, a comma or a space: {value}")
NO_INTEGER = Reason(Misconfigured, "parameter {parameter} is not a whole number from {least} to {most}: {value}")
NO_BOOLEAN = Reason(Misconfigured, "parameter {parameter} is neither yes nor no: {value}")
UNKNOWN_WORD = Reason(Misconfigured, "parameter {parameter} takes {words}, or none alone: {value}")
NO_PAIR = Reason(Misconfigured, "parameter {parameter} takes words of the form name=value: {value}")


class Parameter:
    """The base of all kinds of parameters.

    `default` is used where the value is empty, and is in the metadata. The values of all parameters with the same
    `unique_group` must together differ from those of every other resource. A `reloadable` one may change while the
    resource runs. A `secret` value never appears in a reason.
    """

    kind = "string"
    # None is no default; "0" and "" are defaults.
    default: str | None = None

    def __init__(
        self,
        shortdesc: str,
        longdesc: str,
        *,
        default: str | None = None,
        required: bool = False,
        unique_group: str = "",
        reloadable: bool = False,
        secret: bool = False,
    ) -> None:
        self.shortdesc = shortdesc
        self.longdesc = longdesc
        self.default = default
        self.required = required
        self.unique_group = unique_group
        self.reloadable = reloadable
        self.secret = secret
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def text(self, agent: Owner) -> str:
        """Return the value as given, or the default where none is given. Raises Misconfigured where one is required and
        none is given, and for characters outside printable ASCII.
        """
        given = agent.environment.parameter(self.name)
        if given is None or given == "":
            if self.required:
                raise REQUIRED(parameter=self.name)
            return self.default or ""
        if not _PRINTABLE.issuperset(given):
            raise self.wrong(NOT_PRINTABLE, given)
        return given

    def wrong(self, reason: Reason, value: str, **values: object) -> Misconfigured:
        """Return the error for a wrong `value`. `values` are those of the reason's template, besides ``parameter`` and
        ``value``, which are filled in here.
        """
        quoted = value if len(value) <= _LONGEST_QUOTED else value[: _LONGEST_QUOTED - 3] + "..."
        text = reason.text(parameter=self.name, value="(secret)" if self.secret else repr(quoted), **values)
        # Everybody on the host can read a command line: no command for a secret.
        return Misconfigured(text, parameter="" if self.secret else self.name)

    def check(self, agent: Owner) -> None:
        """Parse the value; raises Misconfigured if it is wrong."""
        self.__get__(agent)

    def remark(self, agent: Owner) -> str:  # noqa: ARG002
        """Return a line for the log about a valid value; "" for none."""
        return ""

    def __get__(self, agent: Owner, owner: type | None = None) -> object:
        return self.text(agent)


class Text(Parameter):
    """Printable ASCII."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        return self.text(agent)


class Name(Parameter):
    """A name that becomes part of a path or a command: at most 128 letters, digits and ``_ . - +``."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        value = self.text(agent)
        if not NAME_CHARACTERS.issuperset(value):
            raise self.wrong(NO_NAME, value)
        if value.startswith((".", "-")):
            raise self.wrong(BAD_FIRST_CHARACTER, value)
        if len(value) > 128:
            raise self.wrong(TOO_LONG, value, most=128)
        return value


class Path(Parameter):
    """An absolute path of at most 255 characters, without ``/../``, comma and space."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        value = self.text(agent)
        if value and not value.startswith("/"):
            raise self.wrong(NO_ABSOLUTE_PATH, value)
        if "/../" in value + "/" or "," in value or " " in value:
            raise self.wrong(BAD_PATH, value)
        if len(value) > 255:
            raise self.wrong(TOO_LONG, value, most=255)
        return value


class Integer(Parameter):
    """A decimal number from `least` to `most`, both allowed."""

    kind = "integer"

    def __init__(
        self,
        shortdesc: str,
        longdesc: str,
        *,
        least: int,
        most: int,
        default: str | None = None,
        required: bool = False,
        unique_group: str = "",
        reloadable: bool = False,
    ) -> None:
        super().__init__(
            shortdesc, longdesc, default=default, required=required, unique_group=unique_group, reloadable=reloadable
        )
        self.least = least
        self.most = most

    def __get__(self, agent: Owner, owner: type | None = None) -> int:
        value = self.text(agent)
        if not (value.isdecimal() and len(value) <= 20 and self.least <= int(value) <= self.most):
            raise self.wrong(NO_INTEGER, value, least=self.least, most=self.most)
        return int(value)


class Boolean(Parameter):
    """yes or no, or true, 1, on, y, t, false, 0, off, n, f in any case. An empty value is no."""

    kind = "boolean"

    def __get__(self, agent: Owner, owner: type | None = None) -> bool:
        value = self.text(agent)
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise self.wrong(NO_BOOLEAN, value)


class Words(Parameter):
    """Words of `known`, separated by spaces. ``none`` means no words, since an empty value means the default."""

    def __init__(
        self, shortdesc: str, longdesc: str, *, known: tuple[str, ...], default: str, reloadable: bool = False
    ) -> None:
        super().__init__(shortdesc, longdesc, default=default, reloadable=reloadable)
        self.known = known

    def __get__(self, agent: Owner, owner: type | None = None) -> tuple[str, ...]:
        words = self.text(agent).split()
        if words == ["none"]:
            return ()
        for word in words:
            if word not in self.known:
                raise self.wrong(UNKNOWN_WORD, word, words=" ".join(self.known))
        return tuple(dict.fromkeys(words))


class Pairs(Parameter):
    """``name=value`` words, separated by spaces."""

    def __get__(self, agent: Owner, owner: type | None = None) -> dict[str, str]:
        return dict(self._pairs(self.text(agent)))

    def _pairs(self, text: str) -> Iterator[tuple[str, str]]:
        for word in text.split():
            name, equals, value = word.partition("=")
            if not (equals and name and value) or not NAME_CHARACTERS.issuperset(name) or name.startswith("."):
                raise self.wrong(NO_PAIR, word)
            yield name, value
