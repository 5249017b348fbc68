# SPDX-License-Identifier: GPL-2.0-or-later
"""The fingerprint of a LUN: all that initiators know it by, as the kernel has it: identity, abilities, limits and size.

It is read from configfs when the storage object is complete and before initiators see it. So it holds what the kernel
made of the plan, and what the kernel decided itself. A field has the name of the kernel's attribute, where there is
one; docs/attributes.md lists every attribute and how it is compared.

Only what a node contributes by itself can make another disk by accident. A value that the configuration sets is the
administrator's will and the same on both nodes, so it is no difference. The identity is compared all the same: with
another one the disk is another disk.
"""

from __future__ import annotations

from twinsan.host import block_device, device_limits
from twinsan.lio import configfs, identity, portal_group, storage_attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.lio.lun import Lun

# The attributes that initiators see, or that change what a command does, by how their names begin.
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

# What the kernel takes from the device when it is opened. DRBD's limits follow its connections, so that they may differ
# from one start to the next on the same node: they are in the fingerprint, and not compared.
VOLATILE = ("hw_max_sectors", "hw_queue_depth", "optimal_sectors")

_ALUA = ("alua_access_state", "alua_access_type", "tg_pt_gp_id")

# With another of these hosts find another disk, or lose data on this one. A "block_size" that differs moves every
# block, and of a disk that became smaller the end is missing.
_IDENTITY = ("block_size", "lun", "naa", "vpd_unit_serial")

# Abilities that newer kernels have; an older one is without.
_LATER = ("atomic_", "emulate_")

# A second word that no fingerprint of the versions before it had: a checksum stood there.
_COUNT = "count:"

# In a value of a node attribute and of a line in a file.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:,/+()")


class Difference:
    """A field that differs from what it was: its name, what it is now, and what it was."""

    __slots__ = ("before", "name", "now")

    def __init__(self, name: str, now: str, before: str) -> None:
        self.name = name
        self.now = now
        self.before = before

    def __str__(self) -> str:
        return f"{self.name} is {self.now or 'empty'} instead of {self.before or 'empty'}"

    @property
    def destructive(self) -> bool:
        """Whether it would destroy data or the disk's identity. That goes for compare-and-write as well: a datastore
        that was made with it cannot be mounted without it.
        """
        return self.name in (*_IDENTITY, "capacity", "emulate_caw")

    @property
    def word(self) -> str:
        """FIELD=VALUE with the present value, by which an administrator accepts the difference."""
        return f"{self.name}={quote(self.now)}"

    def accepted_by(self, words: Iterable[str]) -> bool:
        """Whether one of the FIELD=VALUE `words` has the present value or the one before: so a word that was accepted
        holds for the way back as well.
        """
        return self.word in words or f"{self.name}={quote(self.before)}" in words


class Fingerprint:
    """`fields` by their names, as served by `node`. `count` is higher in each later record of the LUN. `configured` are
    the names of the fields whose values the configuration sets; only the node that has read the fingerprint knows them.

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
        """Return the fingerprint with the count of a record that follows `last`: one more, or the same where both are
        equal.
        """
        before = last.count if last is not None else 0
        same = last is not None and (last.node, last.fields) == (self.node, self.fields)
        return Fingerprint(self.node, self.fields, before if same else before + 1, self.configured)

    def differences(self, last: Fingerprint) -> list[Difference]:
        """Return the fields that differ from those of `last`, the destructive differences first.

        A device that has grown is no difference: both nodes see its size as it is, whoever serves.
        """
        found = []
        for name in sorted({**self.fields, **last.fields}):
            # A kernel that does not have the ability does not offer it. What else only one has is another version's.
            default = "0" if name.startswith(_LATER) else ""
            now, before = self.fields.get(name, default), last.fields.get(name, default)
            if now and before and self._is_compared(name) and not _same(name, now, before):
                found.append(Difference(name, now, before))
        return sorted(found, key=lambda difference: not difference.destructive)

    def _is_compared(self, name: str) -> bool:
        return name not in VOLATILE and (name in _IDENTITY or name not in self.configured)


def _same(name: str, now: str, before: str) -> bool:
    if name == "capacity" and now.isdecimal() and before.isdecimal():
        return int(now) >= int(before)
    return now == before


def parse(text: str) -> Fingerprint | None:
    """Return the fingerprint that `str` has written as `text`; None for any other text, which somebody else may have
    left.
    """
    node, count, fields = [*text.split(maxsplit=2), "", "", ""][:3]
    number = count.removeprefix(_COUNT) if count.startswith(_COUNT) else ""
    try:
        pairs = [word.partition("=") for word in fields.split()]
        known = {name: unquote(value) for name, _, value in pairs}
        return Fingerprint(unquote(node), known, int(number) if number.isdecimal() else 0) if known else None
    except ValueError:
        return None


def read(lun: Lun, node: str) -> Fingerprint:
    """Read the fingerprint of a LUN on this node, whose name is `node`. It reads what a dying LUN can lock (see
    configfs), so call it in a child.
    """
    place, group = lun.storage.place, portal_group.place(lun.iqn)
    fields = {
        "lun": str(lun.number),
        # Kernels before 6.4 count the LUNs that are made of a storage object, from 1; there is one.
        "rtpi": str(int(configfs.read(f"{group}/rtpi") or "1", 0)),
        "vpd_unit_serial": identity.unit_serial(place),
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
    """Return the text of a word of `quote`. Raises ValueError for any other word."""
    first, *others = text.split("%")
    return (first.encode() + b"".join(bytes.fromhex(other[:2]) + other[2:].encode() for other in others)).decode()
