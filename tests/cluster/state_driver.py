# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a guest: does what the rows of tests/states ask for, and tells what came of it.

It loads an agent once, and each of its actions is a fork (forked_agent). Each row is a fork as well, in a mount
namespace of its own, so that a missing program is missing to nobody else, with a shell that knows verbs.sh.

From standard input it takes a line of JSON for each batch of things to do, and answers it with one. A row ends
with an empty batch. Its arguments are the agent, and others that the rows call.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import json
import os
import shlex
import subprocess
import sys

from tests.cluster import forked_agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TARGET = "/sys/kernel/config/target"
# As deep as what an agent makes. Statistics belong to their object.
_DEPTH = 6
_STATISTICS = "statistics"
_VERBS = "/run/verbs.sh"
_MARK = "@@ ended with "

_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)
_NOBODY = ["setpriv", "--reuid=65534", "--clear-groups"]


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


_CALLS: dict[str, Callable[..., object]] = {
    "mkdir": os.mkdir,
    "rmdir": os.rmdir,
    "unlink": os.unlink,
    "link": lambda path, name: os.symlink(os.path.abspath(path), name),
    "write": _write,
}


class Row:
    """A row that is carried out."""

    def __init__(self, agent: str) -> None:
        self._agent = agent
        self._as: list[str] = []
        if _libc.unshare(_CLONE_NEWNS) or _libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None):
            raise OSError(ctypes.get_errno(), "no mount namespace")
        if os.path.isdir(TARGET):
            # Where what LIO has is named from.
            os.chdir(TARGET)

    @functools.cached_property
    def _shell(self) -> subprocess.Popen[str]:
        """The row's shell, which not every row needs."""
        shell = subprocess.Popen(["sh"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert shell.stdin is not None
        shell.stdin.write(f". {_VERBS}\n")
        return shell

    def do(self, item: dict[str, Any]) -> tuple[int, str]:
        """Do one thing; returns the exit code, and what was said or found."""
        if item["kind"] == "objects":
            return 0, self.objects()
        if item["kind"] == "call":
            code, said = self.call(**item["call"])
            return self.verb(item["then"]) if item["then"] and code == 0 else (code, said)
        return self.step(*item["words"])

    def step(self, verb: str, *words: str) -> tuple[int, str]:
        """Do a step: what is a system call itself, all else by the shell."""
        if verb in _CALLS:
            try:
                _CALLS[verb](*words)
            except OSError as error:
                return 1, str(error)
        elif verb == "as":
            self._as = _NOBODY
        elif verb == "settle" and self._agent != "drbd-vaai":
            pass
        elif verb == "restore" and "_shell" not in vars(self):
            self._as = []
        else:
            self._as = [] if verb == "restore" else self._as
            return self.verb(shlex.join([verb.replace("-", "_"), *words]))
        return 0, ""

    def verb(self, line: str) -> tuple[int, str]:
        """Have the shell do a line."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        # Nobody but the shell reads its input.
        self._shell.stdin.write(f'{{ {line}\n}} </dev/null; printf "\\n{_MARK}%s\\n" $?\n')
        self._shell.stdin.flush()
        said = ""
        for text in self._shell.stdout:
            if text.startswith(_MARK):
                return int(text[len(_MARK) :]), said.strip()
            said += text
        raise EOFError(f"the shell has ended: {said}")

    def call(self, agent: str, action: str, environment: dict[str, str], executable: bool) -> tuple[int, str]:
        """Run an action, as a fork or, where it shall be so or is not root's, by the agent's executable."""
        output = os.memfd_create("output")
        try:
            if executable or self._as:
                words = [*self._as, f"{forked_agent.AGENTS}/{agent}", action]
                pid = forked_agent.execute(words, environment, output)
            else:
                forked_agent.load(agent)
                pid = forked_agent.fork(agent, action, environment, output)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            return code, os.pread(output, 1 << 20, 0).decode(errors="replace").strip()
        finally:
            os.close(output)

    def objects(self) -> str:
        """All that the agent could have made."""
        if self._agent == "drbd-vaai":
            place = "/proc/drbd" if os.path.exists("/proc/drbd") else os.devnull
            with open(place, encoding="ascii") as file:
                return "".join(line for line in file if ": cs:" in line)
        if self._agent == "portal-ip":
            return self.verb("ip -oneline address")[1]
        return "\n".join(sorted(path for folder in ("core", "iscsi") for path in _tree(f"{TARGET}/{folder}", 1)))


def _tree(folder: str, depth: int) -> list[str]:
    """Folders and links below a folder, at most so deep."""
    found = []
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return []
    for entry in entries:
        if _STATISTICS in entry.name:
            continue
        if entry.is_symlink():
            found.append(f"{entry.path} -> {os.readlink(entry.path)}")
        elif entry.is_dir(follow_symlinks=False):
            found.append(entry.path)
            found += _tree(entry.path, depth + 1) if depth < _DEPTH else []
    return found


def _carry_out(agent: str, items: list[dict[str, Any]]) -> None:
    """A row, whose first things to do are these; returns at its end."""
    row = Row(agent)
    while items:
        print(json.dumps([row.do(item) for item in items]), flush=True)
        items = json.loads(sys.stdin.readline())
    print("[]", flush=True)


def main(agent: str, *others: str) -> int:
    """Carry out one row after the other, of the first agent's table."""
    for name in (agent, *others):
        forked_agent.load(name)
    # What a fork does not write to need not be copied.
    gc.freeze()
    # A fork is to read on where this process has stopped: nothing may have been read ahead. A line comes for an answer.
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                _carry_out(agent, json.loads(line))
                status = 0
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        if os.waitpid(pid, 0)[1]:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
