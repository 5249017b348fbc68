# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan reservations``."""

from __future__ import annotations

from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

NO_LUN = Reason(Failure, "of which LUN? Type: twinsan reservations --remove {initiator} --lun RESOURCE")

_DESCRIPTION = (
    "Shows who is registered with each LUN, with what key, which reservation each holds, and where that is kept: in "
    "the state volume of a DRBD resource, or in the cluster. A LUN that another node serves is shown in full there. "
    "With --remove a registration is taken away for good, and the reservation that its initiator holds: of a host that "
    "is gone for ever, or that the kernel refuses. The LUN has to be stopped for that, because a kernel that serves it "
    "lets nobody but initiators change it; where it is not, the command says how to stop it and changes nothing. A LUN "
    "with a state volume is changed on the node where that is mounted."
)
_EXAMPLES = "Example: twinsan reservations --lun p_lun1 --remove iqn.1998-01.com.vmware:esx7"


def declare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    text = "show the persistent reservations of all LUNs, or take one away"
    reservations = commands.add_parser("reservations", help=text, description=_DESCRIPTION, epilog=_EXAMPLES)
    reservations.add_argument("--json", action="store_true", help="for programs, with names that stay")
    reservations.add_argument(
        "--remove", metavar="INITIATOR", help="take the registrations of this initiator away; needs --lun"
    )
    reservations.add_argument("--lun", metavar="RESOURCE", help="the LUN that it is about, by the name of its resource")
    reservations.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from twinsan.operate import reservations

    if arguments.remove is None:
        return reservations.show(arguments.lun, as_json=arguments.json)
    if not arguments.lun:
        raise NO_LUN(initiator=arguments.remove)
    return reservations.remove(arguments.remove, arguments.lun)
