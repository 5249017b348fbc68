# SPDX-License-Identifier: GPL-2.0-or-later
"""A fact: a field of a dataclass with its description, and its JSON."""

from __future__ import annotations

import dataclasses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def fact(description: str, **more: Any) -> Any:  # noqa: ANN401  any type of field
    """A field with its description for the schema."""
    return dataclasses.field(metadata={"description": description}, **more)


def as_json(value: object) -> Any:  # noqa: ANN401  what json takes
    """Return facts as json takes them, with the names of the fields."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    return value
