# SPDX-License-Identifier: GPL-2.0-or-later
"""Keep the persistent reservations of a LUN over a failover. If its DRBD resource has a state volume, they are in it
(see `reservation_file`): the kernel's file is a symbolic link into the volume, so that no reservation is acknowledged
before it is on both nodes.

Without a state volume, each monitor and the stop publish them in an attribute of all nodes (see `reservation_record`).
Reservations acknowledged since the last monitor are then lost with the node, and all of them when both nodes go down. A
LUN that was started before its state volume was there uses the attribute until its next start.

Of the two, the one written last counts, because a LUN may have been served for a while without its volume. If the
volume is known to hold reservations and cannot be read, the LUN is not served. It is served if nothing was reserved, or
if nothing is known of a reservation. A file that a node has kept by itself is never used: another node may have served
since.
"""

from __future__ import annotations

import os

from twinsan.disk import reservation_file
from twinsan.disk.reservation_file import ReservationFile
from twinsan.disk.reservation_publication import Publication
from twinsan.errors import Degraded, Failure, Reason
from twinsan.host import durable_file
from twinsan.lio import reservations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline
    from twinsan.disk.reservation_record import Record
    from twinsan.drbd import state_volume


class Lost(Failure):
    """Reservations are known to have been made, and cannot be restored in the kernel."""


_OR_WITHOUT = (
    "; then: crm_resource --cleanup --resource {lun}; or serve it without: crm_resource --resource {lun} "
    "--set-parameter require_reservations --parameter-value no"
)

REFUSED = Reason(
    Lost,
    "the kernel refuses a registration",
    "type: twinsan reservations --lun {lun} --remove {initiator}" + _OR_WITHOUT,
)
GONE = Reason(
    Lost,
    "it was reserved, and no state volume here has its reservations",
    "give its drbd-vaai the state_device that it had" + _OR_WITHOUT,
)
UNREADABLE = Reason(Lost, "its reservations, {file}, cannot be read ({error})", "see 'dmesg'" + _OR_WITHOUT)
NOT_MOUNTED = Reason(
    Lost,
    "its reservations are in the state volume of {resource}, which is not mounted",
    "type: mount {device} {where}" + _OR_WITHOUT,
)

_RESTART = "crm_resource --restart --resource {lun}"

NOT_IN_VOLUME_YET = Reason(
    Degraded, "its reservations are not in its state volume yet, so a power cut loses them", "type: " + _RESTART
)
VOLUME_NOT_MOUNTED = Reason(
    Degraded, "it is reserved without its state volume", "type: mount {device} {where}; then: " + _RESTART
)
WITHOUT_VOLUME = Reason(
    Degraded,
    "it is reserved without a state volume",
    "set its drbd-vaai's state_device, then type: " + _RESTART + "; a power cut loses it until then",
)


class Store:
    """The reservations of the LUN with unit serial `serial`. `name` is that of its cluster resource, for commands in
    reasons. `volume` is its state volume. `clustered` is whether there is a cluster to publish to. `log` writes to the
    log.
    """

    def __init__(
        self, serial: str, name: str, volume: state_volume.Volume, log: Callable[[str], None], *, clustered: bool
    ) -> None:
        self._serial = serial
        self._name = name
        self._volume = volume
        self._log = log
        # The path that the kernel writes to, and the file in the state volume if that is mounted.
        self._kernels = reservations.aptpl_file(serial)
        self._file = ReservationFile(volume.where, serial, log) if volume.mounted else None
        self._publication = Publication(serial, log, clustered=clustered)

    def restore(self, place: str, deadline: Deadline, *, required: bool = True, known_in: str = "") -> None:
        """Give the kernel the reservations, for the storage object at `place`, before initiators see the LUN. Raises
        Lost if something is known to be reserved and cannot be restored; if `required` is not set, that is only logged.

        `known_in` is the device of the state volume to which the kernel of the node that served last wrote them; "" if
        that is unknown. If it is the volume here and can be read, the cluster is not asked: a failover need not wait.
        """
        unasked = bool(known_in) and self._reads_from(known_in)
        record = None if unasked else self._ask(deadline)

        def lose(lost: Failure) -> None:
            if required:
                raise lost
            self._log(f"served without what was reserved: {lost}")

        text = reservations.NONE
        try:
            text = self._later_of(record)
        except Lost as lost:
            lose(lost)
        for refused in reservations.restore(place, text):
            words = dict(word.partition("=")[::2] for word in refused.split(","))
            lose(REFUSED(lun=self._name, initiator=words.get("initiator_node", "?")))
        self._connect(text, record)
        if unasked and self.connected:
            self._publication.begin_unasked()
            return
        if unasked:
            self._publication.begin_with(self._ask(deadline))
        due = self._due(bool(reservations.metadata_lines(text)), text)
        self._publication.publish_when_due(due, deadline, silent=self._silent)

    def _reads_from(self, device: str) -> bool:
        from twinsan.drbd import state_volume

        try:
            here = os.path.realpath(state_volume.mounted_device(self._volume.where)) == os.path.realpath(device)
            return here and self._file is not None and self._file.read()[0] is not None
        except OSError:
            return False

    def last_reservations(self, deadline: Deadline) -> str:
        """Return what was reserved when the LUN was served last, on any node, as the kernel writes it. Raises Lost if
        something is known to be reserved and it cannot be read.
        """
        return self._later_of(self._ask(deadline))

    def replace(self, text: str, deadline: Deadline) -> None:
        """Replace the reservations by those in `text`, while no node serves the LUN. Raises Failure or OSError."""
        if self._file is not None:
            from twinsan.disk import reservation_record

            self._file.replace(text)
            text = reservation_record.summary(reserved=bool(reservations.metadata_lines(text)))
        self._publication.publish(text, deadline)

    @property
    def kept_in(self) -> str:
        """Where the reservations are kept, in words for the operator."""
        return f"state volume of {self._volume.resource}" if self._file is not None else "cluster"

    @property
    def connected(self) -> bool:
        """Whether the kernel writes to the state volume."""
        path = self._file.path if self._file is not None else ""
        return bool(path) and os.path.islink(self._kernels) and os.readlink(self._kernels) == path

    @property
    def fault(self) -> str:
        """The reason why the kernel does not write to the state volume; "" if it does."""
        if self.connected:
            return ""
        if self._file is not None:
            return NOT_IN_VOLUME_YET.text(lun=self._name)
        if self._volume.where:
            return VOLUME_NOT_MOUNTED.text(device=self._device, where=self._volume.where, lun=self._name)
        return WITHOUT_VOLUME.text(lun=self._name)

    def save(self, place: str, deadline: Deadline, reachable: Callable[[], bool]) -> None:
        """Copy and publish the present reservations of the storage object at `place`, if that is due. For a monitor.

        What the start did not ask the cluster is asked as soon as `reachable` returns whether initiators reach the LUN.
        """
        if self._file is not None and self.connected:
            self._file.copy(place, deadline)
        if self._publication.is_unasked() and not (reachable() and self._publication.catch_up(deadline)):
            return
        if self.connected or os.path.isfile(self._kernels):
            due = self._due(bool(reservations.has_registrants(place)))
            self._publication.publish_when_due(due, deadline, silent=self._silent)

    def save_at_stop(self, reserved: bool | None, deadline: Deadline) -> None:
        """Publish what was reserved, and remove the kernel's file. For a stop, after the LUN was removed. `reserved` is
        whether any initiator was registered; None if the LUN was gone before the stop.

        The state volume is not touched, because its I/O may be frozen. The kernel has written to it already.
        """
        if reserved is not None and os.path.lexists(self._kernels):
            self._publication.publish_when_due(self._due(reserved), deadline, silent=self._silent, repeat=False)
        _remove(self._kernels)

    def _ask(self, deadline: Deadline) -> Record | None:
        # Twice if there is no file to read: a transient failure must not lose a reservation.
        return self._publication.ask(deadline, attempts=1 if self._file is not None else 2)

    def _later_of(self, record: Record | None) -> str:
        """What was reserved last, by the state volume or by the cluster's record, whichever is later. Raises Lost."""
        from twinsan.disk import reservation_record

        in_record = None if record is None or record.in_volume else record
        reserved = record is not None and record.text == reservation_record.RESERVED
        try:
            in_file, written = self._read_file()
        except OSError as error:
            if reserved:
                raise self._unreadable(error) from None
            self._log(f"what its state volume says is unknown, and nobody knows of a reservation: {error}")
            return in_record.text if in_record else reservations.NONE
        if in_record is not None and (in_file is None or in_record.time > written):
            return in_record.text
        if in_file is None and reserved:
            raise GONE(lun=self._name)
        return reservations.NONE if in_file is None else in_file

    def _read_file(self) -> tuple[str | None, float]:
        """As ReservationFile.read. Also raises OSError if a state volume is configured and not mounted."""
        if self._file is not None:
            return self._file.read()
        if self._volume.where:
            raise FileNotFoundError(f"{self._volume.where} is not mounted")
        return None, 0.0

    def _unreadable(self, error: OSError) -> Failure:
        if self._file is not None:
            return UNREADABLE(file=self._file.path, error=error.strerror, lun=self._name)
        resource, where = self._volume.resource, self._volume.where
        return NOT_MOUNTED(resource=resource, device=self._device, where=where, lun=self._name)

    @property
    def _device(self) -> str:
        """The device of the state volume, for commands in reasons."""
        return self._volume.device or "DEVICE"

    def _connect(self, text: str, record: Record | None) -> None:
        """Prepare the file for the kernel, with `text` in it, before initiators see the LUN: a link into the state
        volume, or a plain file if that is not possible. `record` is what the cluster knows.
        """
        reservation_file.copied_note(self._serial).forget()
        self._publication.begin_with(record)
        _remove(self._kernels)
        try:
            if self._file is not None:
                self._file.write(text, anew=record is not None and not record.in_volume)
                os.symlink(self._file.path, self._kernels)
                return
        except OSError as error:
            self._log(f"the state volume cannot be written: {error}")
        _write(self._kernels, text)

    def _due(self, reserved: bool, text: str | None = None) -> str:
        """The text to publish to the cluster. `text` is the content of the kernel's file, if it was read already."""
        from twinsan.disk import reservation_record

        if self.connected:
            return reservation_record.summary(reserved=reserved)
        return text or durable_file.read(self._kernels) or reservations.NONE

    @property
    def _silent(self) -> bool:
        """Whether it need not be published that nothing is reserved. It must be if a state volume is configured and not
        in use: that may hold old reservations, which do not count any more.
        """
        return self.connected or not self._volume.where


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii", errors="replace") as file:
        file.write(text)
