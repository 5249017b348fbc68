# SPDX-License-Identifier: GPL-2.0-or-later
"""Declared parameters: one declaration feeds parsing, validation, metadata and the man page.

A parameter is a descriptor in the body of an agent's class; reading it from the agent parses the value of the
environment, and raises Misconfigured with the parameter's name where the value is wrong.
"""

from __future__ import annotations

from twinsan.errors import Misconfigured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Protocol

    from twinsan.ocf.environment import Environment

    class Owner(Protocol):
        environment: Environment


# How ::ffff:10.0.5.50 begins: one address with two writings, of which the second hides what it is.
_MAPPED = bytes(10) + b"\xff\xff"

_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
_IQN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-:")
_RESOURCE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-+")
_MONTHS = frozenset(f"{month:02}" for month in range(1, 13))
_TRUE = frozenset(("yes", "true", "1", "on", "y", "t"))
_FALSE = frozenset(("no", "false", "0", "off", "n", "f", ""))


class Parameter:
    """What all kinds of parameters share.

    `unique_group` names a set of parameters whose values together must differ from every other resource's;
    `advertised` is the default's text in the metadata; `secret` values never appear in messages.
    """

    kind = "string"
    # An int keeps "0 is a legal default" apart from "no default".
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
        """The value as given, or the default. Raises Misconfigured where one is required and none is given."""
        given = agent.environment.parameter(self.name)
        if given is None or given == "":
            if self.required:
                raise Misconfigured(f"parameter {self.name} is required and has no value", parameter=self.name)
            return self.default or ""
        if not _PRINTABLE.issuperset(given):
            raise self.wrong(given, "has characters outside printable ASCII")
        return given

    def wrong(self, value: str, why: str) -> Misconfigured:
        """The error for a wrong value."""
        shown = "(secret)" if self.secret else repr(value if len(value) <= 80 else value[:77] + "...")
        # What is typed can be read by everybody: no command for a secret.
        return Misconfigured(f"parameter {self.name} {why}: {shown}", parameter="" if self.secret else self.name)

    def check(self, agent: Owner) -> None:
        """Parse the value; raises Misconfigured where it is wrong."""
        self.__get__(agent)

    def remark(self, agent: Owner) -> str:  # noqa: ARG002
        """What the log should say of a value that is right; "" for nothing."""
        return ""

    def __get__(self, agent: Owner, owner: type | None = None) -> object:
        return self.text(agent)


class Text(Parameter):
    """Printable ASCII."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        return self.text(agent)


class Name(Parameter):
    """The name of something that becomes part of a path or a command: letters, digits and ``_ . - +``."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        value = self.text(agent)
        if not _RESOURCE.issuperset(value):
            raise self.wrong(value, "may hold letters, digits and _ . - + only")
        if value.startswith((".", "-")):
            raise self.wrong(value, "may not start with . or -")
        if len(value) > 128:
            raise self.wrong(value, "is longer than 128 characters")
        return value


class Device(Name):
    """The name of a network device. The label of an address after it, as in ``eth0:1``, is not part of the name."""

    def text(self, agent: Owner) -> str:
        given = super().text(agent)
        return given.partition(":")[0] or given


class Path(Parameter):
    """An absolute path."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        value = self.text(agent)
        if value and not value.startswith("/"):
            raise self.wrong(value, "is not an absolute path")
        if "/../" in value + "/" or "," in value or " " in value:
            raise self.wrong(value, "may not hold /../, a comma or a space")
        if len(value) > 255:
            raise self.wrong(value, "is longer than 255 characters")
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
            raise self.wrong(value, f"is not a whole number from {self.least} to {self.most}")
        return int(value)


class Prefix(Integer):
    """The length of a network's prefix, or an IPv4 netmask such as 255.255.255.0."""

    kind = "string"

    def text(self, agent: Owner) -> str:
        given = super().text(agent)
        if "." not in given or ":" in given:
            return given
        bits = "".join(f"{int(octet):08b}" for octet in _ip(self, given).split("."))
        if "01" in bits:
            raise self.wrong(given, "is no netmask such as 255.255.255.0")
        return str(bits.count("1"))


class Boolean(Parameter):
    """yes or no, in any of the field's spellings."""

    kind = "boolean"

    def __get__(self, agent: Owner, owner: type | None = None) -> bool:
        value = self.text(agent)
        if value.lower() in _TRUE:
            return True
        if value.lower() in _FALSE:
            return False
        raise self.wrong(value, "is neither yes nor no")


class Iqn(Parameter):
    """An iSCSI qualified name (RFC 3720, 3.2.6.3.1), ``eui.`` or ``naa.`` name; kept in lower case as LIO keeps it."""

    characters = _IQN

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        value = self.text(agent)
        return self.parse(value) if value else ""

    def parse(self, value: str) -> str:
        """`value` in lower case. Raises Misconfigured where it is no iSCSI name."""
        name = value.lower()
        if not self.characters.issuperset(name):
            raise self.wrong(
                value, "holds a character that an iSCSI name may not have (letters, digits and . - : only)"
            )
        if len(name) > 223:
            raise self.wrong(value, "is longer than the 223 characters of an iSCSI name")
        if name.startswith("iqn.") and _is_dated(name[4:]):
            return name
        if name.startswith(("eui.", "naa.")) and len(name) in (20, 36) and _is_hexadecimal(name[4:]):
            return name
        raise self.wrong(value, "is no iSCSI name such as iqn.2003-01.org.example:san")


class Iqns(Iqn):
    """The iSCSI names of others, separated by spaces. They may hold an underscore, which the standard does not allow:
    Windows makes its initiator's name of the host's, and the kernel takes it.
    """

    characters = _IQN | {"_"}

    def remark(self, agent: Owner) -> str:
        """That a name holds an underscore."""
        odd = [name for name in self.__get__(agent) if "_" in name]
        return f"parameter {self.name} has {odd[0]}, with an underscore: no iSCSI name, but taken" if odd else ""

    def __get__(self, agent: Owner, owner: type | None = None) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(self.parse(word) for word in self.text(agent).split()))


class Portal:
    """An address and a TCP port that a target listens on; `str` gives the form of configfs, IPv6 in brackets."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Portal) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __repr__(self) -> str:
        return f"Portal({str(self)!r})"


class Portals(Parameter):
    """Portals ``ADDRESS[:PORT]``, IPv6 addresses in brackets, separated by spaces; the port defaults to 3260."""

    def __get__(self, agent: Owner, owner: type | None = None) -> tuple[Portal, ...]:
        return tuple(dict.fromkeys(self._parse(word) for word in self.text(agent).split()))

    def _parse(self, word: str) -> Portal:
        host, port = word, "3260"
        if "," in word:
            raise self.wrong(word, "takes portals that are separated by spaces, not by commas")
        if word.startswith("["):
            host, bracket, rest = word[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                raise self.wrong(word, "is no portal such as [2001:db8::1]:3260")
            port = rest[1:] if rest else port
        elif word.count(":") == 1:
            host, _, port = word.partition(":")
        elif ":" in word:
            raise self.wrong(word, "needs brackets around an IPv6 address, as in [2001:db8::1]:3260")
        if not (port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535):
            raise self.wrong(word, "has no port from 1 to 65535")
        return Portal(_ip(self, host), int(port))


class Address(Parameter):
    """One IPv4 or IPv6 address, in its canonical form."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        return _ip(self, self.text(agent))


class Words(Parameter):
    """Words of a fixed set, separated by spaces; ``none`` for none of them, as an empty value is the default."""

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
                raise self.wrong(word, f"takes {' '.join(self.known)}, or none alone")
        return tuple(dict.fromkeys(words))


class Pairs(Parameter):
    """``name=value`` words, separated by spaces."""

    def __get__(self, agent: Owner, owner: type | None = None) -> dict[str, str]:
        return dict(self._pairs(self.text(agent)))

    def _pairs(self, text: str) -> Iterator[tuple[str, str]]:
        for word in text.split():
            name, equals, value = word.partition("=")
            if not (equals and name and value) or not _RESOURCE.issuperset(name) or name.startswith("."):
                raise self.wrong(word, "takes words of the form name=value")
            yield name, value


def _ip(parameter: Parameter, text: str) -> str:
    """An address in its canonical form."""
    # Half of the agents have no address. The module `ipaddress` would be a fifth of what a monitor imports, and
    # `socket` no less; its C half has what is needed.
    import _socket

    try:
        family = _socket.AF_INET6 if ":" in text else _socket.AF_INET
        packed = _socket.inet_pton(family, text)
    except (OSError, ValueError):
        raise parameter.wrong(text, "is no IPv4 or IPv6 address") from None
    if packed.startswith(_MAPPED):
        raise parameter.wrong(text, "is an IPv4 address in the writing of IPv6; write it as IPv4")
    return _socket.inet_ntop(family, packed)


def _is_dated(rest: str) -> bool:
    """Whether an iqn goes on with ``yyyy-mm.`` and a name."""
    year, month, name = rest[:4], rest[5:7], rest[8:]
    return year.isdecimal() and rest[4:5] == "-" and month in _MONTHS and rest[7:8] == "." and bool(name)


def _is_hexadecimal(text: str) -> bool:
    return frozenset("0123456789abcdef").issuperset(text)
