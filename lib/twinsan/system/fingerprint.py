# SPDX-License-Identifier: GPL-2.0-or-later
"""What initiators know a LUN by, as the kernel has it: identity, abilities, limits and size.

It is taken from configfs when the storage object is complete and before it is shown, so it holds what the kernel made
of the plan, and what it decided itself. A field has the name of the kernel's attribute, where there is one;
docs/attributes.md has every attribute and what becomes of it.

Only what a node contributes by itself can make another disk by accident. A value that is as the configuration has it is
the administrator's will, the same on both nodes, and no difference; but for the identity itself, which nobody changes
and keeps his disk.
"""

from __future__ import annotations

from twinsan.system import block_device, configfs, device_limits, lio_target, naa, storage_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from twinsan.system.lio_lun import Lun

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
# from one start to the next on the same node: a word in the log, and no difference.
PASSING = ("hw_max_sectors", "hw_queue_depth", "optimal_sectors")

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
    def grave(self) -> bool:
        """Whether it would destroy data or the disk's identity. A datastore that was made with compare-and-write cannot
        be mounted without it.
        """
        return self.name in (*_IDENTITY, "capacity", "emulate_caw")

    @property
    def word(self) -> str:
        """The difference as an administrator names it to accept it."""
        return f"{self.name}={quote(self.now)}"

    def accepted(self, words: Iterable[str]) -> bool:
        """Whether one of `words` names it, by the one value or the other: so it holds for the way back as well."""
        return self.word in words or f"{self.name}={quote(self.before)}" in words


class Fingerprint:
    """What a LUN is known by, and the node that serves it so, with `count`, which is higher in each later record of the
    LUN. `given` are the fields whose values are as the configuration has them, which is known where it was taken.

    `str` gives one line of words: the node, the count, and NAME=VALUE for each field.
    """

    __slots__ = ("count", "fields", "given", "node")

    def __init__(self, node: str, fields: dict[str, str], count: int = 0, given: frozenset[str] = frozenset()) -> None:
        self.node = node
        self.fields = fields
        self.count = count
        self.given = given

    def __str__(self) -> str:
        words = [f"{name}={quote(value)}" for name, value in sorted(self.fields.items())]
        return " ".join((quote(self.node), f"{_COUNT}{self.count}", *words))

    def after(self, last: Fingerprint | None) -> Fingerprint:
        """The same with the count that it has as a record after `last`, which it may equal."""
        before = last.count if last is not None else 0
        same = last is not None and (last.node, last.fields) == (self.node, self.fields)
        return Fingerprint(self.node, self.fields, before if same else before + 1, self.given)

    def differences(self, last: Fingerprint) -> list[Difference]:
        """What hosts would find otherwise than they had it of `last`; the gravest first.

        A device that has grown is the same: both nodes see its size as it is, whoever serves.
        """
        found = []
        for name in sorted({**self.fields, **last.fields}):
            # A kernel that does not have the ability does not offer it. What else only one has is another version's.
            default = "0" if name.startswith(_LATER) else ""
            now, before = self.fields.get(name, default), last.fields.get(name, default)
            if now and before and self._counts(name) and not _same(name, now, before):
                found.append(Difference(name, now, before))
        return sorted(found, key=lambda difference: not difference.grave)

    def _counts(self, name: str) -> bool:
        """Whether a difference in a field is the node's own."""
        return name not in PASSING and (name in _IDENTITY or name not in self.given)


def _same(name: str, now: str, before: str) -> bool:
    if name == "capacity" and now.isdecimal() and before.isdecimal():
        return int(now) >= int(before)
    return now == before


def parse(text: str) -> Fingerprint | None:
    """The fingerprint that `str` gave, or None: what is kept elsewhere may come from somebody else."""
    node, count, fields = [*text.split(maxsplit=2), "", "", ""][:3]
    number = count.removeprefix(_COUNT) if count.startswith(_COUNT) else ""
    try:
        pairs = [word.partition("=") for word in fields.split()]
        known = {name: unquote(value) for name, _, value in pairs}
        return Fingerprint(unquote(node), known, int(number) if number.isdecimal() else 0) if known else None
    except ValueError:
        return None


def take(lun: Lun, node: str) -> Fingerprint:
    """The fingerprint of a LUN on this node. It reads what a dying LUN can lock (see configfs), so it belongs in a
    child.
    """
    place, group = lun.storage.place, lio_target.group(lun.iqn)
    serial = storage_object.serial(place)
    fields = {
        "lun": str(lun.number),
        # Kernels before 6.4 count the LUNs that are made of a storage object, from 1; there is one.
        "rtpi": str(int(configfs.read(f"{group}/rtpi") or "1", 0)),
        "vpd_unit_serial": serial,
        "naa": naa.name(serial, storage_object.company(place)),
        "capacity": str(block_device.size(lun.storage.path)),
        "revision": configfs.read(f"{place}/wwn/revision") or "",
        **device_limits.shape(lun.storage.path),
        **_attributes(f"{place}/alua/default_tg_pt_gp", _ALUA),
        **_attributes(f"{place}/attrib", (*_ATTRIBUTES, *PASSING)),
    }
    planned = storage_object.planned(lun.storage)
    given = frozenset(name for name, value in planned.items() if fields.get(name) == value)
    return Fingerprint(node, fields, given=given)


def _attributes(place: str, beginnings: tuple[str, ...]) -> dict[str, str]:
    return {
        name: configfs.read(f"{place}/{name}") or "" for name in configfs.names(place) if name.startswith(beginnings)
    }


def quote(text: str) -> str:
    """A text as one word of ASCII without quotes."""
    return "".join(
        character if character in _PLAIN else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in text
    )


def unquote(text: str) -> str:
    """The text of a word; raises ValueError for one that `quote` did not make."""
    first, *others = text.split("%")
    return (first.encode() + b"".join(bytes.fromhex(other[:2]) + other[2:].encode() for other in others)).decode()
