# SPDX-License-Identifier: GPL-2.0-or-later
"""The agents in other people's hands: ocf-tester, crmsh, pcs; and a SAN that is typed from the manual pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lab.machine import Machine
from lab.pair import IQN, PORTAL, Pair
from tests.cluster import graph, hand
from tests.cluster.graph import Graph

# In the order of the chain, as the manual pages say it.
AGENTS = ("drbd-vaai", "lio-iscsi-target", "lio-lun", "portal-ip")
TOOLS = ("crmsh", "pcs")
TARGET = {"iqn": "iqn.2003-01.org.example:tester", "portals": "10.0.5.60:3260", "allowed_initiators": "iqn.2003-01.x:y"}
_SAN = ("g_san", "c_target", "ms_drbd")

# DRBD of its own, so that ocf-tester can do what it likes while the cluster serves.
_DRBD = """
resource tester {{
  device /dev/drbd7;
  meta-disk internal;
  on atlas {{ disk {atlas}; address 10.0.5.2:7797; }}
  on zeus {{ disk {zeus}; address 10.0.5.3:7797; }}
}}
"""


@pytest.fixture
def loops(pair: Pair) -> Iterator[dict[str, str]]:
    """A small disk on each server."""
    made = {
        server.name: server.succeed(
            "modprobe loop; truncate -s 16M /run/tester; losetup --find --show /run/tester"
        ).strip()
        for server in pair.servers
    }
    yield made
    for server in pair.servers:
        server.succeed(f"losetup --detach {made[server.name]} && rm /run/tester")


@pytest.fixture
def replicas(pair: Pair, loops: dict[str, str]) -> Iterator[dict[str, str]]:
    """A connected DRBD resource that the cluster does not know."""
    for server in pair.servers:
        server.copy({"/etc/drbd.d/tester.res": _DRBD.format(**loops).encode()})
        server.succeed("drbdadm create-md --force tester </dev/null && drbdadm up tester")
    pair.atlas.wait_until("drbdadm cstate tester | grep -qx Connected", "the replicas are connected", 60)
    pair.atlas.succeed("drbdadm -- --clear-bitmap new-current-uuid tester")
    # The longer wait is for the peer: guests are slow, and one replica alone is not well.
    yield {"drbd_resource": "tester", "wfc_timeout": "15"}
    for server in pair.servers:
        server.succeed("drbdadm down tester && rm /etc/drbd.d/tester.res")


@pytest.fixture
def lun(passive: Machine, loops: dict[str, str]) -> Iterator[dict[str, str]]:
    """What a LUN needs: a disk and a target."""
    hand.expect(passive, 0, "lio-iscsi-target", "start", **TARGET)
    yield {"target_iqn": TARGET["iqn"], "lun": "1", "path": loops[passive.name]}
    hand.expect(passive, 0, "lio-iscsi-target", "stop", **TARGET)


def ocf_tester(server: Machine, agent: str, values: dict[str, str]) -> None:
    """Let ocf-tester run an agent through all its actions, with the lint by its DTD."""
    given = " ".join(f"-o {name}={value}" for name, value in values.items())
    result = server.run(f"ocf-tester -n tester {given} /usr/lib/ocf/resource.d/twinsan/{agent}", timeout=300)
    assert result.status == 0, result.stdout + result.stderr
    assert "passed all tests" in result.stdout
    assert "* rc=" not in result.stdout
    assert result.stderr == ""


def test_ocf_tester_passes_a_target(passive: Machine) -> None:
    ocf_tester(passive, "lio-iscsi-target", TARGET)


def test_ocf_tester_passes_a_lun(passive: Machine, lun: dict[str, str]) -> None:
    ocf_tester(passive, "lio-lun", lun)


def test_ocf_tester_passes_an_address(passive: Machine) -> None:
    ocf_tester(passive, "portal-ip", {"ip": "10.0.5.70"})


def test_ocf_tester_passes_a_replica_and_promotes_it(passive: Machine, replicas: dict[str, str]) -> None:
    ocf_tester(passive, "drbd-vaai", replicas)


@pytest.mark.parametrize("agent", AGENTS)
def test_the_tools_read_the_metadata(passive: Machine, agent: str) -> None:
    for command in (f"pcs resource describe ocf:twinsan:{agent}", f"crm ra info ocf:twinsan:{agent}"):
        result = passive.run(command)
        assert (result.status, result.stderr) == (0, ""), command
        assert f"ocf:twinsan:{agent}" in result.stdout
        assert not re.search("warning|error:", result.stdout, re.IGNORECASE), result.stdout


# A start of pcs takes seconds in a guest, and a validation is several.
@pytest.mark.procedure
@pytest.mark.parametrize("agent", AGENTS)
def test_pcs_validates_with_the_agent(pair: Pair, active: Machine, agent: str) -> None:
    values = {
        "drbd-vaai": "drbd_resource=san",
        "lio-iscsi-target": f"iqn={IQN} portals={PORTAL}",
        "lio-lun": f"target_iqn={IQN} lun=1 path=/dev/drbd0",
        "portal-ip": f"ip={PORTAL}",
    }
    create = f"cibadmin --empty >/run/empty.xml && pcs -f /run/empty.xml resource create p ocf:twinsan:{agent}"
    result = active.run(f"{create} {values[agent]} --agent-validation")
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    wrong = re.sub("=[^ ]*", "=\\~", values[agent])
    refused = active.fail(f"{create} {wrong} --agent-validation")
    assert "parameter" in refused.stderr, "the agent's reason is not shown"


def example(project: Path, agent: str, tool: str) -> str:
    """The commands of a manual page, as a reader sees them."""
    page = (project / "man" / f"ocf_twinsan_{agent}.7").read_text(encoding="ascii")
    section = page.partition(".SH EXAMPLE\n")[2].partition("\n.SH ")[0]
    blocks = re.findall(r"^\.nf\n(.*?)^\.fi$", section, re.MULTILINE | re.DOTALL)
    block: str = blocks[TOOLS.index(tool)]
    return block.replace("\\-", "-").replace("\\&", "").replace("\\e", "\\")


def identity(pair: Pair) -> str:
    """All that the initiator knows a disk by."""
    pages = " ".join(f"sg_vpd --hex --page={page} {pair.disk};" for page in ("0x80", "0x83", "0xb0", "0xb1", "0xb2"))
    return pair.esx.succeed(f"sg_inq --hex {pair.disk}; {pages} sg_readcap --long --hex {pair.disk}")


def log_out(pair: Pair) -> None:
    """End the initiator's session, where there is one."""
    pair.esx.succeed("! iscsiadm -m session >/dev/null 2>&1 || iscsiadm -m node --logoutall=all")


@pytest.fixture
def typed_away(recovering: Pair) -> Iterator[Pair]:
    """A cluster with fencing and properties alone; the template comes back afterwards."""
    pair, server = recovering, recovering.atlas
    log_out(pair)
    for resource in _SAN:
        target_role = "--meta --set-parameter target-role --parameter-value Stopped"
        server.succeed(f"crm_resource --resource {resource} {target_role}")
    pair.wait_until_idle()
    configuration = ET.fromstring(server.succeed("cibadmin --query --scope configuration"))
    for parent in [*configuration.iter("resources"), *configuration.iter("constraints")]:
        for element in [each for each in parent if {*_SAN}.intersection(each.attrib.values())]:
            parent.remove(element)
    # A start of crmsh takes seconds in a guest, and the manual pages have many.
    server.succeed("cibadmin --replace --scope configuration --xml-pipe", stdin=ET.tostring(configuration))
    pair.wait_until_idle()
    yield pair
    log_out(pair)
    pair.load_template()
    pair.disk = pair.log_in()


@pytest.fixture
def template(pair: Pair, active: Machine) -> tuple[Graph, str, str]:
    """What the template makes of the cluster, what the initiator sees of it, and what it has just written."""
    marker = "written through the template"
    pair.esx.succeed(f"printf '%-4096s' '{marker}' | dd of={pair.disk} bs=4096 oflag=direct conv=fsync status=none")
    return graph.of(active, graph.configuration(active)), identity(pair), marker


@pytest.mark.parametrize("tool", ["crmsh", pytest.param("pcs", marks=pytest.mark.procedure)])
def test_the_manual_pages_bring_up_the_san(
    template: tuple[Graph, str, str], typed_away: Pair, project: Path, tool: str
) -> None:
    before, disk, marker = template
    pair, server = typed_away, typed_away.atlas
    assert "ocf:twinsan" not in server.succeed("crm_mon -1 --inactive")
    for agent in AGENTS:
        server.copy({"/root/page": example(project, agent, tool).encode()})
        result = server.run("cd /root && sh -e page")
        said = result.stdout + result.stderr
        assert result.status == 0, said
        # pcs also says what it does, on one stream or the other.
        assert not re.search("warning|error|deprecated", said, re.IGNORECASE), said
    active = pair.wait_until_serving()
    pair.wait_until_settled()
    assert server.succeed("crm_verify --live-check --verbose 2>&1; crm configure verify 2>&1") == ""
    again = graph.of(active, graph.configuration(active))
    assert again.keys() == before.keys()
    assert again == before
    pair.disk = pair.log_in()
    assert identity(pair) == disk
    assert marker in pair.esx.succeed(f"dd if={pair.disk} bs=4096 count=1 iflag=direct status=none")
