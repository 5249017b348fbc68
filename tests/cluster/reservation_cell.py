# SPDX-License-Identifier: GPL-2.0-or-later
"""A cell of the matrix of reservations: a LUN, what initiators send to it, and what SPC-3 has it answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lab import reservations
from lab.initiators import Command
from lab.pair import INITIATOR
from lab.reservations import Registration

NAMES = (HOLDER, OTHER, STRANGER) = tuple(f"{INITIATOR}:{who}" for who in ("holder", "other", "stranger"))

# What the type of a reservation lets each of them do: r READ, w WRITE, v RESERVE as it is once more (SPC-3, table 31
# and 5.6.9; SBC-2, table 9). What it does not let them do meets RESERVATION CONFLICT.
ALLOWED = {
    #   holder   other    stranger
    1: ("r w v", "r - -", "r - -"),  # Write Exclusive
    3: ("r w v", "- - -", "- - -"),  # Exclusive Access
    5: ("r w v", "r w -", "r - -"),  # Write Exclusive, Registrants Only
    6: ("r w v", "r w -", "- - -"),  # Exclusive Access, Registrants Only
    7: ("r w v", "r w v", "r - -"),  # Write Exclusive, All Registrants
    8: ("r w v", "r w v", "- - -"),  # Exclusive Access, All Registrants
}
_ALL_REGISTRANTS = (7, 8)

GOOD, CONFLICT = 0, 24

_TEST_UNIT_READY: Command = {"cdb": bytes(6).hex()}
_INQUIRY: Command = {"cdb": "120000002400", "in": 36}
# The first block: 512 bytes.
_READ: Command = {"cdb": "28000000000000000100", "in": 512}
_WRITE: Command = {"cdb": "2a000000000000000100", "out": bytes(512).hex()}


@dataclass(frozen=True)
class Step:
    """A command of an initiator to a LUN; `wanted` is the status that it has to meet."""

    cell: Cell
    name: str
    what: str
    command: Command
    wanted: int = GOOD

    def __str__(self) -> str:
        return f"{self.cell}, {self.name.rpartition(':')[2]}: {self.what}"


@dataclass(frozen=True)
class State:
    """What a LUN tells of its registrations and its reservation."""

    keys: list[int]
    reservation: tuple[int, int] | None
    registrations: list[Registration]


@dataclass(frozen=True)
class Cell:
    """The LUN, the type of its reservation, and whether it is asked to keep that over a loss of power."""

    lun: int
    kind: int
    aptpl: bool

    def __str__(self) -> str:
        return f"LUN {self.lun} (type {self.kind}, APTPL {self.aptpl:d})"

    @property
    def is_exclusive(self) -> bool:
        """Whether a stranger may not even read."""
        return ALLOWED[self.kind][2] == "- - -"

    def key(self, name: str) -> int:
        """The initiator's key for this LUN."""
        return NAMES.index(name) + 1 << 32 | self.lun

    def keys(self, *names: str) -> dict[str, int]:
        """The keys of these initiators."""
        return {name: self.key(name) for name in names}

    def state(self, keys: dict[str, int], reserved: bool = True) -> State:
        """The state where these are registered and the holder has reserved."""
        every = self.kind in _ALL_REGISTRANTS
        # SPC-3, 6.11.3.2: where all registrants hold it, no key is named.
        held = (0 if every else keys[HOLDER], self.kind) if reserved else None
        told = [
            Registration(name, key, self.kind if reserved and (every or name == HOLDER) else 0)
            for name, key in keys.items()
        ]
        return State(sorted(keys.values()), held, sorted(told))

    def leave(self, name: str) -> Step:
        """End an initiator's registration, as it does itself."""
        return self.register(name, self.key(name), 0)

    def preempt(self, name: str) -> Step:
        """End an initiator's registration, as the holder."""
        change = reservations.change(reservations.PREEMPT, self.key(HOLDER), self.key(name), self.kind)
        return Step(self, HOLDER, "PREEMPT", change)

    def register(self, name: str, key: int, new: int) -> Step:
        """Change an initiator's key; 0 is for none."""
        return Step(self, name, "REGISTER", reservations.change(reservations.REGISTER, key, new, aptpl=self.aptpl))

    def reserve(self, name: str = HOLDER) -> Step:
        """Reserve it."""
        return Step(self, name, "RESERVE", reservations.change(reservations.RESERVE, self.key(name), kind=self.kind))

    def release(self) -> Step:
        """Release it, as its holder."""
        return Step(
            self, HOLDER, "RELEASE", reservations.change(reservations.RELEASE, self.key(HOLDER), kind=self.kind)
        )

    def clear(self) -> Step:
        """Take away reservation and registrations, as the holder, who has to be registered."""
        return Step(self, HOLDER, "CLEAR", reservations.change(reservations.CLEAR, self.key(HOLDER)))

    def clear_whatever_there_is(self) -> Iterator[Step]:
        """From any state to none."""
        change = reservations.change(reservations.REGISTER_AND_IGNORE, new=self.key(HOLDER), aptpl=self.aptpl)
        yield Step(self, HOLDER, "REGISTER AND IGNORE EXISTING KEY", change)
        yield self.clear()

    def make(self) -> Iterator[Step]:
        """From any state to that where holder and other are registered, and the holder has reserved."""
        yield from self.clear_whatever_there_is()
        for name in (HOLDER, OTHER):
            yield self.register(name, 0, self.key(name))
        yield self.reserve()

    def ask(self) -> Iterator[Step]:
        """The questions that `told` takes the answers of; the stranger may ask them as well as others."""
        for what, action in (
            ("READ KEYS", reservations.READ_KEYS),
            ("READ RESERVATION", reservations.READ_RESERVATION),
            ("READ FULL STATUS", reservations.READ_FULL_STATUS),
        ):
            yield Step(self, STRANGER, what, reservations.question(action))

    def write_freely(self) -> Iterator[Step]:
        """What meets no conflict where nothing is reserved."""
        for name in NAMES:
            yield Step(self, name, "WRITE", _WRITE)

    def attempt(self, name: str, registered: bool) -> Iterator[Step]:
        """All that changes nothing: what is allowed, and what is refused."""
        allowed = ALLOWED[self.kind][NAMES.index(name if registered else STRANGER)].split()
        yield Step(self, name, "TEST UNIT READY", _TEST_UNIT_READY)
        yield Step(self, name, "INQUIRY", _INQUIRY)
        for letter, what, command in (
            ("r", "READ", _READ),
            ("w", "WRITE", _WRITE),
            ("v", "RESERVE", self.reserve(name).command),
        ):
            yield Step(self, name, what, command, GOOD if letter in allowed else CONFLICT)
        for what, command in self._wrong(name, registered):
            yield Step(self, name, what, command, CONFLICT)

    def _wrong(self, name: str, registered: bool) -> Iterator[tuple[str, Command]]:
        key, change = self.key(name), reservations.change
        yield "RESERVE of another type", change(reservations.RESERVE, key, kind=8 if self.kind == 1 else 1)
        yield "REGISTER with a wrong key", change(reservations.REGISTER, key + 1, 1, aptpl=self.aptpl)
        if registered:
            return
        for what, action in (
            ("RELEASE", reservations.RELEASE),
            ("CLEAR", reservations.CLEAR),
            ("PREEMPT", reservations.PREEMPT),
            ("PREEMPT AND ABORT", reservations.PREEMPT_AND_ABORT),
        ):
            yield what, change(action, key, new=self.key(HOLDER), kind=self.kind)
