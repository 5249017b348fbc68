# SPDX-License-Identifier: GPL-2.0-or-later
"""The one place that starts programs.

No shell, the C locale, a small environment and an empty standard input: the output of a program can be parsed, and it
cannot prompt. The module `subprocess` does the same, but importing it takes longer than a monitor may take.
"""

from __future__ import annotations

import os
import select

from twinsan.errors import Failure, NotInstalled, Reason, TooSlow
from twinsan.host import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinsan.deadline import Deadline

# DRBD's kernel threads call handlers with next to no environment, so the caller's environment is not used.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# How long a killed program is waited for. One that is inside a system call of DRBD may be unkillable for ever.
_SECONDS_TO_DIE = 0.5

# How much is kept of a program's output and of its errors, in bytes each: the CIB of a large cluster has a few MiB.
_MOST_KEPT = 16 << 20

_DEBIAN_PACKAGES = {
    "arping": "iputils-arping",
    "attrd_updater": "pacemaker-cli-utils",
    "cibadmin": "pacemaker-cli-utils",
    "crm_node": "pacemaker",
    "crm_resource": "pacemaker-cli-utils",
    "crmadmin": "pacemaker-cli-utils",
    "drbdadm": "drbd-utils",
    "drbdsetup": "drbd-utils",
    "ip": "iproute2",
    "modprobe": "kmod",
    "mount": "mount",
    "ss": "iproute2",
    "ssh": "openssh-client",
}

ENDED_WITH_STATUS = Reason(Failure, "{command}: {message} (exit status {status})")
ENDED_BY_SIGNAL = Reason(Failure, "{command}: {message} (killed by signal {signal})")
MISSING = Reason(NotInstalled, "the program {program} is missing", "install it (Debian: apt install {package})")
MISSING_FROM_PATH = Reason(NotInstalled, f"the program {{program}} is missing from {PATH}")


def _reasons_to_kill(kind: type[Failure], what: str, remedy: str = "") -> tuple[Reason, Reason, Reason]:
    """Return three reasons: for a program that was killed, for one that cannot be killed, and for one that cannot be
    killed and whose place in the kernel is known.
    """
    hangs = f"{what} and hangs in the kernel"
    return (
        Reason(kind, what, remedy),
        Reason(kind, f"{hangs}, where nothing can kill it", remedy),
        Reason(kind, f"{hangs} in {{place}}, where nothing can kill it", remedy),
    )


PRINTS_WITHOUT_END = _reasons_to_kill(Failure, "{command} prints without end", "try by hand what it says")
TOO_LATE = _reasons_to_kill(TooSlow, "{command} did not end in time")


class Result:
    """The result of a program: its exit status (negative: the signal that ended it) and what it printed."""

    __slots__ = ("argv", "status", "stderr", "stdout")

    def __init__(self, argv: tuple[str, ...], status: int, stdout: str, stderr: str) -> None:
        self.argv = argv
        self.status = status
        self.stdout = stdout
        self.stderr = stderr

    @property
    def ok(self) -> bool:
        """Whether the program says that it succeeded."""
        return self.status == 0

    @property
    def complaint(self) -> str:
        """What the program says went wrong: its standard error, or else its output, as one line of at most 300
        characters.
        """
        lines = [line.strip() for line in (self.stderr or self.stdout).splitlines()]
        text = "; ".join(line for line in lines if line)
        return text if len(text) <= 300 else text[:297] + "..."


class CommandFailed(Failure):
    """A program ended with a status other than 0. `result` is its result."""

    def __init__(self, result: Result) -> None:
        command, message = " ".join(result.argv), result.complaint or "no message"
        if result.status >= 0:
            super().__init__(ENDED_WITH_STATUS.text(command=command, message=message, status=result.status))
        else:
            super().__init__(ENDED_BY_SIGNAL.text(command=command, message=message, signal=-result.status))
        self.result = result


def run(
    *argv: str,
    deadline: Deadline,
    input: str = "",  # noqa: A002  as in subprocess
    check: bool = True,
    environment: Mapping[str, str] | None = None,
) -> Result:
    """Run a program to its end and return its result. `input` is its standard input, `environment` what is added to its
    small environment. Raises NotInstalled if the program is missing, and as `Started.result` does.
    """
    return start(*argv, input=input, environment=environment).result(deadline, check=check)


class Started:
    """A program that runs beside this one. Its result has to be asked for, or it stays a zombie. It is held up while
    more of its output than a pipe takes (64 KiB) is unread.
    """

    __slots__ = ("_argv", "_pid", "_pipes")

    def __init__(self, argv: tuple[str, ...], pid: int, pipes: _Pipes) -> None:
        self._argv = argv
        self._pid = pid
        self._pipes = pipes

    def result(self, deadline: Deadline, *, check: bool = True) -> Result:
        """Wait for its end and return its result.

        Raises CommandFailed for a status other than 0, unless `check` is False; TooSlow if `deadline` passes; Failure
        if it prints more than 16 MiB. In the last two cases the program and its helpers are killed, unless they hang in
        the kernel.
        """
        status, stdout, stderr = _attend(self._argv, self._pid, deadline, self._pipes)
        result = Result(self._argv, status, stdout, stderr)
        if check and status != 0:
            raise CommandFailed(result)
        return result


def start(
    *argv: str,
    input: str = "",  # noqa: A002  as in subprocess
    environment: Mapping[str, str] | None = None,
) -> Started:
    """Start a program and return at once; otherwise as `run`. Raises NotInstalled if it is missing."""
    program = find(argv[0])
    stdin_read, stdin_write = os.pipe() if input else (os.open(os.devnull, os.O_RDONLY), -1)
    stdout_read, stdout_write = os.pipe()
    stderr_read, stderr_write = os.pipe()
    try:
        pid = os.posix_spawn(
            program,
            argv,
            {**(environment or {}), "PATH": PATH, "LC_ALL": "C"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, stdin_read, 0),
                (os.POSIX_SPAWN_DUP2, stdout_write, 1),
                (os.POSIX_SPAWN_DUP2, stderr_write, 2),
            ],
            # A group of its own, so that a kill reaches the helpers of drbdadm too.
            setpgroup=0,
            # Python ignores SIGPIPE, and what is ignored stays ignored in a child.
            setsigdef=[signals.SIGPIPE],
        )
    except BaseException:
        for descriptor in (stdin_write, stdout_read, stderr_read):
            if descriptor >= 0:
                os.close(descriptor)
        raise
    finally:
        for descriptor in (stdin_read, stdout_write, stderr_write):
            os.close(descriptor)
    return Started(argv, pid, _Pipes(stdin_write, input.encode(), stdout_read, stderr_read))


def find(name: str) -> str:
    """Return the path of a program, which is looked for in PATH unless `name` has a slash. Raises NotInstalled if it is
    missing, with the program and its package.
    """
    candidates = [name] if "/" in name else [os.path.join(folder, name) for folder in PATH.split(":")]
    for path in candidates:
        if os.access(path, os.X_OK):
            return path
    package = _DEBIAN_PACKAGES.get(name, "")
    raise MISSING(program=name, package=package) if package else MISSING_FROM_PATH(program=name)


class _Pipes:
    """Our ends of the program's pipes, and what was read from them."""

    def __init__(self, stdin: int, text: bytes, stdout: int, stderr: int) -> None:
        self.stdin = stdin
        self.unwritten = text
        self.received = {stdout: bytearray(), stderr: bytearray()}
        self.open = [stdout, stderr]
        if stdin >= 0:
            os.set_blocking(stdin, False)

    def move(self, seconds: float, ended: int) -> None:
        """Wait for up to `seconds` until something can be read or written, or the program ends; read and write it."""
        writers = [self.stdin] if self.stdin >= 0 else []
        readable, writable, _ = select.select([*self.open, ended], writers, [], seconds)
        for descriptor in readable:
            if descriptor != ended:
                self._read(descriptor)
        if writable:
            self._write()

    @property
    def overflow(self) -> bool:
        """Whether the program printed more than is kept."""
        return any(len(data) > _MOST_KEPT for data in self.received.values())

    def _read(self, descriptor: int) -> None:
        data = os.read(descriptor, 65536)
        self.received[descriptor] += data
        if not data:
            self.open.remove(descriptor)

    def _write(self) -> None:
        try:
            self.unwritten = self.unwritten[os.write(self.stdin, self.unwritten) :]
        except BrokenPipeError:
            self.unwritten = b""
        if not self.unwritten:
            os.close(self.stdin)
            self.stdin = -1

    def drain(self) -> None:
        """Read what is in the pipes, without waiting for a helper that may hold them open."""
        while not self.overflow and (readable := select.select(self.open, [], [], 0)[0]):
            for descriptor in readable:
                self._read(descriptor)

    def close(self) -> None:
        for descriptor in (self.stdin, *self.received):
            if descriptor >= 0:
                os.close(descriptor)


def _attend(argv: tuple[str, ...], pid: int, deadline: Deadline, pipes: _Pipes) -> tuple[int, str, str]:
    """Write to the program and read from it until it ends. Returns its status, output and errors. Does not wait for the
    end of the output: a daemon that the program leaves behind keeps the pipes open.
    """
    ended = os.pidfd_open(pid)
    try:
        while not _has_ended(ended):
            if pipes.overflow:
                raise _kill(argv, pid, ended, PRINTS_WITHOUT_END)
            if deadline.expired():
                raise _kill(argv, pid, ended, TOO_LATE)
            pipes.move(deadline.remaining(), ended)
        pipes.drain()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        stdout, stderr = (data.decode(errors="replace") for data in pipes.received.values())
        return status, stdout, stderr
    finally:
        os.close(ended)
        pipes.close()


def _has_ended(ended: int) -> bool:
    return bool(select.select([ended], [], [], 0)[0])


def _kill(argv: tuple[str, ...], pid: int, ended: int, reasons: tuple[Reason, Reason, Reason]) -> Failure:
    """Kill the program. Returns the failure to raise, by the one of `reasons` that says whether it could be killed."""
    from twinsan.host import kernel_wait

    killed, hangs, hangs_in = reasons
    command, place = " ".join(argv), kernel_wait.functions(pid)
    try:
        os.killpg(pid, signals.SIGKILL)
    except ProcessLookupError:
        pass
    if select.select([ended], [], [], _SECONDS_TO_DIE)[0]:
        os.waitpid(pid, 0)
        return killed(command=command)
    return hangs_in(command=command, place=place) if place else hangs(command=command)
