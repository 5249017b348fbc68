# SPDX-License-Identifier: GPL-2.0-or-later
"""The alias of a storage object: a free text of up to 511 characters, which lives as long as the object.

The agents keep in it what the kernel does not know of a LUN, as NAME=VALUE words. Nobody else reads it.
"""

from __future__ import annotations

from twinsan.lio import configfs


def read(place: str) -> dict[str, str]:
    """The values in the alias of the storage object at `place`, by name; empty if the agents did not write it."""
    words = (configfs.read(f"{place}/alias") or "").split()
    return dict(word.partition("=")[::2] for word in words if "=" in word)


def write(place: str, **values: str | int) -> None:
    """Replace the alias of the storage object at `place` by these values. No value may contain a blank."""
    configfs.set_if_different(f"{place}/alias", " ".join(f"{name}={value}" for name, value in values.items()))
