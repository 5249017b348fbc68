# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan render``."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Reads a site file: the nodes of a pair, how they fence, and what they serve, in TOML. Makes of it the "
    "configuration of the cluster as XML and as commands of crmsh and pcs, the resource files of DRBD 8.4 and 9, "
    "corosync.conf, the settings of SBD if it is used, and what to type on the hosts that use the SAN. Without an "
    "option it lists these files. It changes nothing but the files of the folder that you name, each at once, and it "
    "needs neither root nor a cluster. A file with mistakes is not rendered: all of them are printed, each with its "
    "line, its key, and what would be right. It needs lxml, and tomli with Python before 3.11."
)
_EXAMPLES = "Example: twinsan render san.toml --output rendered"


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "make of a site file all that the pair needs"
    render = commands.add_parser("render", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    render.add_argument("site", metavar="SITE.toml", help="the site file; /usr/share/twinsan/examples has some")
    render.add_argument("--output", metavar="FOLDER", help="write the files into this folder, and nowhere else")
    render.add_argument("--only", metavar="FILE", help="this file alone, such as cib.xml; without --output print it")
    render.add_argument("--json", action="store_true", help="for programs, with names that stay")
    render.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import render

    return render.render(arguments.site, output=arguments.output, only=arguments.only, as_json=arguments.json)
