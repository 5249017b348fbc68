# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that may hang in the kernel, done in a child so that the agent can give up in time and say why.

When DRBD freezes I/O, a write to configfs can sleep where no signal reaches it. A process that does such a write itself
cannot end; it is killed on its deadline without a reason, and not even then. Its parent can.
"""

from __future__ import annotations

import os
import select
import sys

from twinsan import errors
from twinsan.errors import DeadlinePassed, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from twinsan.deadline import Deadline

# A number instead of the module `signal`, which costs an import of `enum`; Linux never changes it.
_SIGKILL = 9

_DONE = "done"

# A child that gives up at the same deadline, for a lock perhaps, gets the time to say so.
_SECONDS_TO_REPORT = 0.2


def bounded(work: Callable[[], str | None], deadline: Deadline, doing: str) -> str:
    """Do `work` in a child; returns its words and raises what it raises.

    Raises DeadlinePassed, with `doing`, where it takes too long.
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
            raise _late(child, doing)
    finally:
        os.close(reading)
    os.waitpid(child, 0)
    return _words(report, doing)


def detached(work: Callable[[], None]) -> None:
    """Do `work` in a process that outlives this one, for what nobody should wait for. What it raises is lost."""
    if os.fork() != 0:
        return
    try:
        os.setsid()
        _let_go_of_the_caller()
        work()
    finally:
        os._exit(0)


def _work(work: Callable[[], str | None], writing: int) -> None:
    """The child's side; never returns."""
    report = "RuntimeError\nthe child ended without a report"
    try:
        _let_go_of_the_caller()
        report = f"{_DONE}\n{work() or ''}"
    except OSError as error:
        report = f"Failure\n{error}"
    except Failure as failure:
        report = f"{type(failure).__name__}\n{failure}"
    except BaseException as error:  # noqa: BLE001  the parent reports it as a defect
        report = f"RuntimeError\n{_whereabouts(error)}"
    finally:
        os.write(writing, report.encode("utf-8", "replace")[:4000])
        os._exit(0)


def _end_with(agent: int, writing: int) -> None:
    """Let the kernel kill this child when the agent ends, whatever ends it: the agent has the only other end of the
    pipe. A child that went on would make what the stop that follows takes away.
    """
    import fcntl

    fcntl.fcntl(writing, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(writing, fcntl.F_SETSIG, _SIGKILL)
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


def _late(child: int, doing: str) -> DeadlinePassed:
    """The failure for a child that does not end in time. It is killed: one that hangs dies once the kernel lets go of
    it, before it changes more.
    """
    from twinsan.system import stuck

    hangs = stuck.hangs(child)
    place = stuck.where(child) or "an unknown place"
    os.kill(child, _SIGKILL)
    if hangs:
        return DeadlinePassed(
            f"{doing} hangs in the kernel; look at 'drbdsetup status' and 'dmesg': the backing device does not answer, "
            f"or a session does not end; it hangs in {place}"
        )
    return DeadlinePassed(f"{doing} did not end in time; look at 'top' and 'dmesg': this node is slow")


def _words(report: str, doing: str) -> str:
    kind, _, text = report.partition("\n")
    if kind == _DONE:
        return text
    if not kind:
        raise Failure(f"{doing} ended without a word: its process was killed; look at 'dmesg'")
    failure = getattr(errors, kind, RuntimeError)
    raise failure(text)
