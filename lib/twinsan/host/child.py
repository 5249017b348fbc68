# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place that forks: work in a child with a deadline, and work in the background that outlives this process.

When DRBD freezes I/O, a write to configfs can sleep where no signal reaches it. A process that does such a write itself
cannot end: on its timeout the cluster sends a SIGKILL, which gives no reason and has no effect. A parent that leaves
the write to a child can give up in time, and say why.
"""

from __future__ import annotations

import os
import select
import sys

from twinsan import errors
from twinsan.errors import Failure, Reason, TooSlow
from twinsan.host import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from twinsan.deadline import Deadline
    from twinsan.host.message import Report

_DONE = "done"
# The kinds of messages of a child that sends pieces.
_PIECE, _END = b"p", b"e"

# Time for a child that gives up at the same deadline, while it waits for a lock perhaps, to report that.
_SECONDS_TO_REPORT = 0.2

HANGS = Reason(
    TooSlow,
    "{work} hangs in the kernel",
    "look at 'drbdsetup status' and 'dmesg': the backing device does not answer, or a session does not end; it hangs "
    "in {place}",
)
SLOW = Reason(TooSlow, "{work} did not end in time", "look at 'top' and 'dmesg': this node is slow")
KILLED = Reason(Failure, "{work} ended without a word: its process was killed", "look at 'dmesg'")


def run(work: Callable[[], str | None], deadline: Deadline, doing: str) -> str:
    """Do `work` in a child and return the text that it returns, of at most some 4000 bytes; "" for None.

    `doing` names the work in reasons, as in "making LUN 1". A failure of a class of ``twinsan.errors`` that `work`
    raises is raised here; for one of a subclass, such as CommandFailed, its base class there. Raises Failure for an
    OSError and for a child that was killed, and RuntimeError for a defect. Raises TooSlow if the work takes longer than
    `deadline`; the child is killed then, and ends as soon as the kernel lets go of it. It is also killed when this
    process ends.
    """
    reading, writing = os.pipe()
    agent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _end_with(agent, writing)
        _work(work, writing)
    os.close(writing)
    try:
        report = _await(reading, deadline)
        if report is None:
            raise _kill(child, doing)
    finally:
        os.close(reading)
    os.waitpid(child, 0)
    return _result(report, doing)


def run_detached(work: Callable[[], None]) -> None:
    """Do `work` in a process of its own that outlives this one, and return at once. What it raises is lost."""
    if os.fork() != 0:
        return
    try:
        os.setsid()
        _let_go_of_the_caller()
        work()
    finally:
        os._exit(0)


def prepare_detached(preparation: Callable[[], Callable[[], None]]) -> Callable[[], None]:
    """Do `preparation` in a process of its own, beside this one, and return a function. Once that has been called, the
    process does what the preparation has returned, and outlives this one. If this process ends before, it ends, too.
    What it raises is lost.
    """
    waiting, telling = os.pipe()

    def work() -> None:
        os.close(telling)
        prepared = preparation()
        if os.read(waiting, 1):
            prepared()

    run_detached(work)
    os.close(waiting)
    return lambda: _tell(telling)


def _tell(descriptor: int) -> None:
    try:
        os.write(descriptor, b"1")
    except BrokenPipeError:
        # The preparation has failed.
        return
    finally:
        os.close(descriptor)


def continue_in_background() -> bool:
    """Fork, so that the caller of this program can go on. Returns False in the parent, which has to end now, and True
    in the child, which has a session of its own, and /dev/null as its standard streams.
    """
    if os.fork() > 0:
        return False
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return True


def _work(work: Callable[[], str | None], writing: int) -> None:
    """The child's side; never returns."""

    def let_go_and_work() -> str | None:
        _let_go_of_the_caller()
        return work()

    try:
        os.write(writing, _report_of(let_go_and_work).encode("utf-8", "replace")[:4000])
    finally:
        os._exit(0)


def _report_of(work: Callable[[], str | None]) -> str:
    """Do `work`, and return for the parent what it returned or raised."""
    try:
        return f"{_DONE}\n{work() or ''}"
    except OSError as error:
        return f"Failure\n{error}"
    except Failure as failure:
        return f"{_common_kind(failure)}\n{failure}"
    except BaseException as error:  # noqa: BLE001  the parent reports it as a defect
        return f"RuntimeError\n{_whereabouts(error)}"


def _common_kind(failure: Failure) -> str:
    """The name of the failure's class in ``twinsan.errors``, which the parent knows, or of its base class there."""
    return next(kind.__name__ for kind in type(failure).__mro__ if kind.__module__ == errors.__name__)


def _end_with(agent: int, writing: int) -> None:
    """Let the kernel kill this child when the agent ends, for whatever reason: the agent has the only other end of the
    pipe. A child that went on could create again what the following stop removes.
    """
    import fcntl

    fcntl.fcntl(writing, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(writing, fcntl.F_SETSIG, signals.SIGKILL)
    fcntl.fcntl(writing, fcntl.F_SETFL, os.O_ASYNC)
    if os.getppid() != agent:
        os._exit(1)


def _let_go_of_the_caller() -> None:
    """Close the pipes of the cluster's executor: a child that hangs must not keep them open."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if stream is not None and not stream.isatty():
            try:
                os.dup2(nowhere, stream.fileno())
            except (OSError, ValueError):
                # Not a file at all, as under a test runner.
                continue


def _whereabouts(error: BaseException) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    place = f"{os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else "an unknown place"
    return f"{type(error).__name__} at {place}: {error}"


def _await(reading: int, deadline: Deadline) -> str | None:
    """The child's report; None where the deadline passes first."""
    ready, _, _ = select.select([reading], [], [], deadline.remaining() + _SECONDS_TO_REPORT)
    return os.read(reading, 4096).decode("utf-8", "replace") if ready else None


def _kill(child: int, doing: str) -> Failure:
    """Kill a child that does not end in time, and return the failure that says whether and where it hangs. A child that
    hangs dies once the kernel lets go of it, before it changes anything more.
    """
    from twinsan.host import kernel_wait

    hangs = kernel_wait.hangs(child)
    place = kernel_wait.functions(child) or "an unknown place"
    os.kill(child, signals.SIGKILL)
    if hangs:
        return HANGS(work=doing, place=place)
    _reap(child)
    return SLOW(work=doing)


def _result(report: str, doing: str) -> str:
    """The text that the work returned; raises what it raised."""
    kind, _, text = report.partition("\n")
    if kind == _DONE:
        return text
    if not kind:
        raise KILLED(work=doing)
    raise getattr(errors, kind, RuntimeError)(text)


def side_by_side(
    works: Mapping[str, Callable[[], Iterable[bytes]]], deadline: Deadline, meanwhile: Callable[[], None] | None = None
) -> dict[str, Report]:
    """Do all `works` at the same time, each in a child, and return what each has sent until `deadline`, by its name.
    What cannot hang may be done `meanwhile` here, and ends before the deadline.

    For works that only look: nothing kills a child if this process is killed. A work returns or yields pieces, and each
    is sent at once: what was seen before a hang counts. The name of a work completes "... hangs in the kernel".
    """
    from twinsan.host.message import Report

    children: dict[int, tuple[str, int, bytearray]] = {}
    reports = {name: Report() for name in works}
    for name, work in works.items():
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            _send_pieces(work, writing)
        os.close(writing)
        children[reading] = (name, pid, bytearray())
    if meanwhile is not None:
        meanwhile()
    while children and (ready := select.select(list(children), [], [], deadline.remaining())[0]):
        for reading in ready:
            name, pid, received = children[reading]
            received += (data := os.read(reading, 1 << 16))
            if not data:
                os.close(reading)
                os.waitpid(pid, 0)
                reports[name] = _report(received, name)
                del children[reading]
    for reading, (name, pid, received) in children.items():
        os.close(reading)
        reports[name] = _report(received, name)
        reports[name].failure = _kill(pid, name)
    return reports


def _reap(pid: int) -> None:
    """Wait a moment for the end of a child that was killed. One that hangs in the kernel by now is left behind."""
    ended = os.pidfd_open(pid)
    try:
        if select.select([ended], [], [], _SECONDS_TO_REPORT)[0]:
            os.waitpid(pid, 0)
    finally:
        os.close(ended)


def _send_pieces(work: Callable[[], Iterable[bytes]], writing: int) -> None:
    """The child's side; never returns."""
    from twinsan.host import message

    def send_all() -> None:
        _let_go_of_the_caller()
        for piece in work():
            message.send(writing, _PIECE, piece)

    try:
        message.send(writing, _END, _report_of(send_all).encode("utf-8", "replace"))
    finally:
        os._exit(0)


def _report(received: bytearray, name: str) -> Report:
    """What a child has sent."""
    from twinsan.host import message

    report = message.Report()
    report.failure = KILLED(work=name)
    for kind, text in message.whole(bytes(received)):
        if kind == _PIECE:
            report.pieces.append(text)
            continue
        try:
            _result(text.decode("utf-8", "replace"), name)
            report.failure = None
        except Exception as failure:  # noqa: BLE001  what the child raised
            report.failure = failure
    return report
