# SPDX-License-Identifier: GPL-2.0-or-later
"""The states of what an agent serves, and what each of its actions answers in them.

The tables (lio_iscsi_target, lio_lun, portal_ip, drbd_vaai) are data. tests/unit runs them on fakes, tests/cluster on
real kernels; both read them here, as a list of things to do and to look at (`plan`), and judge alike (`judge`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

# What an action is asked by: its name, and what the cluster tells it.
ACTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "probe": ("monitor", {"CRM_meta_interval": "0"}),
    "monitor": ("monitor", {}),
    "level10": ("monitor", {"OCF_CHECK_LEVEL": "10"}),
    "level20": ("monitor", {"OCF_CHECK_LEVEL": "20"}),
    "validate": ("validate-all", {}),
    "unknown": ("no-such-action", {}),
    "reload": ("reload-agent", {}),
    "demote": ("demote", {}),
    "promote": ("promote", {}),
    "start": ("start", {}),
    "stop": ("stop", {}),
}
_LOOKS = ("probe", "monitor", "level10", "level20", "validate", "unknown")

_NEW = "new"

# So much of a reason the cluster keeps, and what an operator types.
_SHOWN = 128
_COMMAND = re.compile(
    r"\b(blockdev|chown|crm_\w+|dmesg|drbdadm|drbdsetup|ip|lsblk|modprobe|ss|stonith_admin|targetcli|uname) ?[-'/a-z]"
)

# What stands in a call for the folder that a world keeps its files in.
RUN = "/run/states"


@dataclass(frozen=True)
class State:
    """A state and its answers.

    `steps` make it, from nothing. They are commands, and a world knows all of their verbs; ``start`` and ``promote``
    are the agent's own. `given` are parameters of the calls that differ from the usual ones. `answers` are exit codes,
    each with words of the reason; where there are no words, nothing may be said. `then` is what a monitor of check
    level 10 answers after a start that succeeds. `tidy` takes away what no stop of the agent does.
    """

    name: str
    steps: tuple[str, ...] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    then: str = "0"
    tidy: tuple[str, ...] = ()
    # "server" has all modules, "bare" has none of them and cannot load any.
    host: str = "server"


def state(
    name: str,
    *steps: str,
    given: Mapping[str, str] | None = None,
    then: str = "0",
    tidy: tuple[str, ...] = (),
    host: str = "server",
    **answers: str,
) -> State:
    """A row of a table."""
    assert not set(answers) - set(ACTIONS), answers
    return State(name, steps, given or {}, answers, then, tidy, host)


@dataclass(frozen=True)
class Item:
    """One thing of a plan: "step", "call" (an action, by its name in ACTIONS), or "objects", all that an agent could
    have made, which is to be the same as it was "before" or when the state was "made".
    """

    kind: str
    text: str = ""
    expected: str = ""
    usual: bool = False


def plan(row: State) -> list[Item]:
    """All that is to be done for a row, with what has to come of it: the state is made, looked at, and made again for
    each action that changes it.
    """
    items = [Item("objects", "before", _NEW)]
    make = [Item("step", step) for step in row.steps]
    looks = [Item("call", name, row.answers[name]) for name in _LOOKS if name in row.answers]
    if looks:
        items += [*make, Item("objects", "made", _NEW), *looks, Item("objects", "made")]
    made = bool(looks)
    changes = [name for name in ACTIONS if name in row.answers and name not in _LOOKS]
    for name in changes:
        items += [] if made else [*make, Item("objects", "made", _NEW)]
        items += [Item("call", name, row.answers[name]), *_aftermath(row, name)]
        goes_on = name != changes[-1] and _leaves_it_running(row, name)
        items += [] if goes_on else _tidy(row, name)
        make = [Item("step", step) for step in row.steps[goes_on:]]
        made = False
    return [*items, *(_tidy(row, "") if made else [])]


def _leaves_it_running(row: State, name: str) -> bool:
    """Whether an action leaves what the first step, a start, would make again. Each start takes its time in a guest."""
    repaired = row.answers[name] == "0" and row.then == "0" and name in ("reload", "start", "demote")
    return repaired and row.steps[:1] == ("start",) and not row.given and not row.tidy


def _aftermath(row: State, name: str) -> list[Item]:
    succeeded = row.answers[name] == "0"
    if name == "start":
        good = [Item("step", "settle"), Item("call", "level10", row.then)]
        return good if succeeded else [Item("objects", "made")]
    return []


def _tidy(row: State, name: str) -> list[Item]:
    """Back to nothing. After a stop that succeeds there must be nothing but what only `tidy` takes away."""
    own = [] if name == "stop" and row.answers[name] == "0" else [Item("call", "stop", "0", usual=True)]
    tidy = [Item("step", step) for step in row.tidy]
    return [Item("step", "restore"), *own, *tidy, Item("objects", "before")]


def judge(items: list[Item], results: list[tuple[int, str]]) -> list[str]:
    """What is not as expected, of the exit codes and texts that came of a plan."""
    assert len(items) == len(results), results
    wrong: list[str] = []
    seen: dict[str, str] = {}
    for item, (code, text) in zip(items, results):
        if item.kind == "step":
            wrong += [f"step {item.text!r} ended with {code}: {text}"] if code else []
        elif item.kind == "call":
            wrong += [f"{item.text}{' (usual)' if item.usual else ''}: {told}" for told in _misjudged(item, code, text)]
        elif item.expected == _NEW:
            seen[item.text] = text
        else:
            before, after = set(seen[item.text].splitlines()), set(text.splitlines())
            if before != after:
                wrong.append(f"not as {item.text}: new {sorted(after - before)}, gone {sorted(before - after)}")
    return wrong


def _misjudged(item: Item, code: int, text: str) -> list[str]:
    expected, _, words = item.expected.partition(" ")
    reasons = [line.partition(":")[2] for line in text.splitlines() if line.startswith("ocf-exit-reason:")]
    if str(code) != expected:
        return [f"{code} instead of {item.expected}: {text}"]
    if item.usual:
        return []
    if not words:
        return [f"{code} as expected, but it says {reasons}"] if reasons else []
    if len(reasons) != 1:
        return [f"{len(reasons)} reasons instead of one: {text}"]
    found = [f"{words!r} is not in: {reasons[0]}"] if words not in reasons[0] else []
    # What to do about a wrong value is plain: correct it.
    if expected != "6" and "; " not in reasons[0]:
        found.append(f"it does not say what to type: {reasons[0]}")
    return found


def late_commands(text: str) -> list[str]:
    """The reasons in what an action said that name a command too late: crm_mon shows no more than the beginning."""
    reasons = [line.partition(":")[2] for line in text.splitlines() if line.startswith("ocf-exit-reason:")]
    found = ((reason, _COMMAND.search(reason)) for reason in reasons)
    return [reason for reason, command in found if command and command.start() >= _SHOWN]


def words(step: str) -> list[str]:
    """The words of a step."""
    return shlex.split(step)
