# SPDX-License-Identifier: GPL-2.0-or-later
"""In about how long another node would serve, from what is configured and what was measured last."""

from __future__ import annotations

from twinsan.operate.verdict import fencing_obstacles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.verdict.obstacles import Case

# Until the survivor is the coordinator and has a plan: docs/failover-time.md.
_PLAN = 1.0
# A reboot by fence_ipmilan is one start of the agent and four commands to the BMC (off, its state, on, its state); a
# monitor is one start and one command. Whichever of the two is the slower, the truth is between once and four times.
_MONITORS = 2
_POWER_WAIT = 2.0


class Estimate:
    """A time in seconds, `at_least` if some part of it is not known, and its parts in words."""

    __slots__ = ("at_least", "parts", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.at_least = False
        self.parts: tuple[str, ...] = ()

    def add(self, seconds: float | None, what: str) -> None:
        """Add a part; None for one that is not known."""
        if seconds is None:
            self.at_least = True
            self.parts += (f"an unknown time {what}",)
        elif seconds:
            self.seconds += seconds
            self.parts += (f"{seconds:.1f} s {what}",)


def estimate(case: Case) -> Estimate:
    """Return the estimate for a case in which the other node would serve."""
    total = Estimate()
    _detection(case, total)
    total.add(_PLAN, f"until {case.other} has a plan")
    _fencing(case, total)
    service = case.service
    took = {
        each.resource: each.action_seconds
        for each in case.cluster.instances
        if each.node == case.server and each.role in ("Promoted", "Started")
    }
    total.add(took.get(service.replica), "to promote")
    for resources, what in ((service.luns, "to start the LUNs"), (service.portals, "to start the address")):
        known = [seconds for name in resources if (seconds := took.get(name)) is not None]
        # They start side by side.
        total.add(max(known, default=None) if len(known) == len(resources) else None, what)
    return total


def _detection(case: Case, total: Estimate) -> None:
    votes = case.facts.votes
    if votes is None:
        total.add(None, "until the death is noticed")
        return
    seconds = votes.token_seconds + votes.consensus_seconds
    if votes.third_vote_seconds is not None and votes.third_vote_seconds > seconds:
        total.add(votes.third_vote_seconds, "until the third vote is given (timeout of the qdevice)")
    else:
        total.add(seconds, "until the death is noticed (token and consensus)")


def _fencing(case: Case, total: Estimate) -> None:
    delay = case.cluster.priority_fencing_delay_seconds
    total.add(delay, "of priority-fencing-delay")
    able = [each for each in fencing_obstacles.devices(case) if each.answers]
    if not able:
        watchdog = case.cluster.watchdog_seconds
        # A negative one stands for twice the time of SBD's watchdog.
        total.add(
            None if watchdog is not None and watchdog < 0 else watchdog, f"until {case.server} is reset by its watchdog"
        )
        return
    device = able[0]
    total.add(device.delay_seconds, f"of pcmk_delay_base of {device.resource}")
    if device.monitor_seconds is None:
        total.add(None, f"until {device.resource} has turned {case.server} off")
        return
    default = _POWER_WAIT if device.agent == "fence_ipmilan" else 0.0
    wait = device.power_wait_seconds if device.power_wait_seconds is not None else default
    seconds = _MONITORS * device.monitor_seconds + 2 * wait
    how = "twice its monitor, and twice power_wait"
    total.add(seconds, f"until {device.resource} has turned {case.server} off ({how})")
