# SPDX-License-Identifier: GPL-2.0-or-later
"""Kinds of parameters that name something in a network: addresses, portals, network devices and iSCSI names."""

from __future__ import annotations

from twinsan.errors import Misconfigured, Reason
from twinsan.ocf.parameter import Integer, Name, Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.ocf.parameter import Owner

# The first bytes of ::ffff:10.0.5.50: a second notation of an IPv4 address, which hides that it is one.
_MAPPED = bytes(10) + b"\xff\xff"

_IQN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-:")
_MONTHS = frozenset(f"{month:02}" for month in range(1, 13))

# IANA's port of iSCSI targets.
_DEFAULT_PORT = "3260"

NO_NETMASK = Reason(Misconfigured, "parameter {parameter} is no netmask such as 255.255.255.0: {value}")
NO_ADDRESS = Reason(Misconfigured, "parameter {parameter} is no IPv4 or IPv6 address: {value}")
MAPPED_ADDRESS = Reason(
    Misconfigured, "parameter {parameter} is an IPv4 address in the writing of IPv6", "write it as IPv4: {value}"
)
COMMAS = Reason(
    Misconfigured, "parameter {parameter} takes portals that are separated by spaces, not by commas: {value}"
)
NO_PORTAL = Reason(Misconfigured, "parameter {parameter} is no portal such as [2001:db8::1]:3260: {value}")
NO_BRACKETS = Reason(
    Misconfigured,
    "parameter {parameter} needs brackets around an IPv6 address, as in [2001:db8::1]:3260: {value}",
)
NO_PORT = Reason(Misconfigured, "parameter {parameter} has no port from 1 to 65535: {value}")
BAD_CHARACTER = Reason(
    Misconfigured,
    "parameter {parameter} holds a character that an iSCSI name may not have (letters, digits and . - : only): {value}",
)
TOO_LONG = Reason(Misconfigured, "parameter {parameter} is longer than the 223 characters of an iSCSI name: {value}")
NO_ISCSI_NAME = Reason(
    Misconfigured, "parameter {parameter} is no iSCSI name such as iqn.2003-01.org.example:san: {value}"
)


class Device(Name):
    """The name of a network device. An address label after it, as in ``eth0:1``, is cut off."""

    def text(self, agent: Owner) -> str:
        given = super().text(agent)
        return given.partition(":")[0] or given


class Prefix(Integer):
    """A prefix length, or an IPv4 netmask such as 255.255.255.0."""

    kind = "string"

    def text(self, agent: Owner) -> str:
        given = super().text(agent)
        if "." not in given or ":" in given:
            return given
        bits = "".join(f"{int(octet):08b}" for octet in _canonical(self, given).split("."))
        if "01" in bits:
            raise self.wrong(NO_NETMASK, given)
        return str(bits.count("1"))


class Iqn(Parameter):
    """An iSCSI qualified name (RFC 3720, 3.2.6.3.1), ``eui.`` or ``naa.`` name; kept in lower case as LIO keeps it."""

    characters = _IQN

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        value = self.text(agent)
        return self.parse(value) if value else ""

    def parse(self, value: str) -> str:
        """Return `value` in lower case. Raises Misconfigured where it is no iSCSI name."""
        name = value.lower()
        if not self.characters.issuperset(name):
            raise self.wrong(BAD_CHARACTER, value)
        if len(name) > 223:
            raise self.wrong(TOO_LONG, value)
        if name.startswith("iqn.") and _is_dated(name[4:]):
            return name
        if name.startswith(("eui.", "naa.")) and len(name) in (20, 36) and _is_hexadecimal(name[4:]):
            return name
        raise self.wrong(NO_ISCSI_NAME, value)


class Iqns(Iqn):
    """iSCSI names of initiators, separated by spaces. They may hold an underscore, which the standard does not allow:
    Windows derives its initiator's name from the host's, and the kernel accepts it.
    """

    characters = _IQN | {"_"}

    def remark(self, agent: Owner) -> str:
        """Return a line for the log about the first name with an underscore; "" where none has one."""
        odd = [name for name in self.__get__(agent) if "_" in name]
        return f"parameter {self.name} has {odd[0]}, with an underscore: no iSCSI name, but taken" if odd else ""

    def __get__(self, agent: Owner, owner: type | None = None) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(dict.fromkeys(self.parse(word) for word in self.text(agent).split()))


class Portal:
    """An IP address and a TCP port that a target listens on. `str` gives ADDRESS:PORT as configfs has it, an IPv6
    address in brackets.
    """

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
        host, port = word, _DEFAULT_PORT
        if "," in word:
            raise self.wrong(COMMAS, word)
        if word.startswith("["):
            host, bracket, rest = word[1:].partition("]")
            if not bracket or (rest and not rest.startswith(":")):
                raise self.wrong(NO_PORTAL, word)
            port = rest[1:] if rest else port
        elif word.count(":") == 1:
            host, _, port = word.partition(":")
        elif ":" in word:
            raise self.wrong(NO_BRACKETS, word)
        if not (port.isdecimal() and len(port) <= 5 and 1 <= int(port) <= 65535):
            raise self.wrong(NO_PORT, word)
        return Portal(_canonical(self, host), int(port))


class Address(Parameter):
    """One IPv4 or IPv6 address, in its canonical form."""

    def __get__(self, agent: Owner, owner: type | None = None) -> str:
        return _canonical(self, self.text(agent))


def _canonical(parameter: Parameter, text: str) -> str:
    """Return the address `text` in its canonical form. Raises Misconfigured if it is no address."""
    # Half of the agents have no address. The module `ipaddress` would be a fifth of what a monitor imports, and
    # `socket` no less; its C half has what is needed.
    import _socket

    try:
        family = _socket.AF_INET6 if ":" in text else _socket.AF_INET
        packed = _socket.inet_pton(family, text)
    except (OSError, ValueError):
        raise parameter.wrong(NO_ADDRESS, text) from None
    if packed.startswith(_MAPPED):
        raise parameter.wrong(MAPPED_ADDRESS, text)
    return _socket.inet_ntop(family, packed)


def _is_dated(rest: str) -> bool:
    """Whether an iqn goes on with ``yyyy-mm.`` and a name."""
    year, month, name = rest[:4], rest[5:7], rest[8:]
    return year.isdecimal() and rest[4:5] == "-" and month in _MONTHS and rest[7:8] == "." and bool(name)


def _is_hexadecimal(text: str) -> bool:
    return frozenset("0123456789abcdef").issuperset(text)
