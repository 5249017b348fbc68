# SPDX-License-Identifier: GPL-2.0-or-later
"""What initiators know a LUN by, as the kernel has it: identity, abilities, limits, size, and who sees it.

It is taken from configfs when the storage object is complete and before it is shown, so it holds what the kernel made
of the plan, and what it decided itself. A field has the name of the kernel's attribute, where there is one. Two nodes
whose fingerprints are equal serve one disk.

What is agreed on anew at each login (queue depth, the parameters of iSCSI) is no property of the disk and not in it;
secrets are not either, only whether CHAP is asked for.
"""

from __future__ import annotations

import binascii

from twinsan.system import block_device, configfs, lio_target, naa, storage_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

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
# from one start to the next on the same node: a word in the log, and no reason not to serve.
_PASSING = ("hw_max_sectors", "hw_queue_depth", "optimal_sectors")

_ALUA = ("alua_access_state", "alua_access_type", "tg_pt_gp_id")
_INQUIRY = ("vendor_id", "product_id", "revision")

# In a value of a node attribute and of a line in a file.
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-:,/+()")


class Fingerprint:
    """What a LUN is known by, and the node that serves it so. `str` gives one line of words: the node, the digest, and
    NAME=VALUE for each field.
    """

    __slots__ = ("fields", "node")

    def __init__(self, node: str, fields: dict[str, str]) -> None:
        self.node = node
        self.fields = fields

    def __str__(self) -> str:
        return " ".join((quote(self.node), self.digest, *self._words(self.fields)))

    @staticmethod
    def _words(names: dict[str, str]) -> list[str]:
        return [f"{name}={quote(value)}" for name, value in sorted(names.items())]

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits for all that has to be the same."""
        lasting = {name: value for name, value in self.fields.items() if name not in _PASSING}
        return f"{binascii.crc32(' '.join(self._words(lasting)).encode('ascii')):08x}"

    def differences(self, other: Fingerprint) -> list[str]:
        """What makes this another disk than `other`, in words.

        A device that has grown is the same: both nodes see its size as it is, whoever serves. A field that only one of
        them has comes with a newer kernel, or a newer version of this program, and there is nothing to compare.
        """
        return [
            _words(name, value, other.fields[name])
            for name, value in sorted(self.fields.items())
            if name not in _PASSING and name in other.fields and not _same(name, value, other.fields[name])
        ]

    def remarks(self, other: Fingerprint) -> list[str]:
        """What differs from `other` although it is no other disk, in words."""
        mine, theirs = self.fields, other.fields
        passing = [name for name in (*_PASSING, "capacity") if name in mine and name in theirs]
        found = [_words(name, mine[name], theirs[name]) for name in passing if mine[name] != theirs[name]]
        found += [f"{name} is known to {self.node} alone" for name in sorted(set(mine) - set(theirs))]
        return found + [f"{name} is known to {other.node} alone" for name in sorted(set(theirs) - set(mine))]


def _same(name: str, value: str, other: str) -> bool:
    if name == "capacity" and value.isdecimal() and other.isdecimal():
        return int(value) >= int(other)
    return value == other


def _words(name: str, value: str, other: str) -> str:
    return f"{name} is {value or 'empty'} instead of {other or 'empty'}"


def parse(text: str) -> Fingerprint | None:
    """The fingerprint that `str` gave, or None: what is kept elsewhere may come from somebody else."""
    node, _, fields = [*text.split(maxsplit=2), "", "", ""][:3]
    try:
        pairs = [word.partition("=") for word in fields.split()]
        known = {name: unquote(value) for name, _, value in pairs}
        return Fingerprint(unquote(node), known) if known else None
    except ValueError:
        return None


def take(lun: Lun, initiators: list[str], node: str) -> Fingerprint:
    """The fingerprint of a LUN on this node, `initiators` being those that see it, or will.

    What a LUN only had better have (vaai_preferred) is not in it: one node may do without.

    It reads what a dying LUN can lock (see configfs), so it belongs in a child.
    """
    place, group = lun.storage.place, lio_target.group(lun.iqn)
    serial = storage_object.serial(place)
    company = storage_object.company(place)
    fields = {
        "target": lun.iqn,
        "tpgt": group.rpartition("_")[2],
        # Kernels before 6.4 count the LUNs that are made of a storage object, from 1; there is one.
        "rtpi": str(int(configfs.read(f"{group}/rtpi") or "1", 0)),
        **access(initiators, lambda name: configfs.read(f"{group}/attrib/{name}") or ""),
        "lun": str(lun.number),
        "mapped_lun": str(lun.number),
        "vpd_unit_serial": serial,
        "company_id": company,
        "naa": naa.name(serial, company),
        "capacity": str(block_device.size(lun.storage.path)),
        **_attributes(f"{place}/wwn", _INQUIRY),
        **_attributes(f"{place}/alua/default_tg_pt_gp", _ALUA),
        **_attributes(f"{place}/attrib", (*_ATTRIBUTES, *_PASSING)),
    }
    optional = {name for values in lun.storage.preferred.values() for name in values}
    return Fingerprint(node, {name: value for name, value in fields.items() if name not in optional})


def access(initiators: list[str], attribute: Callable[[str], str]) -> dict[str, str]:
    """The fields that say who sees a LUN, and by what right: those that change with its target portal group, which has
    the values that `attribute` gives.
    """
    names = ("authentication", "generate_node_acls")
    return {"initiators": ",".join(sorted(initiators)), **{name: attribute(name) for name in names}}


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
