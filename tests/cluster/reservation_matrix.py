# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix of reservations: a LUN for each type and each APTPL, all the same but for that, and the template's LUN.

A sample of it has one cell for each way in which types differ: who may what, and whether one or all hold it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from lab import counts, reservations
from lab.initiators import Answer, Initiators
from lab.pair import INITIATOR, IQN, RESOURCE, Pair
from tests.cluster.reservation_cell import ALLOWED, HOLDER, NAMES, OTHER, Cell, State, Step

# Of the template, on DRBD itself; the type that clusters of Windows take.
_FIRST = Cell(1, 5, aptpl=False)
# The others are on disks of their server, /dev/ubdd and following: what they hold does not matter.
_ADDED = [Cell(lun, kind, aptpl) for lun, (kind, aptpl) in enumerate(itertools.product(ALLOWED, (False, True)), 11)]
_DISKS = "defghijklmno"
_SAMPLE = ((1, False), (3, True), (6, False), (8, True))

_AGENT = Path("/usr/lib/ocf/resource.d/lab/luns")
_AGENT_SOURCE = Path(__file__).parent / "luns.sh"


class Matrix:
    """Cells, and who asks them."""

    def __init__(self, pair: Pair, initiators: Initiators, cells: Sequence[Cell]) -> None:
        self.cells = cells
        self.initiators = initiators
        self._pair = pair

    def wait(self) -> None:
        """Wait until the SAN serves and all initiators are there again."""
        self.initiators.wait_until_logged_in(self._pair.wait_until_serving())

    def take(self, steps: Callable[[Cell], Iterable[Step]]) -> list[Answer]:
        """Take steps with every cell; each has to be answered as is wanted."""
        taken = [step for cell in self.cells for step in steps(cell)]
        answers = self.initiators.send([(step.name, step.cell.lun, step.command) for step in taken])
        wrong = [
            f"{step}: status {answer['status']}, sense {answer['sense']!r}, host {answer['host']}, wanted {step.wanted}"
            for step, answer in zip(taken, answers)
            if (answer["status"], answer["host"]) != (step.wanted, 0)
        ]
        assert not wrong, "\n".join(wrong)
        return answers

    def reserve(self) -> None:
        """Holder and other register, and the holder reserves."""
        self.take(Cell.make)

    def check(self, *registered: str) -> None:
        """Every cell is as `reserve` made it, but for who is registered; each command is answered as SPC-3 has it."""
        counts.add("cells of reservations looked at", len(self.cells))
        registered = registered or (HOLDER, OTHER)
        self.check_states(lambda cell: cell.state(cell.keys(*registered)))
        self.take(lambda cell: (step for name in NAMES for step in cell.attempt(name, name in registered)))

    def check_free(self, registered: Callable[[Cell], tuple[str, ...]]) -> None:
        """No cell is reserved, and so everybody may write."""
        self.check_states(lambda cell: cell.state(cell.keys(*registered(cell)), reserved=False))
        self.take(Cell.write_freely)

    def check_states(self, wanted: Callable[[Cell], State]) -> None:
        """Every cell tells this state."""
        found = self.states()
        wrong = [f"{cell}: {found[cell]}, wanted {wanted(cell)}" for cell in self.cells if found[cell] != wanted(cell)]
        assert not wrong, "\n".join(wrong)

    def states(self) -> dict[Cell, State]:
        """What every cell tells."""
        told = iter(self.take(Cell.ask))
        return {
            cell: State(
                reservations.keys(next(told)),
                reservations.reservation(next(told)),
                reservations.registrations(next(told)),
            )
            for cell in self.cells
        }


@contextlib.contextmanager
def added_to(pair: Pair, whole: bool) -> Iterator[Matrix]:
    """The matrix, or a sample of it, for the time of the body; afterwards the pair is as it was."""
    added = [cell for cell in _ADDED if whole or (cell.kind, cell.aptpl) in _SAMPLE]
    pair.wait_until_settled()
    before = pair.atlas.succeed("cibadmin --query --scope=configuration")
    initiators = Initiators(pair.esx, NAMES)
    with contextlib.ExitStack() as undoing:
        undoing.callback(_take_away, pair, before)
        for server in pair.servers:
            server.copy({str(_AGENT): _AGENT_SOURCE})
            # It has to be there after a power cut.
            server.succeed(f"chmod +x {_AGENT} && sync")
        pair.atlas.succeed("cibadmin --modify --allow-create --xml-pipe", stdin=_configuration(added).encode())
        pair.wait_until_settled()
        undoing.callback(initiators.log_out)
        matrix = Matrix(pair, initiators, (_FIRST, *added))
        initiators.log_in(len(matrix.cells))
        # The template's LUN stays, and belongs to others.
        undoing.callback(matrix.take, Cell.clear_whatever_there_is)
        undoing.callback(matrix.wait)
        yield matrix


def _take_away(pair: Pair, configuration: str) -> None:
    server = pair.wait_until_serving()
    server.succeed("cibadmin --replace --scope=configuration --xml-pipe", stdin=configuration.encode())
    pair.wait_until_settled()
    for server in pair.servers:
        server.succeed(f"rm -r {_AGENT.parent}")


def _configuration(added: Sequence[Cell]) -> str:
    """The cells' LUNs as one resource between the pair's LUN and its portal, and initiators who may see them."""
    luns = " ".join(f"{cell.lun}:/dev/ubd{disk}" for cell, disk in zip(added, _DISKS))
    admitted = " ".join((INITIATOR, *NAMES))
    return f"""
      <cib><configuration>
        <resources>
          <clone id="c_target"><primitive id="p_target"><instance_attributes id="p_target-parameters">
            <nvpair id="p_target-allowed_initiators" name="allowed_initiators" value="{admitted}"/>
          </instance_attributes></primitive></clone>
          <primitive id="p_luns" class="ocf" provider="lab" type="luns">
            <instance_attributes id="p_luns-parameters">
              <nvpair id="p_luns-target_iqn" name="target_iqn" value="{IQN}"/>
              <nvpair id="p_luns-luns" name="luns" value="{luns}"/>
              <nvpair id="p_luns-state_resource" name="state_resource" value="{RESOURCE}"/>
            </instance_attributes>
            <operations>
              <op id="p_luns-start" name="start" interval="0s" timeout="120s"/>
              <op id="p_luns-stop" name="stop" interval="0s" timeout="120s"/>
            </operations>
          </primitive>
        </resources>
        <constraints>
          <rsc_colocation id="luns-with-san" rsc="p_luns" with-rsc="p_lun1" score="INFINITY"/>
          <rsc_order id="luns-after-san" first="p_lun1" then="p_luns" kind="Mandatory"/>
          <rsc_order id="luns-before-portal" first="p_luns" then="p_portal" kind="Mandatory"/>
        </constraints>
      </configuration></cib>"""
