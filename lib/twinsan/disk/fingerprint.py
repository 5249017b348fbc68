# SPDX-License-Identifier: GPL-2.0-or-later
"""The fingerprint of a LUN: all that initiators know it by, as the kernel has it: identity, features, limits and size.

It is read from configfs when the storage object is complete and initiators do not see it yet. So it holds what the
kernel made of the configuration, and what the kernel decided itself. A field has the name of the kernel's attribute if
there is one; docs/attributes.md lists every attribute and how it is compared.

Only a value that a node contributes by itself can make another disk by accident. A value that the configuration sets is
intended and the same on both nodes, so it counts as no difference. The identity is compared in any case: with another
identity the disk is another disk.
"""

from __future__ import annotations

import os

from twinsan.drbd import state_volume
from twinsan.host import block_device, device_limits
from twinsan.lio import configfs, identity, portal_group, reservations, storage_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.lio.lun import Lun

# The attributes that initiators see, or that change what a command does, by the beginnings of their names.
_ATTRIBUTES = (
    "alua_support",
    "atomic_",
    "block_size",
    "emulate_",
    "enforce_pr_isids",
    "force_pr_aptpl",
    "is_nonrot",
    "max_",
    "pgr_support",
    "pi_prot_type",
    "unmap_",
)

# The kernel takes these from the device when it opens it. DRBD's limits depend on its connections, so they may differ
# from one start to the next on the same node: they are in the fingerprint, but not compared.
VOLATILE = ("hw_max_sectors", "hw_queue_depth", "optimal_sectors")

# Where the kernel writes the reservations of the LUN: the device of a state volume, or "cluster" for none (see
# reservation_store). Not compared either: the node that serves next has to know, and hosts do not see it.
RESERVATIONS_IN, IN_CLUSTER = "reservations_in", "cluster"

_ALUA = ("alua_access_state", "alua_access_type", "tg_pt_gp_id")

# If one of these differs, hosts find another disk, or lose data on this one: another "block_size" moves every block.
_IDENTITY = ("block_size", "lun", "naa", "vpd_unit_serial")

# Features of newer kernels, which an older one lacks.
_LATER = ("atomic_", "emulate_")

# The beginning of the second word. Older versions of twinsan had a checksum there.
_COUNT = "count:"

# The characters that stay as they are in a value of a node attribute or of a line in a file.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:,/+()")


class Difference:
    """A field that has changed: its name, its value now, and its value before."""

    __slots__ = ("before", "name", "now")

    def __init__(self, name: str, now: str, before: str) -> None:
        self.name = name
        self.now = now
        self.before = before

    def __str__(self) -> str:
        return f"{self.name} is {self.now or 'empty'} instead of {self.before or 'empty'}"

    @property
    def destructive(self) -> bool:
        """Whether it would destroy data or the disk's identity. Compare-and-write counts as well: a datastore that was
        made with it cannot be mounted without it.
        """
        return self.name in (*_IDENTITY, "capacity", "emulate_caw")

    @property
    def word(self) -> str:
        """FIELD=VALUE with the present value, with which the administrator accepts the difference."""
        return f"{self.name}={quote(self.now)}"

    def accepted_by(self, words: Iterable[str]) -> bool:
        """Whether one of the FIELD=VALUE `words` has the present value or the one before, so that an accepted word
        covers the way back as well.
        """
        return self.word in words or f"{self.name}={quote(self.before)}" in words


class Fingerprint:
    """The `fields` of a LUN, by name, as served by `node`. `count` grows with each record of the LUN. `configured` are
    the names of the fields whose values the configuration sets; only the node that read the fingerprint knows them.

    `str` gives one line of words: the node, the count, and NAME=VALUE for each field.
    """

    __slots__ = ("configured", "count", "fields", "node")

    def __init__(
        self, node: str, fields: dict[str, str], count: int = 0, configured: frozenset[str] = frozenset()
    ) -> None:
        self.node = node
        self.fields = fields
        self.count = count
        self.configured = configured

    def __str__(self) -> str:
        words = [f"{name}={quote(value)}" for name, value in sorted(self.fields.items())]
        return " ".join((quote(self.node), f"{_COUNT}{self.count}", *words))

    def numbered_after(self, last: Fingerprint | None) -> Fingerprint:
        """Return the fingerprint with the count of a record that follows `last`: one more, or the same count if node
        and fields are equal.
        """
        before = last.count if last is not None else 0
        same = last is not None and (last.node, last.fields) == (self.node, self.fields)
        return Fingerprint(self.node, self.fields, before if same else before + 1, self.configured)

    def differences(self, last: Fingerprint) -> list[Difference]:
        """Return the fields that differ from those of `last`, the destructive differences first.

        A device that has grown is no difference: both nodes see its present size.
        """
        found = []
        for name in sorted({**self.fields, **last.fields}):
            # A kernel that lacks a feature does not offer it. Any other field that only one side has is from another
            # version of twinsan.
            default = "0" if name.startswith(_LATER) else ""
            now, before = self.fields.get(name, default), last.fields.get(name, default)
            if now and before and self._is_compared(name) and not _same(name, now, before):
                found.append(Difference(name, now, before))
        return sorted(found, key=lambda difference: not difference.destructive)

    def _is_compared(self, name: str) -> bool:
        return name not in (*VOLATILE, RESERVATIONS_IN) and (name in _IDENTITY or name not in self.configured)


def _same(name: str, now: str, before: str) -> bool:
    if name == "capacity" and now.isdecimal() and before.isdecimal():
        return int(now) >= int(before)
    return now == before


def parse(text: str) -> Fingerprint | None:
    """Return the fingerprint whose `str` is `text`; None for any other text, which somebody else may have left."""
    node, count, fields = [*text.split(maxsplit=2), "", "", ""][:3]
    number = count.removeprefix(_COUNT) if count.startswith(_COUNT) else ""
    try:
        pairs = [word.partition("=") for word in fields.split()]
        known = {name: unquote(value) for name, _, value in pairs}
        return Fingerprint(unquote(node), known, int(number) if number.isdecimal() else 0) if known else None
    except ValueError:
        return None


def read(lun: Lun, node: str) -> Fingerprint:
    """Read the fingerprint of a LUN on this node, whose name is `node`. Call it in a child: the removal of a LUN can
    lock what it reads (see configfs).
    """
    place, group = lun.storage.place, portal_group.place(lun.iqn)
    serial = identity.unit_serial(place)
    fields = {
        "lun": str(lun.number),
        # Kernels before 6.4 number the LUNs of a storage object from 1; there is one.
        "rtpi": str(int(configfs.read(f"{group}/rtpi") or "1", 0)),
        "vpd_unit_serial": serial,
        RESERVATIONS_IN: _device_of(reservations.aptpl_target(serial)) or IN_CLUSTER,
        "naa": identity.naa_name(place),
        "capacity": str(block_device.size(lun.storage.path)),
        "revision": configfs.read(f"{place}/wwn/revision") or "",
        **device_limits.io_topology(lun.storage.path),
        **_attributes(f"{place}/alua/default_tg_pt_gp", _ALUA),
        **_attributes(f"{place}/attrib", (*_ATTRIBUTES, *VOLATILE)),
    }
    planned = storage_attributes.planned(lun.storage)
    configured = frozenset(name for name, value in planned.items() if fields.get(name) == value)
    return Fingerprint(node, fields, configured=configured)


def _device_of(file: str) -> str:
    """The device of the state volume that a file of reservations is in; "" if it is in none."""
    return state_volume.mounted_device(os.path.dirname(os.path.dirname(file))) if file else ""


def _attributes(place: str, beginnings: tuple[str, ...]) -> dict[str, str]:
    return {
        name: configfs.read(f"{place}/{name}") or "" for name in configfs.names(place) if name.startswith(beginnings)
    }


def quote(text: str) -> str:
    """Return a text as one word of ASCII without quotes: other bytes become %XX."""
    return "".join(
        character if character in _PLAIN else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )


def unquote(text: str) -> str:
    """Return the text that `quote` made into this word. Raises ValueError for a malformed word."""
    first, *others = text.split("%")
    return (first.encode() + b"".join(bytes.fromhex(other[:2]) + other[2:].encode() for other in others)).decode()
