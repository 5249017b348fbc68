# SPDX-License-Identifier: GPL-2.0-or-later
"""A wrong value in a parameter that a failover does not use: it is told beforehand, and the failover goes on."""

from __future__ import annotations

import pytest

from lab.machine import Machine
from lab.pair import Pair


def _misconfigured(server: Machine) -> str:
    """The actions for whose end (6) the cluster would run their resource nowhere."""
    return server.run("cibadmin --query --xpath //lrm_rsc_op[@rc-code=6]").stdout.strip()


@pytest.mark.soak
def test_a_wrong_value_and_then_a_move(recovering: Pair, active: Machine, passive: Machine) -> None:
    """The replica says it and what to type, and the SAN serves on the other node within 60 s of a move."""
    pair = recovering
    name = "--resource p_drbd"
    active.succeed(f"crm_resource {name} --set-parameter wfc_timeout --parameter-value abc")
    try:
        told = "parameter wfc_timeout is not a whole number.*crm_resource -r p_drbd -p wfc_timeout -v VALUE"
        active.wait_until(f"crm_mon -1 | grep -q '{told}'", "it is told", 60)
        active.succeed(f"crm_resource --resource g_san --move --node {passive}")
        pair.wait_until_serving(on=passive, timeout=60)
        assert not _misconfigured(active)
    finally:
        active.succeed(f"crm_resource --resource g_san --clear; crm_resource {name} --delete-parameter wfc_timeout")
    pair.wait_until_settled()
