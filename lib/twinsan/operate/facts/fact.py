# SPDX-License-Identifier: GPL-2.0-or-later
"""Records of facts, as dataclasses are, each field with its description; and their JSON.

`dataclasses` compiles methods for each class when it is imported. With its own imports that takes 0.2 s in a guest of
the lab: a tenth of what ``twinsan status`` may take.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from typing_extensions import dataclass_transform

    Kind = TypeVar("Kind", bound="Record")
else:

    def dataclass_transform(**_: Any) -> Any:  # noqa: ANN401
        """Return what does nothing: it is for type checkers alone."""
        return lambda kind: kind


def fact(description: str) -> Any:  # noqa: ANN401  any type of field
    """A field with its description for the schema."""
    return description


@dataclass_transform(frozen_default=True, field_specifiers=(fact,))
class Record:
    """A record whose fields are the annotated names of its class. It is made with a value for each field, does not
    change, and is equal to another one of its class with the same values.
    """

    # Of each field, the description.
    descriptions: dict[str, str]

    def __init_subclass__(cls) -> None:
        cls.descriptions = {name: cls.__dict__[name] for name in cls.__annotations__}

    def __init__(self, *values: object, **named: object) -> None:
        """Take the values in the order of the fields, or by name. Raises TypeError if they are not one for each."""
        given = dict(zip(self.descriptions, values), **named)
        if len(given) != len(values) + len(named) or given.keys() != self.descriptions.keys():
            raise TypeError(f"{type(self).__name__} takes one value for each of: {', '.join(self.descriptions)}")
        vars(self).update(given)

    def __setattr__(self, name: str, value: object) -> None:
        """Raise AttributeError: a record does not change."""
        raise AttributeError(f"{type(self).__name__} does not change; see replace()")

    def __eq__(self, other: object) -> bool:
        """Whether `other` is of the same class with the same values."""
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        """By the values; raises TypeError if one of them has no hash."""
        return hash(tuple(vars(self)[name] for name in self.descriptions))

    def __repr__(self) -> str:
        """As it could be made again."""
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def replace(record: Kind, **values: object) -> Kind:
    """Return a record like `record`, with other values for some fields. Raises TypeError for a field that it has
    not.
    """
    return type(record)(**{**vars(record), **values})


def as_json(value: object) -> Any:  # noqa: ANN401  what json takes
    """Return facts as json takes them, with the names of the fields."""
    if isinstance(value, Record):
        return {name: as_json(getattr(value, name)) for name in value.descriptions}
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    return value
