# SPDX-License-Identifier: GPL-2.0-or-later
"""What Pacemaker gives to an agent, as clusters of two nodes gave it to one that wrote its environment down: a clone
p_rec on atlas and zeus, promotable, with notifications. No test should set what no cluster sets.
"""

from __future__ import annotations

import functools
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "pacemaker"
VERSIONS = ("2.1.5", "3.0.0")

# What only a clone is told.
_OF_A_CLONE = ("clone", "globally_unique", "master", "notify", "promoted")


@functools.cache
def _recorded(version: str, call: str) -> dict[str, str]:
    lines = (FOLDER / version / f"{call}.env").read_text(encoding="utf-8").splitlines()
    return dict(line.partition("=")[::2] for line in lines)


def knows(call: str) -> bool:
    """Whether there is a record of a call."""
    return (FOLDER / VERSIONS[-1] / f"{call}.env").exists()


def environment(version: str, call: str, *, clone: bool = True) -> dict[str, str]:
    """The environment of `call` (an action; "probe"; "monitor-promoted"; "notify-post-start") without any parameter."""
    given = _recorded(version, call)
    meta = "OCF_RESKEY_CRM_meta_"
    of_a_clone = {name for name in given if name.startswith(tuple(meta + word for word in _OF_A_CLONE))}
    parameters = {"OCF_RESKEY_name", "OCF_RESKEY_reloaded"}
    left_out = parameters if clone else parameters | of_a_clone
    return {name: value for name, value in given.items() if name not in left_out} | {"PCMK_logfacility": "none"}


def told(version: str, call: str) -> dict[str, str]:
    """What an agent reads of it besides its parameters, for a call of one that is no clone; see agents.Runner."""
    prefix = "OCF_RESKEY_"
    given = environment(version, call, clone=False)
    return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}
