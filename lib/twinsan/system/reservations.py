# SPDX-License-Identifier: GPL-2.0-or-later
"""The persistent reservations of a storage object (SPC-3, 5.6): as the kernel writes them, and as it takes them.

The kernel keeps them in memory. With the attribute force_pr_aptpl it also writes them to a file, before it answers the
command that changed them, and whether or not the initiator asked for it (APTPL). What such a file says it takes back,
a line for each registration, as long as nobody sees the storage object. A registration then waits until the LUN is
shown to its initiator, by name, LUN numbers, target and portal group.
"""

from __future__ import annotations

import errno

from twinsan.system import configfs

# What the kernel writes where there is none (target_core_pr.c, core_scsi3_update_aptpl_buf).
NONE = "No Registrations or Reservations\n"

_BEGIN = "PR_REG_START"
_END = "PR_REG_END"

# Written in hexadecimal without saying so, and read with a base of its own choice: a type 08 would be refused.
_HEXADECIMAL = ("res_type", "res_scope")
_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def file(serial: str) -> str:
    """The file that the kernel writes for a storage object with this unit serial."""
    return f"{configfs.read(configfs.place('dbroot')) or '/var/target'}/pr/aptpl_{serial}"


def torn(text: str) -> bool:
    """Whether a file was cut off: the kernel empties it before it writes it anew."""
    return not text or text.count(f"{_BEGIN}:") != text.count(f"{_END}:")


def registrations(text: str) -> list[str]:
    """The registrations in such a file, each as the kernel takes it: ``name=value`` words with commas between them."""
    found: list[str] = []
    words: list[str] = []
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if line.startswith(_BEGIN):
            words = []
        elif line.startswith(_END):
            found += [",".join(words)] if words else []
        elif name in _HEXADECIMAL and _HEX_DIGITS.issuperset(value):
            words.append(f"{name}={int(value, 16)}")
        elif value:
            # Its separators would make it another registration.
            words.append(line.replace(",", ""))
    return found


def restore(place: str, text: str) -> list[str]:
    """Tell the kernel the registrations of a file, for the storage object at `place`, which nobody must see yet.
    Returns those that it refuses.
    """
    refused = []
    for words in registrations(text):
        try:
            configfs.write(f"{place}/pr/res_aptpl_metadata", words)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            refused.append(words)
    return refused


def exist(place: str) -> bool:
    """Whether any initiator is registered."""
    told = configfs.read(f"{place}/pr/res_pr_registered_i_pts")
    return told is not None and not told.endswith("\nNone")


def signature(place: str) -> str:
    """A text that changes with every registration and reservation, from the kernel's memory alone."""
    names = ("res_pr_generation", "res_pr_type", "res_holder", "res_pr_registered_i_pts")
    return " ".join((configfs.read(f"{place}/pr/{name}") or "").replace("\n", " ") for name in names)
