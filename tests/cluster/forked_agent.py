# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs in a guest: agents that are loaded once, and each action a fork.

The start of Python, which changes nothing, would be most of what an action takes in a user-mode kernel.
"""

from __future__ import annotations

import importlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LIBRARY, AGENTS = "/usr/lib", "/usr/lib/ocf/resource.d/twinsan"
# What an action ends with that did not come to an end of its own.
BROKEN = 99

_classes: dict[str, Any] = {}


def load(name: str) -> None:
    """Load an agent, once."""
    if name in _classes:
        return
    if LIBRARY not in sys.path:
        sys.path.insert(0, LIBRARY)
    module = importlib.import_module(f"twinsan.agents.{name.replace('-', '_')}")
    own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
    # An agent may have other classes beside it.
    (_classes[name],) = [value for value in own if isinstance(value, type) and hasattr(value, "actions")]


def fork(
    agent: str, action: str, environment: dict[str, str], output: int, before: Callable[[], None] = lambda: None
) -> int:
    """Run an action of an agent that is loaded, with all that it says going to the descriptor `output`, in a process
    group of its own. `before` is called there when all is ready. Returns the process.
    """
    pid = os.fork()
    if pid:
        return pid
    status = BROKEN
    try:
        os.setpgid(0, 0)
        _redirect(output)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [agent, action]
        before()
        from twinsan.ocf import program

        status = program.main(_classes[agent])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def execute(words: list[str], environment: dict[str, str], output: int) -> int:
    """Run a program in the same way: an agent's executable, for instance. Returns the process."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setpgid(0, 0)
        _redirect(output)
        os.execvpe(words[0], words, environment)
    finally:
        os._exit(BROKEN)


def _redirect(output: int) -> None:
    for stream, number in ((os.open(os.devnull, os.O_RDWR), 0), (output, 1), (output, 2)):
        os.dup2(stream, number)
