# SPDX-License-Identifier: GPL-2.0-or-later
"""``python3 -m tools.manual`` writes the pages in man/, the completion for bash and the dashboard. With the name
of an agent it prints its page.
"""

from __future__ import annotations

import argparse
import sys

from tools import completion, dashboard
from tools.manual import agent_class, command_page, page
from twinsan import cli

PAGES = agent_class.ROOT / "man"
DASHBOARD = agent_class.ROOT / "packaging" / "prometheus" / "dashboard.json"
COMPLETION = agent_class.ROOT / "packaging" / "bash-completion" / "twinsan"


def main() -> int:
    """Parse the command line, and write or print the pages. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="tools.manual", description="Write the manual pages in man/.")
    parser.add_argument("agent", nargs="?", choices=agent_class.NAMES, help="print the page of this agent instead")
    named = parser.parse_args().agent
    if named:
        sys.stdout.write(page.render(agent_class.load(named)))
        return 0
    for name in agent_class.NAMES:
        (PAGES / f"ocf_twinsan_{name}.7").write_text(page.render(agent_class.load(name)))
    (PAGES / "twinsan.8").write_text(command_page.render(cli.parser()))
    DASHBOARD.write_text(dashboard.render())
    COMPLETION.write_text(completion.render(cli.parser()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
