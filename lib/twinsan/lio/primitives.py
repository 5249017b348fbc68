# SPDX-License-Identifier: GPL-2.0-or-later
"""The primitives that VMware calls VAAI, and the attributes of LIO that provide them.

A LUN has a contract. Without a required primitive it is not served. A preferred one is provided if possible. All others
are off, whatever the kernel's defaults are.
"""

from __future__ import annotations

import os

from twinsan.errors import Degraded, NotHere, Reason
from twinsan.host import device_limits
from twinsan.lio import configfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.errors import Failure

ALL = ("ats", "xcopy", "write_same", "unmap")

_GIVEN_BY = {
    "ats": ("emulate_caw",),
    "xcopy": ("emulate_3pc",),
    # LIO has no switch for it, but refuses a WRITE SAME that is longer than this (sbc_setup_write_same): with 0, each.
    "write_same": ("max_write_same_len",),
    "unmap": ("emulate_tpu", "emulate_tpws"),
}

REFUSED = Reason(
    NotHere,
    "{primitive} is required by parameter vaai, and {node} cannot have it: {why}",
    "mend that, or do without it on both nodes: crm_resource --resource RESOURCE --set-parameter vaai "
    "--parameter-value '{rest}'",
)
ATS_REFUSED = Reason(
    NotHere,
    "ats is required by parameter vaai, and {node} cannot have it: {why}",
    "mend that, or do without it on both nodes: crm_resource --resource RESOURCE --set-parameter vaai "
    "--parameter-value '{rest}'; but a datastore that was made with it cannot be mounted then",
)
COARSE_GRANULARITY = Reason(
    Degraded,
    "hosts are told to unmap {blocks} blocks at a time, and {path} discards {unit}",
    "if its disk cannot do better: crm_resource --resource RESOURCE --set-parameter unmap_granularity "
    "--parameter-value {unit}; or the value of the coarser node: what is less stays allocated",
)


def split(
    attributes: dict[str, int], required: tuple[str, ...], preferred: tuple[str, ...]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Split LIO attributes by VAAI contract. `attributes` are those of a LUN with all primitives.

    Returns (required, preferred): required maps an attribute to its value, 0 for what is switched off; preferred maps
    each primitive of `preferred` to its attributes.
    """
    off = {name for primitive in ALL if primitive not in required + preferred for name in _GIVEN_BY[primitive]}
    if "max_write_same_len" in off:
        # A WRITE SAME with UNMAP is a WRITE SAME as well.
        off.add("emulate_tpws")
    wanted = {name: 0 if name in off else value for name, value in attributes.items()}
    may = {primitive: {name: wanted[name] for name in _GIVEN_BY[primitive] if wanted[name]} for primitive in preferred}
    optional = {name for values in may.values() for name in values}
    must = {name: value for name, value in wanted.items() if name not in optional}
    return must, {primitive: values for primitive, values in may.items() if values}


def provided_by(attributes: dict[str, int]) -> list[str]:
    """The primitives that a LUN with these attributes has."""
    return [primitive for primitive in ALL if any(attributes.get(name) for name in _GIVEN_BY[primitive])]


def disabled_attributes(primitive: str, attributes: dict[str, int]) -> list[str]:
    """The attributes of a primitive if all of them are 0; [] if any provides it."""
    return [] if primitive in provided_by(attributes) else list(_GIVEN_BY[primitive])


def contract_of_known_lun(
    required: tuple[str, ...], preferred: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return (required, preferred) for a LUN that hosts know already, from its configured contract.

    Only ATS stays required: a datastore that was made with it cannot be mounted without it. Without the others hosts
    lose time or space, which is no reason not to serve.
    """
    must = tuple(primitive for primitive in required if primitive == "ats")
    return must, tuple(primitive for primitive in required + preferred if primitive not in must)


def obstacle(primitive: str, path: str, place: str) -> str:
    """Return why the storage object at `place`, with the device `path`, cannot have a primitive: part of a reason."""
    return known_obstacle(primitive, path, place) or "the kernel refused it (see 'dmesg')"


def known_obstacle(primitive: str, path: str, place: str) -> str:
    """As `obstacle`, but only what is known beforehand (the kernel lacks the attribute, the device cannot discard);
    else "".
    """
    unknown = [name for name in _GIVEN_BY[primitive] if configfs.read(f"{place}/attrib/{name}") is None]
    if unknown:
        return f"kernel {os.uname().release} has no {unknown[0]}"
    limits = device_limits.of(path)
    if primitive == "unmap" and limits is not None and not limits.discards:
        return f"{path} cannot discard (see 'lsblk --discard {path}')"
    return ""


def attributes_of(primitive: str) -> tuple[str, ...]:
    """The attributes of LIO, any of which provides a primitive."""
    return _GIVEN_BY[primitive]


def refusal(primitive: str, node: str, why: str, attributes: dict[str, int]) -> Failure:
    """Return the failure of a start on `node` that cannot provide a required primitive. `attributes` are those that the
    LUN must have; `why` is the obstacle.
    """
    rest = " ".join(name for name in provided_by(attributes) if name != primitive) or "none"
    if primitive == "ats":
        return ATS_REFUSED(node=node, why=why, rest=rest)
    return REFUSED(primitive=primitive, node=node, why=why, rest=rest)


def coarse_granularity(path: str, attributes: dict[str, int]) -> str:
    """Return the reason if the device at `path` discards in larger units than the UNMAP granularity that hosts see;
    else "".
    """
    limits = device_limits.of(path)
    if limits is None or not limits.discards or "unmap" not in provided_by(attributes):
        return ""
    blocks = attributes["unmap_granularity"]
    if limits.frees(blocks * limits.logical_block_size):
        return ""
    unit = limits.discard_granularity // limits.logical_block_size
    return COARSE_GRANULARITY.text(blocks=blocks, path=path, unit=unit)
