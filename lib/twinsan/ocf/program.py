# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent as a program: ``AGENT ACTION``. Further words are ignored, as the specification asks."""

from __future__ import annotations

import sys

from twinsan.ocf import codes
from twinsan.ocf.agent import Agent
from twinsan.ocf.environment import Environment


def main(agent: type[Agent]) -> int:
    """Run the action that the command line names; returns the exit status."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word == "meta-data":
        from twinsan.ocf import metadata

        print(metadata.render(agent, declared=not Environment().names_version), end="")
        return codes.SUCCESS
    if word in ("", "usage", "help", "-h", "--help"):
        names = dict.fromkeys(listed.name for listed, _ in [*agent.actions(), *Agent.actions()])
        print(f"usage: {agent.name} {{{'|'.join(names)}|meta-data}}\n\n{(agent.__doc__ or '').strip()}")
        print(f"\nParameters are read from the environment as OCF_RESKEY_NAME; see ocf_twinsan_{agent.name}(7).")
        return codes.SUCCESS if word else codes.ERR_UNIMPLEMENTED
    return agent(Environment(), word).run()
