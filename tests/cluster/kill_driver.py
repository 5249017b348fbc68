# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a guest: kills an agent at every system call that changes something, and looks how stop and start cope.

The agents are loaded once, and each action is a fork of this process (forked_agent). It is traced (ptrace), and stopped
where it enters a system call; a process that is killed there dies before the call does anything. So the point after a
call is the entry of the next one.

A point is a call, and who is killed at it:

- all: the agent and the child that does its work, as Pacemaker's executor kills their process group;
- agent: the agent alone, as the kernel does when memory is short; what it leaves must not spoil what follows;
- child: the child alone, so that the agent has to say what happened.

The plan says whether every call is a point, or a sample: the first, the last, and every so many in between.

After each: stop must end with 0 and leave nothing, start must end with 0, and monitor find it running.

It reads its plan as JSON from standard input, and prints what it found as JSON.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from tests.cluster import forked_agent

CONFIGFS = "/sys/kernel/config"
STATE = "/run/twinsan"
STDERR = "/run/kill-driver.stderr"

# Folders that come and go with their object.
_INNARDS = ("alua", "attrib", "auth", "param", "pr", "statistics", "fabric_statistics", "wwn")

_TRACEME, _PEEKUSER, _SYSCALL, _DETACH, _SETOPTIONS = 0, 3, 24, 17, 0x4200
_SYSGOOD, _FORK, _VFORK, _CLONE, _EXEC, _EXITKILL = 1, 2, 4, 8, 16, 0x100000
_FORKS, _EXECUTED = (1, 2, 3), 4
_WALL = 0x40000000

# Offsets into the registers (sys/user.h): the number of the call, and its arguments.
_NUMBER, _FIRST, _SECOND, _THIRD = 15 * 8, 14 * 8, 13 * 8, 12 * 8

# By their numbers on x86-64: with the path as the first argument, and with it as the second.
_BY_PATH = {82: "rename", 83: "mkdir", 84: "rmdir", 87: "unlink", 88: "symlink"}
_BY_FOLDER = {258: "mkdir", 263: "unlink", 264: "rename", 266: "symlink", 316: "rename"}
_OPEN, _WRITE, _PWRITE, _SENDTO, _SENDMSG, _IOCTL, _EXECVE = 257, 1, 18, 44, 46, 16, 59

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> int:
    value: int = _libc.ptrace(request, pid, address, data)
    return value


def _traced() -> list[int]:
    """All that this process traces: also those who are traced from their birth, and were not heard of yet."""
    mark = f"\nTracerPid:\t{os.getpid()}\n"
    return [int(pid) for pid in os.listdir("/proc") if pid.isdecimal() and mark in _read_text(f"/proc/{pid}/status")]


def _detach(pid: int) -> None:
    """Trace a process no longer. The kernel lets go only one that stands still."""
    if _ptrace(_DETACH, pid) == 0:
        return
    try:
        os.kill(pid, signal.SIGSTOP)
        if os.WIFSTOPPED(os.waitpid(pid, _WALL)[1]):
            _ptrace(_DETACH, pid)
            os.kill(pid, signal.SIGCONT)
    except (ProcessLookupError, ChildProcessError):
        # It has ended meanwhile.
        pass


class Action:
    """One traced action; `killed` is the call at which somebody was killed, or empty where it ran to its end; `calls`
    is how many were seen until then.
    """

    def __init__(
        self, agent: str, action: str, parameters: dict[str, str], number: int, victims: str, *, background: bool
    ) -> None:
        self.killed = ""
        self.calls = 0
        self.by_child = False
        # Whether it has a session of its own: nobody waits for it.
        self.by_detached = False
        self.status = 0
        self._program = 0
        self._number = number
        self._victims = victims
        # Whether what it does in a session of its own, which nobody waits for, has points as well.
        self._background = background
        self._entered: dict[int, bool] = {}
        self._main = _fork(agent, action, parameters, traced=True)
        self._follow()

    def _follow(self) -> None:
        while True:
            pid, status = os.waitpid(-1, _WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                self._entered.pop(pid, None)
                if pid == self._main:
                    self.status = os.waitstatus_to_exitcode(status)
                    break
            elif self._stopped(pid, status):
                break
        if not self.killed or self._victims == "child":
            self.release()

    def release(self) -> None:
        """Let those go on who were left when the agent was killed: they stand still until then."""
        while traced := _traced():
            for left in traced:
                _detach(left)
        self._entered.clear()
        if self._program:
            os.kill(self._program, signal.SIGCONT)
            self._program = 0

    def _stopped(self, pid: int, status: int) -> bool:
        """Go on after a stop of a process. Returns whether the agent was killed."""
        event, number = status >> 16, os.WSTOPSIG(status)
        if pid not in self._entered:
            self._entered[pid] = False
            _ptrace(_SETOPTIONS, pid, 0, _SYSGOOD | _FORK | _VFORK | _CLONE | _EXEC | _EXITKILL)
            number = 0
        elif event == _EXECUTED:
            # What a program changes is its own; the agent can be killed while it runs.
            del self._entered[pid]
            killed = self._point(pid, f"run {os.path.basename(_link(pid, 'exe'))}")
            _ptrace(_DETACH, pid, 0, signal.SIGSTOP if killed else 0)
            self._program = pid if killed else 0
            return killed
        elif event in _FORKS or number == signal.SIGTRAP:
            number = 0
        elif number == signal.SIGTRAP | 0x80:
            number = 0
            self._entered[pid] = not self._entered[pid]
            if self._entered[pid] and self._point(pid, self._changes(pid)):
                return True
        elif number == signal.SIGSTOP:
            number = 0
        _ptrace(_SYSCALL, pid, 0, number)
        return False

    def _point(self, pid: int, call: str) -> bool:
        """Kill whom it is for, where this call is the one. Returns whether the agent was killed."""
        if not call or self.killed or not (self._background or os.getsid(pid) == os.getsid(self._main)):
            return False
        self.calls += 1
        if self.calls != self._number:
            return False
        self.killed = call
        # A program that is about to run has left the agent's process group already.
        self.by_child = pid != self._main and call.partition(" ")[0] not in ("exec", "run")
        self.by_detached = os.getsid(pid) != os.getsid(self._main)
        if self._victims == "child":
            os.kill(pid, signal.SIGKILL)
            return False
        for victim in [self._main, *([pid] if self.by_child and self._victims == "all" else [])]:
            os.kill(victim, signal.SIGKILL)
        while True:
            ended, status = os.waitpid(-1, _WALL)
            if os.WIFSTOPPED(status):
                self._entered.setdefault(ended, False)
                continue
            self._entered.pop(ended, None)
            if ended == self._main:
                self.status = os.waitstatus_to_exitcode(status)
                return True

    def _changes(self, pid: int) -> str:
        """The call that a process enters, in words, where it changes something; else nothing."""
        number = _ptrace(_PEEKUSER, pid, _NUMBER)
        if number in _BY_PATH:
            return f"{_BY_PATH[number]} {_text(pid, _ptrace(_PEEKUSER, pid, _FIRST))}"
        if number in _BY_FOLDER:
            return f"{_BY_FOLDER[number]} {_text(pid, _ptrace(_PEEKUSER, pid, _SECOND))}"
        if number == _OPEN and _ptrace(_PEEKUSER, pid, _THIRD) & os.O_CREAT:
            return f"create {_text(pid, _ptrace(_PEEKUSER, pid, _SECOND))}"
        if number in (_WRITE, _PWRITE):
            path = _link(pid, f"fd/{_ptrace(_PEEKUSER, pid, _FIRST)}")
            return f"write {path}" if path.startswith((CONFIGFS, STATE)) else ""
        if number in (_SENDTO, _SENDMSG):
            return _message(pid, _ptrace(_PEEKUSER, pid, _SECOND)) if number == _SENDTO else "sendmsg"
        if number == _IOCTL:
            # Python asks each open file whether it is a terminal (TCGETS).
            return "" if _ptrace(_PEEKUSER, pid, _SECOND) == 0x5401 else "ioctl"
        return f"exec {_text(pid, _ptrace(_PEEKUSER, pid, _FIRST))}" if number == _EXECVE else ""


def _read(pid: int, address: int, size: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(size)


def _text(pid: int, address: int) -> str:
    return _read(pid, address, 4096 - address % 4096).partition(b"\0")[0].decode(errors="replace")


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


def _message(pid: int, address: int) -> str:
    """A message that is sent; nothing for a question to netlink (kind 2 of the four that each family has)."""
    kind = int.from_bytes(_read(pid, address + 4, 2), sys.byteorder)
    return "" if 16 <= kind < 256 and kind % 4 == 2 else f"send {kind}"


def _fork(agent: str, action: str, parameters: dict[str, str], *, traced: bool) -> int:
    environment = {"PATH": "/usr/sbin:/usr/bin", "PCMK_logfacility": "none", **parameters}
    log = os.open(STDERR, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        return forked_agent.fork(agent, action, environment, log, _ask_to_be_traced if traced else lambda: None)
    finally:
        os.close(log)


def _ask_to_be_traced() -> None:
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def objects(agent: str) -> str:
    """What an agent can have made in this kernel."""
    found = []
    for folder, folders, _ in os.walk(f"{CONFIGFS}/target"):
        found += [os.path.join(folder, name) for name in sorted(folders)]
        folders[:] = [name for name in folders if name not in _INNARDS]
    if agent == "portal-ip":
        addresses = subprocess.run(["ip", "-oneline", "address"], capture_output=True, text=True, check=True).stdout
        found += sorted(" ".join(line.split()[1:4]) for line in addresses.splitlines())
    found += sorted(name for name in os.listdir("/sys/block") if name.startswith("drbd"))
    found += [line.split()[1] for line in _read_text("/proc/self/mounts").splitlines() if f" {STATE}/" in line]
    database = _read_text(f"{CONFIGFS}/target/dbroot").strip() or "/var/target"
    found += sorted(os.listdir(f"{database}/pr")) if os.path.isdir(f"{database}/pr") else []
    return "\n".join(found)


def _read_text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Case:
    """An agent with its parameters; `running` are the codes of a monitor that finds it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.agent: str = plan["agent"]
        self.parameters: dict[str, str] = plan["parameters"]
        self.running: list[int] = plan["running"]
        self.actions: dict[str, list[str]] = plan["actions"]
        # What the agent does after its end, on purpose.
        self.background: bool = plan.get("background", False)
        self.every: int = plan.get("every", 1)
        self.failures: list[str] = []
        self.done: list[str] = []
        self.clean = ""

    def run(self) -> dict[str, dict[str, Any]]:
        """Kill each action at each of its calls."""
        forked_agent.load(self.agent)
        # The first start of all loads modules and makes folders that stay.
        for action in ("stop", "start", "stop"):
            self.expect(action, 0)
        self.clean = objects(self.agent)
        table = {action: self.kill_all(action, before) for action, before in self.actions.items()}
        self.reach([])
        return table

    def kill_all(self, action: str, before: list[str]) -> dict[str, Any]:
        begin, points, passed, last = time.monotonic(), 0, 0, self.count(action, before)
        for turn, number in enumerate(self.numbers(last)):
            victims = ["all"]
            for who in victims:
                self.reach(before)
                traced = Action(self.agent, action, self.parameters, number, who, background=self.background)
                if not traced.killed:
                    break
                # One of the two at each point, in turn: a point costs a second.
                victims += [("agent", "child")[turn % 2]] if traced.by_child and who == "all" else []
                points += 1
                passed += self.copes(f"{action} killed ({who}) at call {number}, {traced.killed}", traced, who)
            if not traced.killed:
                break
        self.done = []
        self.expect("stop", 0)
        seconds = round(time.monotonic() - begin, 1)
        return {"calls": last, "points": points, "passed": passed, "seconds": seconds}

    def count(self, action: str, before: list[str]) -> int:
        """How many calls there are to be killed at, by an action that is not killed. The first of all may have more."""
        for _ in range(2):
            self.reach(before)
            traced = Action(self.agent, action, self.parameters, 0, "all", background=self.background)
            if traced.status != 0:
                self.failures.append(f"{action} without a kill: {traced.status} {_said()}")
            self.done = []
            self.expect("stop", 0)
        return traced.calls

    def numbers(self, last: int) -> Iterator[int]:
        """The calls to be killed at. Where all are, also those that another time has more of."""
        if self.every == 1:
            return itertools.count(1)
        return iter(sorted({*range(1, last + 1, self.every), last}))

    def copes(self, what: str, traced: Action, victims: str) -> bool:
        count = len(self.failures)
        # An agent says that a child has died, and goes on without one that it does not wait for. Another time the same
        # call may be its own.
        wanted = (0, 0) if traced.by_detached else (1, 1)
        if victims == "child" and traced.by_child and (traced.status, _said().count("ocf-exit-reason:")) != wanted:
            self.failures.append(f"{what}: the agent ended with {traced.status}, {_said()!r}")
        self.stop_beside(traced)
        self.outlive()
        left = objects(self.agent)
        if left != self.clean:
            difference = set(left.splitlines()) ^ set(self.clean.splitlines())
            self.failures.append(f"after stop differs: {sorted(difference)}")
        self.done = []
        self.reach(["start"])
        self.expect("monitor", *self.running)
        self.failures[count:] = [f"{what}: {failure}" for failure in self.failures[count:]]
        return len(self.failures) == count

    def stop_beside(self, killed: Action) -> None:
        """Stop while those whom the agent has left stand still; they go on when it waits for them, or has ended."""
        stop = _fork(self.agent, "stop", self.parameters, traced=False)
        end = time.monotonic() + 1.5
        while os.waitid(os.P_PID, stop, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None and time.monotonic() < end:
            time.sleep(0.01)
        killed.release()
        self.judge("stop", stop, 0)

    def outlive(self) -> None:
        """Wait for all that killed agents have left running."""
        end = time.monotonic() + 30
        while not self.background and time.monotonic() < end:
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    time.sleep(0.01)
            except ChildProcessError:
                return
        if not self.background:
            self.failures.append("a process of the killed agent does not end")

    def reach(self, actions: list[str]) -> None:
        """Come to the state in which these actions were done."""
        if self.done != actions[: len(self.done)]:
            self.expect("stop", 0)
            if objects(self.agent) != self.clean:
                self.failures.append("stop leaves something")
            self.done = []
        for action in actions[len(self.done) :]:
            self.expect(action, 0)
        self.done = list(actions)

    def expect(self, action: str, *codes: int) -> None:
        self.judge(action, _fork(self.agent, action, self.parameters, traced=False), *codes)

    def judge(self, action: str, pid: int, *codes: int) -> None:
        while True:
            # Orphans of killed agents come to this process.
            ended, status = os.waitpid(-1, _WALL)
            if ended == pid:
                break
        code = os.waitstatus_to_exitcode(status)
        if code not in codes:
            self.failures.append(f"{action} ended with {code}: {_said()!r}")


def _said() -> str:
    with open(STDERR, encoding="utf-8", errors="replace") as file:
        return file.read().strip()


def main() -> int:
    # PR_SET_CHILD_SUBREAPER
    _libc.prctl(36, 1, 0, 0, 0)
    found = []
    for plan in json.load(sys.stdin):
        case = Case(plan)
        for agent, parameters in plan.get("under", []):
            forked_agent.load(agent)
            under = Case({"agent": agent, "parameters": parameters, "running": [0], "actions": {}})
            under.expect("start", 0)
            case.failures += under.failures
        table = case.run()
        for agent, parameters in reversed(plan.get("under", [])):
            Case({"agent": agent, "parameters": parameters, "running": [0], "actions": {}}).expect("stop", 0)
        found.append({"name": plan["name"], "actions": table, "failures": case.failures})
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
