# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan init``, and ``twinsan inventory``, which it asks of both nodes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

_DESCRIPTION = (
    "Makes two bare servers a pair. Typed on one of them, as root, with keys for ssh to the other; the site file is "
    "needed there alone. It looks at both first and changes nothing: programs, names, addresses, clocks, clusters that "
    "are there, and whether the disks are free, empty and of one kind. All that is in the way is printed at once, each "
    "with what to type. Then it says what it will do, and asks. It writes DRBD's file, with a secret of its own, and "
    "creates DRBD's meta data, promotes for the first time and makes the file system of the state volume, writes "
    "corosync's configuration and its key, gives the cluster the password of the BMCs, starts the cluster, and loads "
    "its configuration. Each step that is done already is left out: after an interruption, type the same again. "
    "Without a site file it asks for what is needed, and writes one."
)
_OVERWRITE = (
    "lose for ever what is on this disk of this node: the exact words that are printed if there is anything on it; can "
    "be given several times"
)
_OF_BMCS = (
    "the password of the BMCs: a file that only root can read, with one line for both, or a line for each node in the "
    "order of the site file; without it, it is asked for"
)
_STATUS = (
    "Exit status: 0 the SAN serves; 1 something is in the way, or a step failed; 2 the site file has mistakes, or what "
    "was typed has. The initial copy of the data to the second disk may still run then: the SAN serves meanwhile, and "
    "is redundant when it has ended. Where both disks were read and every byte is zero, nothing has to be copied. "
    "Example: twinsan init san.toml --overwrite zeus:/dev/sdb"
)
_INVENTORY = (
    "Prints, as JSON, what twinsan init asks both nodes before it changes anything: programs, modules, services, "
    "addresses, clusters, DRBD resources, and what is on the disks that are named. It changes nothing."
)
_EXAMPLE = "Example: twinsan inventory /dev/sdb"


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both commands."""
    text = "make two bare servers a pair that serves"
    init = commands.add_parser("init", help=text, description=_DESCRIPTION, epilog=_STATUS)
    init.add_argument("site", metavar="SITE.toml", nargs="?", help="the site file; without it, questions are asked")
    init.add_argument("--overwrite", metavar="NODE:DEVICE", action="append", help=_OVERWRITE)
    init.add_argument("--bmc-password-file", metavar="FILE", default="", help=_OF_BMCS)
    init.add_argument("--dry-run", action="store_true", help="only look, and print what is in the way")
    init.add_argument("--yes", action="store_true", help="do not ask before the first change")
    init.add_argument("--json", action="store_true", help="with --dry-run, for programs, with names that stay")
    init.set_defaults(run=_init)

    text = "print what twinsan init asks of this node"
    inventory = commands.add_parser("inventory", help=text, description=_INVENTORY, epilog=_EXAMPLE)
    inventory.add_argument("disks", metavar="DEVICE", nargs="*", help="a disk to look at")
    inventory.add_argument(
        "--candidates", action="store_true", help="also list all disks, and ask the BMC for its address"
    )
    inventory.add_argument("--zero", action="store_true", help="only tell whether each byte of these disks is zero")
    inventory.add_argument("--seconds", metavar="SECONDS", type=int, default=60, help="how long to read for --zero")
    inventory.set_defaults(run=_inventory)


def _init(arguments: argparse.Namespace) -> int:
    from twinsan.operate import init

    options = init.Options(
        overwrite=arguments.overwrite,
        password_file=arguments.bmc_password_file,
        yes=arguments.yes,
        dry_run=arguments.dry_run or arguments.json,
        as_json=arguments.json,
    )
    return init.init(arguments.site, options)


def _inventory(arguments: argparse.Namespace) -> int:
    from twinsan.operate.setting_up import answer

    if arguments.zero:
        return answer.zero(arguments.disks, arguments.seconds)
    return answer.facts(arguments.disks, candidates=arguments.candidates)
