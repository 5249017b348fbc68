# SPDX-License-Identifier: GPL-2.0-or-later
"""CHAP: by which names and secrets an initiator proves itself to the target, and the target to the initiator.

Secrets never stand in a message, an argument list or a core. They come as values from the caller, or from a file that
root alone can read.
"""

from __future__ import annotations

import os
import stat

from twinsan.errors import Misconfigured, NotHere

# RFC 7143, 12.1.4 asks for 96 bits where no IPsec is used, which takes 12 characters. LIO's fields have 256 bytes with
# the end of the text in them; ESXi takes 255 as well.
_SHORTEST = 12
_LONGEST = 255

# LIO takes a value with this beginning for none.
UNSET = "NULL"

# What ends a line of the file ends an entry of a value.
_SEPARATOR = ";"


class Credentials:
    """What one initiator and the target know of each other; `back` is how the target proves itself, "" for not."""

    __slots__ = ("back_secret", "back_user", "secret", "user")

    def __init__(self, user: str = "", secret: str = "", back_user: str = "", back_secret: str = "") -> None:
        self.user = user
        self.secret = secret
        self.back_user = back_user
        self.back_secret = back_secret

    def __bool__(self) -> bool:
        return bool(self.user)

    def values(self) -> dict[str, str]:
        """The attributes of LIO, each with its value."""
        return {
            "userid": self.user,
            "password": self.secret,
            "userid_mutual": self.back_user,
            "password_mutual": self.back_secret,
        }


NONE = Credentials()


def check(credentials: Credentials, whose: str) -> None:
    """Check the rules of CHAP, LIO and ESXi. Raises Misconfigured, which says whose they are and shows no secret."""
    pairs = (
        (credentials.user, credentials.secret, whose),
        (credentials.back_user, credentials.back_secret, f"{whose}, by which the target proves itself"),
    )
    for user, secret, what in pairs:
        if bool(user) != bool(secret):
            raise Misconfigured(f"CHAP needs both a name and a secret {what}; give the {'secret' if user else 'name'}")
        if user:
            _check_name(user, what)
            _check_secret(secret, what)
    if credentials.back_user and not credentials.user:
        raise Misconfigured(
            f"CHAP {whose}: the target can prove itself only to an initiator that does so first; give both"
        )
    if credentials.secret and credentials.secret == credentials.back_secret:
        raise Misconfigured(
            f"CHAP {whose}: both directions have the same secret, so that it proves nothing (RFC 7143, 9.2.1); "
            "choose another for one of them"
        )


def _check_name(user: str, what: str) -> None:
    if len(user) > _LONGEST:
        raise Misconfigured(f"the CHAP name {what} has {len(user)} characters; LIO keeps {_LONGEST}")
    if user.startswith(UNSET):
        raise Misconfigured(f"the CHAP name {what} starts with {UNSET}, which LIO takes for no name; choose another")
    if not _is_plain(user):
        raise Misconfigured(f"the CHAP name {what} has a blank or a character outside printable ASCII; choose another")


def _check_secret(secret: str, what: str) -> None:
    if secret.startswith("lrm://"):
        raise Misconfigured(
            f"the CHAP secret {what} is a CIB secret that this node does not have; store it: crm resource secret "
            "RESOURCE set PARAMETER (or: cibsecret set RESOURCE PARAMETER SECRET)"
        )
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise Misconfigured(
            f"the CHAP secret {what} has {len(secret)} characters; CHAP takes {_SHORTEST} to {_LONGEST}"
        )
    if secret.startswith(UNSET):
        raise Misconfigured(
            f"the CHAP secret {what} starts with {UNSET}, which LIO takes for no secret; choose another"
        )
    if not _is_plain(secret):
        raise Misconfigured(
            f"the CHAP secret {what} has a blank or a character outside printable ASCII; choose another"
        )


def _is_plain(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def suits_esxi(credentials: Credentials) -> bool:
    """Whether ESXi's documentation allows the secrets: letters and digits (vSphere Storage, "Set Up CHAP")."""
    return all(not secret or secret.isalnum() for secret in (credentials.secret, credentials.back_secret))


def parse(text: str, where: str) -> dict[str, Credentials]:
    """Credentials by initiators, from entries ``INITIATOR NAME SECRET [NAME SECRET]`` that line ends or ; separate.

    Raises Misconfigured, with the number of the entry, which is all that can be shown of it.
    """
    found: dict[str, Credentials] = {}
    for number, entry in enumerate(text.replace("\n", _SEPARATOR).split(_SEPARATOR), start=1):
        words = entry.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) not in (3, 5):
            raise Misconfigured(
                f"entry {number} of {where} has {len(words)} words instead of INITIATOR NAME SECRET, with NAME SECRET "
                "of the target after them where it shall prove itself"
            )
        initiator = words[0].lower()
        if initiator in found:
            raise Misconfigured(f"{where} names {initiator} twice; remove one entry")
        found[initiator] = Credentials(*words[1:])
        check(found[initiator], f"of {initiator} in {where}")
    return found


def assign(
    initiators: tuple[str, ...], common: Credentials, own: dict[str, Credentials], *, everybody: bool
) -> dict[str, Credentials]:
    """The credentials of each initiator, its own or the common ones; with `everybody` the common ones are those of "".

    Raises Misconfigured where an initiator has none and others have, and where a stranger has some.
    """
    strangers = sorted(set(own) - set(initiators))
    if strangers:
        raise Misconfigured(
            f"initiator_credentials names {strangers[0]}, which allowed_initiators does not; add it there, or remove "
            "its credentials"
        )
    if not (own or common):
        return {}
    given = {"": common} if everybody else {name: own.get(name, common) for name in initiators}
    unproven = [name for name, credentials in given.items() if not credentials]
    if unproven:
        raise Misconfigured(
            f"{unproven[0]} has no CHAP credentials, and others have; add it to initiator_credentials, or give "
            "incoming_username for all"
        )
    return given


def read(path: str) -> str:
    """What a file holds that root alone can read. Raises NotHere where it is missing, or open to others."""
    try:
        # What is no file shall not make us wait until somebody writes to it.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding="ascii") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise NotHere(f"{path} is no file; put the secret into a file there")
            if status.st_uid != 0 or status.st_mode & 0o077:
                raise NotHere(f"{path} is open to others than root; type: chown root: {path}; chmod 600 {path}")
            return file.read(65536)
    except UnicodeDecodeError:
        raise NotHere(f"{path} holds characters outside ASCII; write it anew") from None
    except OSError as error:
        raise NotHere(f"{path} cannot be read: {error.strerror}; copy it from the other node") from None


def keep_out_of_cores() -> None:
    """See to it that no core of this process or its children holds its memory (core(5), coredump_filter)."""
    try:
        with open("/proc/self/coredump_filter", "w", encoding="ascii") as file:
            file.write("0")
    except OSError:
        # A kernel without cores.
        return
