# SPDX-License-Identifier: GPL-2.0-or-later
"""CHAP: the names and secrets with which initiators authenticate to the target, and the target to them.

Secrets never appear in a message, an argument list or a core dump. They come from the caller, or from a file that only
root can read.
"""

from __future__ import annotations

import os
import stat

from twinsan.errors import Misconfigured, NotHere, Reason

# RFC 7143, 12.1.4 asks for 96 bits without IPsec, which takes 12 characters. LIO's fields have 256 bytes including the
# terminating NUL; ESXi takes 255 characters as well.
_SHORTEST = 12
_LONGEST = 255

# In bytes, of a file with secrets: hundreds of initiators. What somebody names by mistake may have no end.
_LONGEST_FILE = 65536

# LIO treats a value that begins with this as unset.
UNSET = "NULL"

# In a parameter's value this separates the entries, as line ends do in a file.
_SEPARATOR = ";"


class Credentials:
    """The CHAP name and secret of an initiator. `back_user` and `back_secret` are those of the target (mutual CHAP).
    "" means none.
    """

    __slots__ = ("back_secret", "back_user", "secret", "user")

    def __init__(self, user: str = "", secret: str = "", back_user: str = "", back_secret: str = "") -> None:
        self.user = user
        self.secret = secret
        self.back_user = back_user
        self.back_secret = back_secret

    def __bool__(self) -> bool:
        return bool(self.user)

    def values(self) -> dict[str, str]:
        """The values of LIO's attributes below auth/, by name; "" for none."""
        return {
            "userid": self.user,
            "password": self.secret,
            "userid_mutual": self.back_user,
            "password_mutual": self.back_secret,
        }


NONE = Credentials()

HALF_GIVEN = Reason(Misconfigured, "CHAP needs both a name and a secret {whose}", "give the {missing}")
MUTUAL_ONLY = Reason(
    Misconfigured,
    "CHAP {whose}: the target can prove itself only to an initiator that does so first",
    "give both",
)
SAME_SECRET = Reason(
    Misconfigured,
    "CHAP {whose}: both directions have the same secret, so that it proves nothing (RFC 7143, 9.2.1)",
    "choose another for one of them",
)
LONG_NAME = Reason(Misconfigured, "the CHAP name {whose} has {length} characters", f"LIO keeps {_LONGEST}")
NAME_FOR_NONE = Reason(
    Misconfigured, f"the CHAP name {{whose}} starts with {UNSET}, which LIO takes for no name", "choose another"
)
NAME_WITH_BLANK = Reason(
    Misconfigured, "the CHAP name {whose} has a blank or a character outside printable ASCII", "choose another"
)
CIB_SECRET_MISSING = Reason(
    Misconfigured,
    "the CHAP secret {whose} is a CIB secret that this node does not have",
    "store it: crm resource secret RESOURCE set PARAMETER (or: cibsecret set RESOURCE PARAMETER SECRET)",
)
SECRET_LENGTH = Reason(
    Misconfigured, "the CHAP secret {whose} has {length} characters", f"CHAP takes {_SHORTEST} to {_LONGEST}"
)
SECRET_FOR_NONE = Reason(
    Misconfigured, f"the CHAP secret {{whose}} starts with {UNSET}, which LIO takes for no secret", "choose another"
)
SECRET_WITH_BLANK = Reason(
    Misconfigured, "the CHAP secret {whose} has a blank or a character outside printable ASCII", "choose another"
)
BAD_ENTRY = Reason(
    Misconfigured,
    "entry {number} of {where} has {count} words instead of INITIATOR NAME SECRET, with NAME SECRET of the target "
    "after them where it shall prove itself",
)
NAMED_TWICE = Reason(Misconfigured, "{where} names {initiator} twice", "remove one entry")
STRANGER = Reason(
    Misconfigured,
    "initiator_credentials names {initiator}, which allowed_initiators does not",
    "add it there, or remove its credentials",
)
NO_CREDENTIALS = Reason(
    Misconfigured,
    "{initiator} has no CHAP credentials, and others have",
    "add it to initiator_credentials, or give incoming_username for all",
)
NO_FILE = Reason(NotHere, "{path} is no file", "put the secret into a file there")
OPEN_TO_OTHERS = Reason(NotHere, "{path} is open to others than root", "type: chown root: {path}; chmod 600 {path}")
NOT_ASCII = Reason(NotHere, "{path} holds characters outside ASCII", "write it anew")
TOO_LONG = Reason(NotHere, f"{{path}} has more than {_LONGEST_FILE} bytes", "keep to the initiators of this target")
UNREADABLE = Reason(NotHere, "{path} cannot be read: {error}", "copy it from the other node")


def check(credentials: Credentials, whose: str) -> None:
    """Check credentials by the rules of CHAP, LIO and ESXi. `whose` follows "CHAP" in a reason, such as "of iqn.x".
    Raises Misconfigured; its text shows no secret.
    """
    pairs = (
        (credentials.user, credentials.secret, whose),
        (credentials.back_user, credentials.back_secret, f"{whose}, by which the target proves itself"),
    )
    for user, secret, what in pairs:
        if bool(user) != bool(secret):
            raise HALF_GIVEN(whose=what, missing="secret" if user else "name")
        if user:
            _check_name(user, what)
            _check_secret(secret, what)
    if credentials.back_user and not credentials.user:
        raise MUTUAL_ONLY(whose=whose)
    if credentials.secret and credentials.secret == credentials.back_secret:
        raise SAME_SECRET(whose=whose)


def _check_name(user: str, whose: str) -> None:
    if len(user) > _LONGEST:
        raise LONG_NAME(whose=whose, length=len(user))
    if user.startswith(UNSET):
        raise NAME_FOR_NONE(whose=whose)
    if not _is_plain(user):
        raise NAME_WITH_BLANK(whose=whose)


def _check_secret(secret: str, whose: str) -> None:
    if secret.startswith("lrm://"):
        raise CIB_SECRET_MISSING(whose=whose)
    if not _SHORTEST <= len(secret) <= _LONGEST:
        raise SECRET_LENGTH(whose=whose, length=len(secret))
    if secret.startswith(UNSET):
        raise SECRET_FOR_NONE(whose=whose)
    if not _is_plain(secret):
        raise SECRET_WITH_BLANK(whose=whose)


def _is_plain(text: str) -> bool:
    return all("!" <= character <= "~" for character in text)


def suits_esxi(credentials: Credentials) -> bool:
    """Whether ESXi's documentation allows the secrets: letters and digits (vSphere Storage, "Set Up CHAP")."""
    return all(not secret or secret.isalnum() for secret in (credentials.secret, credentials.back_secret))


def parse(text: str, where: str) -> dict[str, Credentials]:
    """Return the credentials of each initiator, from entries ``INITIATOR NAME SECRET [NAME SECRET]``, separated by line
    ends or semicolons. An entry that begins with # is a comment. `where` is the text's origin, for reasons.

    Raises Misconfigured, which names a malformed entry by its number only: its words may be secrets.
    """
    found: dict[str, Credentials] = {}
    for number, entry in enumerate(text.replace("\n", _SEPARATOR).split(_SEPARATOR), start=1):
        words = entry.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) not in (3, 5):
            raise BAD_ENTRY(number=number, where=where, count=len(words))
        initiator = words[0].lower()
        if initiator in found:
            raise NAMED_TWICE(where=where, initiator=initiator)
        found[initiator] = Credentials(*words[1:])
        check(found[initiator], f"of {initiator} in {where}")
    return found


def assign(
    initiators: tuple[str, ...], common: Credentials, own: dict[str, Credentials], *, demo_mode: bool
) -> dict[str, Credentials]:
    """Return the credentials of each initiator: its own, or else the common ones. In demo mode, the common ones under
    the name "". {} if there are no credentials at all: then there is no authentication.

    Raises Misconfigured if an initiator has none while others have, and if `own` names one that is not among
    `initiators`.
    """
    strangers = sorted(set(own) - set(initiators))
    if strangers:
        raise STRANGER(initiator=strangers[0])
    if not (own or common):
        return {}
    given = {"": common} if demo_mode else {name: own.get(name, common) for name in initiators}
    without = [name for name, credentials in given.items() if not credentials]
    if without:
        raise NO_CREDENTIALS(initiator=without[0])
    return given


def read(path: str) -> str:
    """Return the text of a file with secrets. Raises NotHere if it is missing or no regular file, has more than 64 KiB,
    is not ASCII, is not owned by root, or gives others any permission.
    """
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), encoding="ascii") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise NO_FILE(path=path)
            if status.st_uid != 0 or status.st_mode & 0o077:
                raise OPEN_TO_OTHERS(path=path)
            text = file.read(_LONGEST_FILE + 1)
            if len(text) > _LONGEST_FILE:
                raise TOO_LONG(path=path)
            return text
    except UnicodeDecodeError:
        raise NOT_ASCII(path=path) from None
    except OSError as error:
        raise UNREADABLE(path=path, error=error.strerror) from None


def read_secret(path: str) -> str:
    """Return the secret in the first line of a file; "" if `path` is "". Raises NotHere as `read` does."""
    return read(path).partition("\n")[0] if path else ""


def keep_out_of_cores() -> None:
    """Keep the memory of this process and its children out of core dumps, because it holds secrets: core(5),
    coredump_filter. No error if the kernel has no core dumps.
    """
    try:
        with open("/proc/self/coredump_filter", "w", encoding="ascii") as file:
            file.write("0")
    except OSError:
        # A kernel without core dumps.
        return
