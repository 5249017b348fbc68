# SPDX-License-Identifier: GPL-2.0-or-later
"""The primitives that VMware calls VAAI, and the attributes of LIO that give them.

A LUN has a contract: primitives that it must have, or it is not served; others that it had better have; and what is
neither is off, whatever the kernel would do by itself.
"""

from __future__ import annotations

import os

from twinsan.system import configfs, device_limits

ALL = ("ats", "xcopy", "write_same", "unmap")

_GIVEN_BY = {
    "ats": ("emulate_caw",),
    "xcopy": ("emulate_3pc",),
    # LIO has no switch for it, but refuses what is longer than this (sbc_setup_write_same): with 0, all of them.
    "write_same": ("max_write_same_len",),
    "unmap": ("emulate_tpu", "emulate_tpws"),
}


def split(
    attributes: dict[str, int], required: tuple[str, ...], preferred: tuple[str, ...]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """The attributes that a LUN must have, and those of each primitive that it had better have; of `attributes`, which
    it would have with all primitives.
    """
    off = {name for primitive in ALL if primitive not in required + preferred for name in _GIVEN_BY[primitive]}
    if "max_write_same_len" in off:
        # A WRITE SAME that may unmap is one all the same.
        off.add("emulate_tpws")
    wanted = {name: 0 if name in off else value for name, value in attributes.items()}
    may = {primitive: {name: wanted[name] for name in _GIVEN_BY[primitive] if wanted[name]} for primitive in preferred}
    optional = {name for values in may.values() for name in values}
    must = {name: value for name, value in wanted.items() if name not in optional}
    return must, {primitive: values for primitive, values in may.items() if values}


def given(attributes: dict[str, int]) -> list[str]:
    """The primitives that attributes give."""
    return [primitive for primitive in ALL if any(attributes.get(name) for name in _GIVEN_BY[primitive])]


def switched_off(primitive: str, attributes: dict[str, int]) -> list[str]:
    """The attributes of a primitive, where none of them gives it."""
    return [] if primitive in given(attributes) else list(_GIVEN_BY[primitive])


def lenient(required: tuple[str, ...], preferred: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The primitives without which a LUN that hosts know is not served, and those that it had better have: a datastore
    that was made with compare-and-write cannot be mounted without it, and all else only costs time or space.
    """
    must = tuple(primitive for primitive in required if primitive == "ats")
    return must, tuple(primitive for primitive in required + preferred if primitive not in must)


def obstacle(primitive: str, path: str, place: str) -> str:
    """Why the storage object in `place`, of the device at `path`, cannot have a primitive."""
    return known_obstacle(primitive, path, place) or "the kernel refused it (see 'dmesg')"


def known_obstacle(primitive: str, path: str, place: str) -> str:
    """The same where it can be seen; "" where not."""
    unknown = [name for name in _GIVEN_BY[primitive] if configfs.read(f"{place}/attrib/{name}") is None]
    if unknown:
        return f"kernel {os.uname().release} has no {unknown[0]}"
    limits = device_limits.of(path)
    if primitive == "unmap" and limits is not None and not limits.discards:
        return f"{path} cannot discard (see 'lsblk --discard {path}')"
    return ""


def names(primitive: str) -> tuple[str, ...]:
    """The attributes that give a primitive."""
    return _GIVEN_BY[primitive]


def refusal(primitive: str, node: str, why: str, attributes: dict[str, int]) -> str:
    """The reason of a start that fails: the node, why, and what to type; `attributes` are what the LUN must have."""
    rest = " ".join(name for name in given(attributes) if name != primitive) or "none"
    loss = "; but a datastore that was made with it cannot be mounted then" if primitive == "ats" else ""
    return (
        f"{primitive} is required by parameter vaai, and {node} cannot have it: {why}; mend that, or do without it on "
        f"both nodes: crm_resource --resource RESOURCE --set-parameter vaai --parameter-value '{rest}'{loss}"
    )


def coarse(path: str, attributes: dict[str, int]) -> str:
    """What is wrong where the device discards larger pieces than hosts are told, and what to type; "" for nothing."""
    limits = device_limits.of(path)
    if limits is None or not limits.discards or "unmap" not in given(attributes):
        return ""
    blocks = attributes["unmap_granularity"]
    if limits.frees(blocks * limits.logical_block_size):
        return ""
    unit = limits.discard_granularity // limits.logical_block_size
    return (
        f"hosts are told to unmap {blocks} blocks at a time, and {path} discards {unit}; if its disk cannot do better: "
        f"crm_resource --resource RESOURCE --set-parameter unmap_granularity --parameter-value {unit}; or the value of "
        "the coarser node: what is less stays allocated"
    )
