# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan render``."""

from __future__ import annotations

from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Reads a site file: the nodes of a pair, how they fence, and what they serve, in TOML. Makes of it the "
    "configuration of the cluster as XML and as commands of crmsh and pcs, the resource files of DRBD 8.4 and 9, "
    "corosync.conf, the settings of SBD if it is used, and what to type on the hosts that use the SAN. Without an "
    "option it lists these files. It changes nothing but the files of the folder that you name, each at once, and it "
    "needs neither root nor a cluster. A file with mistakes is not rendered: all of them are printed, each with its "
    "line, its key, and what would be right. It needs lxml, and tomli with Python before 3.11. "
    "With --diff it shows instead what the site would change in the running cluster, and in the files of DRBD, "
    "corosync and SBD on this node: first what interrupts nothing, then what starts, restarts or stops something, as "
    "the cluster's own scheduler plans it, and for which LUNs; and, asking the other node by ssh, which volumes "
    "twinsan apply would make in DRBD, on which disks. It shows no secret."
)
NO_DIFF = Reason(
    Failure, "{option} is for twinsan render --diff", "type: twinsan render --diff {option} FILE SITE.toml"
)
NOT_BOTH = Reason(Failure, "--diff writes and prints no file", "leave out --output and --only")

_EXAMPLES = (
    "Exit status of --diff: 0 nothing differs; 3 something does; 1 a failure; 2 the site file has mistakes. "
    "Example: twinsan render san.toml --output rendered"
)


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "make of a site file all that the pair needs"
    render = commands.add_parser("render", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    render.add_argument("site", metavar="SITE.toml", help="the site file; /usr/share/twinsan/examples has some")
    render.add_argument("--output", metavar="FOLDER", help="write the files into this folder, and nowhere else")
    render.add_argument("--only", metavar="FILE", help="this file alone, such as cib.xml; without --output print it")
    render.add_argument("--diff", action="store_true", help="show what differs in the running cluster; write nothing")
    render.add_argument(
        "--cib", metavar="FILE", help="with --diff: not the running cluster, but what cibadmin -Q wrote"
    )
    render.add_argument("--json", action="store_true", help="for programs, with names that stay")
    render.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import render

    if arguments.diff:
        if arguments.output is not None or arguments.only is not None:
            raise NOT_BOTH()  # noqa: RSE102  a Reason, which makes the exception
        return render.diff(arguments.site, cib_file=arguments.cib or "", as_json=arguments.json)
    if arguments.cib is not None:
        raise NO_DIFF(option="--cib")
    return render.render(arguments.site, output=arguments.output, only=arguments.only, as_json=arguments.json)
