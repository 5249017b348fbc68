# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the persistent reservations of a LUN are kept between two nodes that serve it.

In the state volume (see `state`), where its DRBD resource has one. The kernel's file is a link into it, so that no
reservation is acknowledged before it is on both nodes. The kernel empties the file and then writes it. btrfs puts both
on the disk at once. Where a file system puts one after the other a power cut in between finds an empty file, and then
the copy counts that the last monitor made.

Without a state volume each monitor, and the stop, tells all nodes in an attribute (see `reservation_record`). What was
acknowledged since the last monitor is lost with the node, and all of it when both nodes go down. A LUN that was started
before its state volume was there goes on with the attribute until its next start.

Of the two, the one that was written last counts: a LUN may have been served for a while without its volume. Where the
volume has them and cannot be read, an older attribute is none the better for it; the LUN is not served then, unless it
is known that nothing was reserved, or nothing is known.

A file that a node has kept by itself is never believed: another node may have served since.
"""

from __future__ import annotations

import os
import time

from twinsan import rundir
from twinsan.errors import DeadlinePassed, Failure
from twinsan.system import reservations, state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.system.reservation_record import Record

# What the cluster may take to say or to learn what is reserved; without an answer the LUN is served all the same. Where
# nothing else could say what is reserved it is asked once more.
_SECONDS_FOR_CLUSTER = 3.0

# A node that joins the cluster again has forgotten what it was told.
_SECONDS_UNTIL_REPEATED = 60.0

# The copy is made in the background of a monitor, and must not outlast it where DRBD has frozen its I/O.
_SECONDS_FOR_COPY = 3.0


class Lost(Failure):
    """Reservations that are known to have been made, and cannot be given back to the kernel."""


class Store:
    """The reservations of the LUN with unit serial `serial`, which the cluster knows as `name`.

    `volume` is its state volume. `clustered` says whether there is a cluster to tell. `note` takes what an operator
    should know.
    """

    def __init__(
        self, serial: str, name: str, volume: state.Volume, note: Callable[[str], None], *, clustered: bool
    ) -> None:
        self._serial = serial
        self._name = name
        self._kernels = reservations.file(serial)
        self._volume = volume
        self._kept = f"{volume.where}/reservations/{serial}" if volume.mounted else None
        self._clustered = clustered
        self._note = note

    def bring_back(self, place: str, deadline: Deadline, *, required: bool = True) -> None:
        """Tell the kernel what is reserved, for the storage object at `place`, before a command can meet a LUN that is
        not. Raises Lost where something is known to be reserved and the kernel cannot be told, unless it is not
        `required`.
        """
        record = self._ask(deadline)

        def lose(lost: Lost) -> None:
            if required:
                raise lost
            self._note(f"served without what was reserved: {lost}")

        text = reservations.NONE
        try:
            text = self._recall(record)
        except Lost as lost:
            lose(lost)
        for refused in reservations.restore(place, text):
            lose(self._refused(refused))
        self._connect(text, record)
        self._tell(self._due(bool(reservations.registrations(text)), text), deadline, _SECONDS_UNTIL_REPEATED)

    def recall(self, deadline: Deadline) -> str:
        """What was reserved when the LUN was served last, on whatever node, as the kernel writes it. Raises Lost."""
        return self._recall(self._ask(deadline))

    def replace(self, text: str, deadline: Deadline) -> None:
        """Put other reservations in their place, while nobody serves the LUN. Raises Failure or OSError."""
        if self._kept is not None:
            self._prepare(self._kept, text, anew=True)
            state.write(f"{self._kept}.copy", text)
        from twinsan.system import reservation_record

        if self._kept is not None:
            reserved = bool(reservations.registrations(text))
            text = reservation_record.RESERVED if reserved else reservation_record.FREE
        if self._clustered:
            reservation_record.tell(self._serial, text, deadline.within(_SECONDS_FOR_CLUSTER))
        rundir.forget(self._told)

    @property
    def kept_in(self) -> str:
        """Where they are kept, in words."""
        return f"state volume of {self._volume.resource}" if self._kept is not None else "cluster"

    def _refused(self, registration: str) -> Lost:
        words = dict(word.partition("=")[::2] for word in registration.split(","))
        initiator = words.get("initiator_node", "?")
        return Lost(
            f"the kernel refuses a registration; type: twinsan reservations --lun {self._name} --remove {initiator}"
            f"{self._otherwise}"
        )

    def _recall(self, record: Record | None) -> str:
        from twinsan.system import reservation_record

        told = None if record is None or record.in_volume else record
        try:
            kept, written = self._read()
        except OSError as error:
            if record is not None and record.text == reservation_record.RESERVED:
                raise self._unreadable(error) from None
            self._note(f"what its state volume says is unknown, and nobody knows of a reservation: {error}")
            return told.text if told else reservations.NONE
        if told is not None and (kept is None or told.time > written):
            return told.text
        if kept is None and record is not None and record.text == reservation_record.RESERVED:
            raise Lost(
                "it was reserved, and no state volume here has its reservations; give its drbd-vaai the state_device "
                f"that it had{self._otherwise}"
            )
        return reservations.NONE if kept is None else kept

    def _read(self) -> tuple[str | None, float]:
        """What the state volume has, None where it has nothing, and when it was written. Raises OSError where there is
        one that cannot be read.
        """
        if self._kept is None:
            if not self._volume.where:
                return None, 0.0
            raise FileNotFoundError(f"{self._volume.where} is not mounted")
        kept = state.read(self._kept)
        if kept is None:
            return None, 0.0
        written = os.stat(self._kept).st_mtime
        if reservations.torn(kept):
            self._note(f"{self._kept} is cut off: this takes the reservations of the last monitor")
            kept = state.read(f"{self._kept}.copy") or reservations.NONE
        return kept, written

    def _unreadable(self, error: OSError) -> Lost:
        if self._kept is not None:
            return Lost(
                f"its reservations, {self._kept}, cannot be read ({error.strerror}); see 'dmesg'{self._otherwise}"
            )
        device, where = self._volume.device or "DEVICE", self._volume.where
        return Lost(
            f"its reservations are in the state volume of {self._volume.resource}, which is not mounted; type: mount "
            f"{device} {where}{self._otherwise}"
        )

    @property
    def _otherwise(self) -> str:
        return (
            f"; then: crm_resource --cleanup --resource {self._name}; or serve it without: crm_resource --resource "
            f"{self._name} --set-parameter require_reservations --parameter-value no"
        )

    def _connect(self, text: str, record: Record | None) -> None:
        """Let the kernel keep what is reserved from now on, where `text` was: before anybody sees the LUN. What the
        cluster knows of it is `record`.
        """
        rundir.forget(self._copied)
        rundir.forget(self._told)
        if record is not None:
            rundir.write(self._told, record.text)
        rundir.forget(self._kernels)
        try:
            if self._kept is not None:
                self._prepare(self._kept, text, anew=record is not None and not record.in_volume)
                os.symlink(self._kept, self._kernels)
                return
        except OSError as error:
            self._note(f"the state volume cannot be written: {error}")
        _write(self._kernels, text)

    def _prepare(self, path: str, text: str, *, anew: bool) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        # What takes the place of the attribute has to be newer than it.
        if anew or state.read(path) != text:
            state.write(path, text)
        state.make_synchronous(path)

    @property
    def connected(self) -> bool:
        """Whether the kernel writes to the state volume."""
        return self._kept is not None and os.path.islink(self._kernels) and os.readlink(self._kernels) == self._kept

    @property
    def fault(self) -> str:
        """Why the kernel does not write to the state volume, and what to type; "" where it does."""
        if self.connected:
            return ""
        restart = f"crm_resource --restart --resource {self._name}"
        if self._kept is not None:
            return f"its reservations are not in its state volume yet, so a power cut loses them; type: {restart}"
        if self._volume.where:
            device, where = self._volume.device or "DEVICE", self._volume.where
            return f"it is reserved without its state volume; type: mount {device} {where}; then: {restart}"
        return (
            f"it is reserved without a state volume; set its drbd-vaai's state_device, then type: {restart}; a power "
            "cut loses it until then"
        )

    def keep(self, place: str, deadline: Deadline) -> None:
        """Keep what is reserved now in the storage object at `place`, where it has changed: the task of a monitor."""
        if self.connected:
            self._copy(place, deadline)
        if self.connected or os.path.isfile(self._kernels):
            self._tell(self._due(reservations.exist(place)), deadline, _SECONDS_UNTIL_REPEATED)

    def let_go(self, reserved: bool | None, deadline: Deadline) -> None:
        """Keep it for the last time, and leave no file on this node: the task of a stop, when the LUN is gone.
        `reserved` says whether any initiator was registered; None where the LUN was gone before.

        The state volume is left alone, as its I/O may be frozen; the kernel has written there already.
        """
        if reserved is not None and os.path.lexists(self._kernels):
            self._tell(self._due(reserved), deadline, float("inf"))
        rundir.forget(self._kernels)

    def _due(self, reserved: bool, text: str | None = None) -> str:
        """What the cluster has to know; `text` is what the kernel's file says, where that was read already."""
        from twinsan.system import reservation_record

        if self.connected:
            return reservation_record.RESERVED if reserved else reservation_record.FREE
        return text or state.read(self._kernels) or reservations.NONE

    @property
    def _told(self) -> str:
        """The file that has what the cluster was told last."""
        return rundir.path(f"reservations.{self._serial[:200]}")

    @property
    def _copied(self) -> str:
        """The file that says what was reserved when the copy was made."""
        return rundir.path(f"reservations-copied.{self._serial[:200]}")

    def _copy(self, place: str, deadline: Deadline) -> None:
        """Copy the file, in a child: where DRBD has frozen its I/O a monitor must not hang with it."""
        now = reservations.signature(place)
        if _recent(self._copied, float("inf")) == now:
            return
        from twinsan.system import child

        def copy() -> None:
            text = state.read(str(self._kept)) or ""
            if not reservations.torn(text):
                state.write(f"{self._kept}.copy", text)

        try:
            child.bounded(copy, deadline.within(_SECONDS_FOR_COPY), f"copying {self._kept}")
        except (DeadlinePassed, Failure) as failure:
            self._note(f"the reservations could not be copied: {failure}")
            return
        rundir.write(self._copied, now)

    def _tell(self, text: str, deadline: Deadline, repeated: float) -> None:
        from twinsan.system import reservation_record

        if not self._clustered:
            return
        last = rundir.told(self._told, float("inf")) or ""
        nothing = text in (reservation_record.FREE, reservations.NONE)
        # That nothing is reserved need not be repeated, nor told where nobody was told of a reservation. But a volume
        # that is not in reach may hold some, which no longer count.
        unheard = nothing and not last and (self.connected or not self._volume.where)
        if unheard or (text == last and (nothing or rundir.told(self._told, repeated) is not None)):
            return
        try:
            reservation_record.tell(self._serial, text, deadline.within(_SECONDS_FOR_CLUSTER))
        except (Failure, OSError) as failure:
            self._note(f"the other node does not know what is reserved: {failure}")
            return
        rundir.write(self._told, text)

    def _ask(self, deadline: Deadline) -> Record | None:
        if not self._clustered:
            return None
        from twinsan.system import reservation_record

        # Twice where nothing else can tell: what passes by itself must not lose a reservation.
        for attempt in range(1 if self._kept is not None else 2):
            try:
                return reservation_record.read(self._serial, deadline.within(_SECONDS_FOR_CLUSTER))
            except (Failure, OSError) as failure:
                self._note(f"what was reserved is unknown after {attempt + 1} questions: {failure}")
        return None


def _recent(path: str, seconds: float) -> str | None:
    """A file's text where it is not older; else None."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read() if 0 <= time.time() - os.fstat(file.fileno()).st_mtime < seconds else None
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii", errors="replace") as file:
        file.write(text)
