# SPDX-License-Identifier: GPL-2.0-or-later
"""An alert arrives for what an operator wants to know: in syslog, and at the command that the administrator gave."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.bmc import PASSWORD
from lab.host import PROJECT
from lab.machine import Machine, wait_until
from lab.pair import RESOURCE, Pair
from tests.cluster.test_drbd_states import by_hand, write  # noqa: F401  the first one is a fixture
from twinsan.site import cib, crmsh, reader

pytestmark = pytest.mark.procedure

_PAGES = "/var/tmp/pages"
_COMMAND = "/usr/local/sbin/page"
_SCRIPT = f"""#!/bin/sh
echo "$TWINSAN_KIND|$TWINSAN_SEVERITY|$1" >>{_PAGES}
"""
_WANTED = f'\n[alerts]\ncommand = "{_COMMAND} --to"\n'


def configuration(form: str) -> str:
    """The lab's pair with the alert agent, as twinsan render writes it."""
    text = (PROJECT / "examples" / "san.toml").read_text(encoding="utf-8") + _WANTED
    site, mistakes = reader.parse(text.encode())
    assert site is not None, mistakes
    made = cib.text(site) if form == "xml" else crmsh.text(cib.tree(site))
    return made.replace('name="password" value=""', f'name="password" value="{PASSWORD}"').replace(
        'password=""', f'password="{PASSWORD}"'
    )


class Pages:
    """What the command was given on a server."""

    def __init__(self, server: Machine) -> None:
        self.server = server
        # Pacemaker runs alerts as hacluster.
        server.succeed(f"rm -f {_PAGES}; install -m 666 /dev/null {_PAGES}")

    def lines(self) -> list[str]:
        """The lines: kind, severity and text."""
        return self.server.read(_PAGES).splitlines()

    def kinds(self) -> list[str]:
        """The kinds of the lines."""
        return [line.split("|")[0] for line in self.lines()]

    def wait_for(self, kind: str, timeout: float = 90) -> str:
        """The first line of a kind, once it has come; it stands in syslog, too."""
        wait_until(lambda: kind in self.kinds(), f"{self.server} has paged: {kind}; so far: {self.lines()}", timeout)
        (line, *_) = [each for each in self.lines() if each.startswith(f"{kind}|")]
        text = line.split("|", 2)[2]
        assert f"{kind}: {text}" in self.server.succeed("journalctl --boot --output=cat --identifier=twinsan")
        return text


@pytest.fixture(scope="module")
def alerted(whole_pair: Pair) -> Iterator[Pair]:
    """The pair with the alert agent."""
    for server in whole_pair.servers:
        # The line is the last argument.
        server.copy({_COMMAND: _SCRIPT.replace("$1", "$2").encode()})
        server.succeed(f"chmod +x {_COMMAND}")
    whole_pair.atlas.copy({"/root/alerts.xml": configuration("xml").encode()})
    whole_pair.atlas.succeed("crm configure load xml update /root/alerts.xml")
    whole_pair.wait_until_settled()
    yield whole_pair
    whole_pair.atlas.succeed("cibadmin --delete --xml-text '<alert id=\"twinsan-alert\"/>'")


@pytest.fixture
def pages(alerted: Pair) -> dict[str, Pages]:
    """What the command gets on each server from now on."""
    return {server.name: Pages(server) for server in alerted.servers}


def test_crmsh_takes_its_own_form(alerted: Pair) -> None:
    """And makes the same of it."""
    query = "cibadmin --query --xpath //alerts"
    before = alerted.atlas.succeed(query)
    assert f'value="{_COMMAND} --to"' in before
    alerted.atlas.copy({"/root/alerts.crm": configuration("crm").encode()})
    alerted.atlas.succeed("cibadmin --delete --xml-text '<alert id=\"twinsan-alert\"/>'")
    alerted.atlas.succeed("crm configure load update /root/alerts.crm")
    after = alerted.atlas.succeed(query)
    assert f'value="{_COMMAND} --to"' in after
    assert 'path="/usr/share/twinsan/alert"' in after


def test_a_switchover(recovering: Pair, active: Machine, passive: Machine, pages: dict[str, Pages]) -> None:
    """One line for all of it, on the server that serves now."""
    recovering.move(passive)
    line = pages[passive.name].wait_for("failover")
    assert line.startswith(f"{passive} serves 10.0.5.50 (p_portal), ")
    assert f" s after {active} stopped: " in line
    recovering.recover()
    assert pages[passive.name].kinds() == ["failover"]
    assert pages[active.name].kinds() == []


def test_a_server_in_standby(recovering: Pair, active: Machine, passive: Machine, pages: dict[str, Pages]) -> None:
    """The line says why, and what to type."""
    recovering.standby(active)
    line = pages[passive.name].wait_for("failover")
    assert f"after {active} stopped: {active} is in standby; when it shall serve again: " in line
    passive.succeed(line.rpartition("when it shall serve again: ")[2])
    recovering.recover()


def test_a_power_cut(recovering: Pair, active: Machine, passive: Machine, pages: dict[str, Pages]) -> None:
    active.power_off()
    page = pages[passive.name]
    assert f"the cluster has lost {active}; " in page.wait_for("node-lost")
    assert f"{active} was fenced: Operation reboot of {active} by {passive} " in page.wait_for("fencing")
    line = page.wait_for("failover")
    assert f"after {active} stopped: the cluster has lost {active}" in line
    recovering.recover()
    assert f"{active} is back in the cluster" in page.wait_for("node-back")


def test_a_disk_that_is_lost(recovering: Pair, active: Machine, passive: Machine, pages: dict[str, Pages]) -> None:
    active.succeed(f"drbdadm detach {RESOURCE}")
    line = pages[active.name].wait_for("disk-lost")
    assert line.startswith(f"p_drbd on {active}: the local disk of san/0 is gone (Diskless)")
    assert "drbdadm adjust san" in line
    active.succeed(f"drbdadm adjust {RESOURCE}")
    recovering.wait_until_in_sync()
    assert pages[active.name].wait_for("well") == f"p_drbd on {active} is well again"
    # In between, a resync may have been seen.
    assert (pages[active.name].kinds()[0], pages[active.name].kinds()[-1]) == ("disk-lost", "well")


def test_a_standby_that_is_not_ready(
    recovering: Pair, active: Machine, passive: Machine, pages: dict[str, Pages]
) -> None:
    passive.succeed(f"drbdadm disconnect {RESOURCE}")
    line = pages[active.name].wait_for("standby-not-ready")
    assert line.startswith(f"p_drbd on {active}: replication of san ")
    passive.succeed(f"drbdadm adjust {RESOURCE}")
    recovering.wait_until_in_sync()
    pages[active.name].wait_for("well")


def test_a_split_brain(
    alerted: Pair,
    by_hand: Pair,  # noqa: F811
    active: Machine,
    passive: Machine,
    pages: dict[str, Pages],
) -> None:
    passive.succeed(f"ip route add blackhole {active.san_address}/32")
    for server in (active, passive):
        server.wait_until(f"drbdadm cstate {RESOURCE} | grep -qx WFConnection", "the peer is lost", 60)
    write(active, 6)
    passive.succeed(f"drbdadm primary {RESOURCE}")
    write(passive, 2)
    passive.succeed(f"drbdadm secondary {RESOURCE}")
    passive.succeed(f"ip route del blackhole {active.san_address}/32")
    for server in (active, passive):
        server.wait_until(f"drbdadm cstate {RESOURCE} | grep -qx StandAlone", "DRBD refuses the connection", 60)
    # The cluster looks again, as it would have all the time. A monitor that was degraded before would begin again only
    # after failure-timeout.
    active.succeed("crm_attribute --name maintenance-mode --update false")
    active.succeed("crm_resource --cleanup --resource p_drbd")
    line = pages[active.name].wait_for("split-brain", 150)
    assert line.startswith(f"p_drbd on {active}: split brain of san; the victim types ")
    assert any(each.startswith("split-brain|critical|") for each in pages[active.name].lines())
    active.succeed("crm_attribute --name maintenance-mode --update true")
    passive.succeed(f"drbdadm disconnect {RESOURCE}; drbdadm connect --discard-my-data {RESOURCE}")
    active.succeed(f"drbdadm disconnect {RESOURCE}; drbdadm connect {RESOURCE}")
    by_hand.wait_until_in_sync(60)


def test_an_alert_costs_a_switchover_next_to_nothing(alerted: Pair) -> None:
    """What nobody wants to know starts no Python."""
    facts = "CRM_alert_kind=resource CRM_alert_rc=0 CRM_alert_target_rc=0 CRM_alert_task=promote CRM_alert_rsc=p_drbd"
    command = f"time (for n in 1 2 3 4 5; do env {facts} CRM_alert_status=0 /usr/share/twinsan/alert; done)"
    result = alerted.atlas.run(["bash", "-c", f"TIMEFORMAT=%R; {command}"])
    assert float(result.stderr) < 5 * 1.0, result.stderr
