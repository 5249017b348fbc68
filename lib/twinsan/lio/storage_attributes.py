# SPDX-License-Identifier: GPL-2.0-or-later
"""The attributes of a storage object: the primitives of VAAI that it has, and its limits."""

from __future__ import annotations

import errno
import os

from twinsan.errors import Degraded, NotHere, Reason
from twinsan.host import device_limits
from twinsan.lio import configfs, primitives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container

    from twinsan.errors import Failure
    from twinsan.lio.storage_object import StorageObject

# Attributes that can be set only while the storage object is not exported. Each LUN has the same values.
FIXED = {
    # Write each registration to disk, asked for or not: only from there can it be carried to the other node.
    "force_pr_aptpl": "1",
    # By default the kernel takes it from the device, so that two nodes may differ; and no DRBD promises zeros after a
    # discard.
    "unmap_zeroes_data": "0",
}

PRIMITIVE_OFF = Reason(
    Degraded,
    "{primitive}, which parameter {parameter} names, is off: {why}",
    "once it can be had, and the hosts can bear a pause, type: crm_resource --restart --resource RESOURCE",
)
ATTRIBUTE_REFUSED = Reason(
    NotHere,
    "{attribute}={value} cannot be set for {path}: {error}",
    "the kernel may be too old for it: see 'uname -r' and 'dmesg'",
)


def planned(storage: StorageObject) -> dict[str, str]:
    """Return all attributes with their configured values, with FIXED."""
    values = (storage.attributes, *storage.preferred.values())
    wanted = {name: str(value) for group in values for name, value in group.items()}
    return {**FIXED, **wanted}


def effective(storage: StorageObject) -> dict[str, int]:
    """Return the configured attributes without those of preferred primitives that it lacks, and without FIXED."""
    lacking = _lacking(storage)
    had = [values for primitive, values in storage.preferred.items() if primitive not in lacking]
    return {name: value for values in (storage.attributes, *had) for name, value in values.items()}


def shortfall(storage: StorageObject, accepted: Container[str] = ()) -> str:
    """Return the reason if a preferred primitive is off, or if hosts see a finer UNMAP granularity than the device has;
    "" if neither is so. A primitive whose attributes `accepted` names as off, such as ``emulate_tpu=0``, is skipped.
    """
    return missing_primitive(storage, accepted, tuple(storage.preferred)) or primitives.coarse_granularity(
        storage.path, effective(storage)
    )


def missing_primitive(storage: StorageObject, accepted: Container[str], among: tuple[str, ...]) -> str:
    """Return the reason if one of the primitives `among` is off; "" if none is. For `accepted` see `shortfall`."""
    for primitive in _lacking(storage):
        if primitive not in among or all(f"{name}=0" in accepted for name in storage.preferred[primitive]):
            continue
        why = primitives.obstacle(primitive, storage.path, storage.place)
        parameter = "vaai" if primitive in storage.required else "vaai_preferred"
        return PRIMITIVE_OFF.text(primitive=primitive, parameter=parameter, why=why)
    return ""


def _lacking(storage: StorageObject) -> list[str]:
    """The preferred primitives that it lacks; an attribute that this kernel does not have counts as off. One that the
    configuration requires is included only if there is an obstacle: otherwise somebody has switched it off.
    """

    def is_off(name: str) -> bool:
        return configfs.read(f"{storage.place}/attrib/{name}") in (None, "0")

    off = [primitive for primitive, values in storage.preferred.items() if all(map(is_off, values))]
    return [
        primitive
        for primitive in off
        if primitive not in storage.required or primitives.known_obstacle(primitive, storage.path, storage.place)
    ]


def ensure(storage: StorageObject) -> None:
    """Set the attributes of the storage object. A preferred primitive that cannot be set is switched off.

    Raises NotHere for the first required attribute that the kernel refuses; the earlier ones are then set back.
    """
    before: dict[str, int] = {}
    try:
        _set(storage, storage.attributes, before)
    except OSError as error:
        _set(storage, before, {})
        raise _refusal(storage, error) from None
    for values in storage.preferred.values():
        try:
            _set(storage, values, {})
        except OSError:
            _set(storage, dict.fromkeys(values, 0), {})


def _set(storage: StorageObject, values: dict[str, int], before: dict[str, int]) -> None:
    """Set attributes, and store their previous values in `before`. Raises OSError for the first that is refused."""
    for name, value in values.items():
        place = f"{storage.place}/attrib/{name}"
        present = configfs.read(place)
        if present is None and value == 0:
            continue
        if present == "0" and value and name in primitives.attributes_of("unmap") and not _discards(storage):
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), place)
        configfs.set_if_different(place, str(value))
        if present is not None:
            before[name] = int(present)


def _discards(storage: StorageObject) -> bool:
    """Whether the device can discard; True if unknown. The kernel checks this only while max_unmap_block_desc_count is
    0, which it is not here (target_core_configfs.c, emulate_tpu_store).
    """
    limits = device_limits.of(storage.path)
    return limits is None or limits.discards


def _refusal(storage: StorageObject, error: OSError) -> Failure:
    """The failure for a required attribute that the kernel refuses."""
    name = os.path.basename(error.filename)
    value = storage.attributes[name]
    refused = primitives.provided_by({name: value})
    if not refused:
        return ATTRIBUTE_REFUSED(attribute=name, value=value, path=storage.path, error=configfs.describe(error))
    why = f"{primitives.obstacle(refused[0], storage.path, storage.place)}, {name}: {configfs.describe(error)}"
    wanted = [storage.attributes, *(storage.preferred[primitive] for primitive in storage.required)]
    everything = {name: value for values in wanted for name, value in values.items()}
    return primitives.refusal(refused[0], os.uname().nodename, why, everything)
