# SPDX-License-Identifier: GPL-2.0-or-later
"""The persistent reservations of a storage object (SPC-3, 5.6): as the kernel writes them, and as it reads them.

The kernel keeps them in memory. With the attribute force_pr_aptpl it also writes them to a file before it answers the
command that changed them, whether or not the initiator asked for it (APTPL). It can be given the content of such a file
again, one line for each registration, as long as the storage object is not exported. A registration takes effect when
the LUN is mapped for its initiator; name, LUN numbers, target and portal group must match.
"""

from __future__ import annotations

import errno
import os

from twinsan.lio import configfs

# What the kernel writes if there is no registration (target_core_pr.c, core_scsi3_update_aptpl_buf).
NONE = "No Registrations or Reservations\n"

_BEGIN = "PR_REG_START"
_END = "PR_REG_END"

# The kernel writes these in hexadecimal without a prefix, and reads them with a base that it derives from the prefix: a
# type 08 would be refused as octal.
_HEXADECIMAL = ("res_type", "res_scope")
# The types Write Exclusive - All Registrants and Exclusive Access - All Registrants.
ALL_REGISTRANTS = (7, 8)

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def aptpl_file(serial: str) -> str:
    """The path of the file that the kernel writes for a storage object with this unit serial."""
    return f"{configfs.read(configfs.place('dbroot')) or '/var/target'}/pr/aptpl_{serial}"


def aptpl_target(serial: str) -> str:
    """The path that this file is a symbolic link to; "" if it is none."""
    path = aptpl_file(serial)
    return os.readlink(path) if os.path.islink(path) else ""


def is_truncated(text: str) -> bool:
    """Whether the text of such a file is empty or truncated: the kernel empties the file before it writes it anew."""
    return not text or text.count(f"{_BEGIN}:") != text.count(f"{_END}:")


class Registration:
    """A registration in such a file. `session` is the ISID of the initiator's session, "" for any. `key` is the
    reservation key. `kind` is the type of the reservation that it holds (SPC-3, table 107), 0 for none. `lines` are all
    its lines.
    """

    __slots__ = ("initiator", "key", "kind", "lines", "session")

    def __init__(self, lines: list[str]) -> None:
        said = dict(line.partition("=")[::2] for line in lines)
        self.lines = lines
        self.initiator = said.get("initiator_node", "")
        self.session = said.get("initiator_sid", "")
        self.key = int(said.get("sa_res_key", "0") or "0")
        self.kind = int(said.get("res_type", "0") or "0", 16) if said.get("res_holder") == "1" else 0


def parse(text: str) -> list[Registration]:
    """Return the registrations in the text of such a file. Raises ValueError for a malformed number."""
    return [Registration(lines) for lines in _blocks(text)]


def without_initiator(text: str, initiator: str) -> str:
    """Return the text of such a file without the registrations of an initiator. A reservation that it holds is removed
    too, unless all registrants hold it: then it passes to the next registrant (SPC-3, 5.6.10.2).
    """
    gone = [each for each in parse(text) if each.initiator == initiator]
    left = [each.lines for each in parse(text) if each.initiator != initiator]
    shared = [each for each in gone if each.kind in ALL_REGISTRANTS]
    if shared and left:
        held = [line for line in shared[0].lines if line.startswith(("res_holder=", *_HEXADECIMAL))]
        at = left[0].index("res_holder=0")
        left[0][at : at + 1] = held
    blocks = [f"{_BEGIN}: {number}\n" + "\n".join(lines) + f"\n{_END}: {number}\n" for number, lines in enumerate(left)]
    return "".join(blocks) or NONE


def metadata_lines(text: str) -> list[str]:
    """Return the registrations in the text of such a file, each in the format of res_aptpl_metadata: ``name=value``
    words, separated by commas.
    """
    return [",".join(filter(None, map(_word, lines))) for lines in _blocks(text)]


def _word(line: str) -> str:
    name, _, value = line.partition("=")
    if name in _HEXADECIMAL and _HEX_DIGITS.issuperset(value):
        return f"{name}={int(value, 16)}"
    # A comma in a value would be read as a separator.
    return line.replace(",", "") if value else ""


def _blocks(text: str) -> list[list[str]]:
    """The lines of each registration."""
    found: list[list[str]] = []
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith(_BEGIN):
            lines = []
        elif line.startswith(_END):
            found += [lines] if lines else []
            lines = []
        elif line.partition("=")[2]:
            lines.append(line)
    return found


def restore(place: str, text: str) -> list[str]:
    """Give the kernel the registrations in the text of such a file, for the storage object at `place`, which must not
    be exported yet. Returns those that it refuses, in the format of metadata_lines. Raises OSError for any other
    failure.
    """
    refused = []
    for words in metadata_lines(text):
        try:
            configfs.write(f"{place}/pr/res_aptpl_metadata", words)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            refused.append(words)
    return refused


def has_registrants(place: str) -> bool | None:
    """Whether any initiator is registered with the storage object at `place`; None if there is no such object."""
    registrants = configfs.read(f"{place}/pr/res_pr_registered_i_pts")
    return None if registrants is None else not registrants.endswith("\nNone")


def signature(place: str) -> str:
    """Return a text that changes with every change of registrations or reservation, from the kernel's memory. Reads no
    file on a disk.
    """
    names = ("res_pr_generation", "res_pr_type", "res_holder", "res_pr_registered_i_pts")
    return " ".join((configfs.read(f"{place}/pr/{name}") or "").replace("\n", " ") for name in names)
