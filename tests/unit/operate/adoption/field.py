# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations as the field has them: what `twinsan adopt` reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit import agents
from twinsan import cli
from twinsan.site import reader
from twinsan.site.model import Site

ESX = "iqn.1998-01.com.vmware:esx"
IQN = "iqn.2001-04.com.example:storage.r0"
SECRET = "correcthorse12"
BMC_SECRET = "batterystaple34"

COROSYNC = """\
totem {
    version: 2
    cluster_name: storage   # of two
    transport: knet
    token: 5000
}
nodelist {
    node {
        ring0_addr: 192.168.1.11
        ring1_addr: 192.168.2.11
        name: alice
        nodeid: 1
    }
    node {
        ring0_addr: 192.168.1.12
        ring1_addr: 192.168.2.12
        name: bob
        nodeid: 2
    }
}
quorum {
    provider: corosync_votequorum
    two_node: 1
}
""".replace("   # of two", "")


def pairs(tag: str, owner: str, values: Mapping[str, str]) -> str:
    """A set of names and values."""
    inner = "".join(
        f'<nvpair id="{owner}-{tag}-{name}" name="{name}" value="{value}"/>' for name, value in values.items()
    )
    return f'<{tag} id="{owner}-{tag}">{inner}</{tag}>'


def primitive(name: str, agent: str, values: Mapping[str, str], **meta: str) -> str:
    """A resource."""
    kind, _, rest = agent.partition(":")
    provider, colon, last = rest.rpartition(":")
    named = f'provider="{provider}" ' if colon else ""
    extra = (
        pairs("meta_attributes", name, {key.replace("_", "-"): value for key, value in meta.items()}) if meta else ""
    )
    return (
        f'<primitive id="{name}" class="{kind}" {named}type="{last}">'
        f"{pairs('instance_attributes', name, values)}{extra}</primitive>"
    )


def drbd(name: str = "p_drbd_r0", resource: str = "r0", *, tag: str = "clone") -> str:
    """A DRBD clone, as newer or (with the tag master) older configurations have it."""
    inner = primitive(name, "ocf:linbit:drbd", {"drbd_resource": resource})
    return f'<{tag} id="ms_{name[2:]}">{pairs("meta_attributes", "ms", {"promotable": "true"})}{inner}</{tag}>'


def target(name: str = "p_iscsi_target", **values: str) -> str:
    """A target."""
    return primitive(name, "ocf:heartbeat:iSCSITarget", {"implementation": "lio-t", "iqn": IQN, **values})


def lun(name: str = "p_iscsi_lun", **values: str) -> str:
    """A LUN."""
    given = {"implementation": "lio-t", "target_iqn": IQN, "lun": "0", "path": "/dev/drbd0", **values}
    return primitive(name, "ocf:heartbeat:iSCSILogicalUnit", given)


def address(name: str = "p_ip", ip: str = "192.168.1.50", **values: str) -> str:
    """A portal address."""
    return primitive(name, "ocf:heartbeat:IPaddr2", {"ip": ip, "cidr_netmask": "24", **values})


def portblock(name: str, action: str, **values: str) -> str:
    """A packet filter, as LINBIT's guide has two."""
    given = {"ip": "192.168.1.50", "portno": "3260", "protocol": "tcp", "action": action, **values}
    return primitive(name, "ocf:heartbeat:portblock", given)


def group(*members: str, name: str = "g_iscsi", more: str = "") -> str:
    """A group."""
    return f'<group id="{name}">{more}{"".join(members)}</group>'


def bmc(node: str, ip: str, **values: str) -> str:
    """A fence device by IPMI."""
    given = {"pcmk_host_list": node, "ip": ip, "username": "admin", "password": BMC_SECRET, "lanplus": "1", **values}
    return primitive(f"fence_by_{node}", "stonith:fence_ipmilan", given)


FENCING = bmc("alice", "192.168.2.111") + bmc("bob", "192.168.2.112")
TIED = (
    '<rsc_colocation id="c_1" rsc="g_iscsi" with-rsc="ms_drbd_r0" with-rsc-role="Master" score="INFINITY"/>'
    '<rsc_order id="o_1" first="ms_drbd_r0" first-action="promote" then="g_iscsi" then-action="start" '
    'score="INFINITY"/>'
)


def guide(**values: str) -> str:
    """The group of LINBIT's guide."""
    return group(
        portblock("p_block", "block"),
        address(),
        target(portals="192.168.1.50:3260", allowed_initiators=ESX),
        lun(**{"scsi_sn": "aaaaaaa0", **values}),
        portblock("p_unblock", "unblock", tickle_dir="/srv/tickle"),
    )


def cib(*resources: str, constraints: str = TIED, properties: Mapping[str, str] | None = None) -> str:
    """A configuration of alice and bob."""
    options = pairs("cluster_property_set", "cib-bootstrap-options", {"cluster-name": "storage", **(properties or {})})
    return (
        '<cib validate-with="pacemaker-3.7" epoch="7"><configuration>'
        f"<crm_config>{options}</crm_config>"
        '<nodes><node id="1" uname="alice"/><node id="2" uname="bob"/></nodes>'
        f"<resources>{''.join(resources)}</resources><constraints>{constraints}</constraints>"
        "</configuration><status/></cib>"
    )


def host(name: str, ip: str, volumes: str) -> str:
    """A host of DRBD's dump."""
    return f'<host name="{name}">{volumes}<address family="ipv4" port="7788">{ip}</address></host>'


def volume(number: int, minor: int, disk: str, meta: str = "internal") -> str:
    """A volume of DRBD's dump."""
    device = f'<device minor="{minor}">/dev/drbd{minor}</device>'
    return f'<volume vnr="{number}">{device}<disk>{disk}</disk><meta-disk>{meta}</meta-disk></volume>'


def dump(
    name: str = "r0", minor: int = 0, disks: tuple[str, str] = ("/dev/vg0/r0", "/dev/vg0/r0"), more: str = ""
) -> str:
    """A resource of DRBD's dump."""
    one, other = (volume(0, minor, disk) for disk in disks)
    hosts = host("alice", "192.168.1.11", one) + host("bob", "192.168.1.12", other)
    section = '<section name="net"><option name="shared-secret" value="drbdsecret99"/></section>'
    return f'<resource name="{name}" conf-file-line="/etc/drbd.d/{name}.res:1">{hosts}{section}{more}</resource>'


def dumped(*resources: str) -> str:
    """DRBD's dump."""
    return f'<config file="/etc/drbd.conf">{"".join(resources)}</config>'


class Adopted:
    """What `twinsan adopt --json` says: its exit status, the site file, and the rest."""

    def __init__(self, status: int, told: dict[str, Any]) -> None:
        self.status = status
        self.text: str = told["site"]
        self.told = told
        self.site: Site | None = reader.parse(self.text.encode())[0]

    def lost(self) -> str:
        """All that cannot be kept, in one text."""
        return "\n".join(f"{each['where']}: {each['what']}; {each['remedy']}" for each in self.told["not_kept"])

    def changes(self) -> str:
        """All that changes, in one text."""
        return "\n".join(f"{each['what']}; {each['why']}" for each in self.told["changes"])

    def missing(self) -> list[str]:
        """The keys that render names."""
        return [each["key"] for each in self.told["missing"]]

    def commands(self) -> list[str]:
        """All commands of the steps."""
        return [command for step in self.told["steps"] for command in step["commands"]]


def adopt(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    configuration: str,
    *,
    drbd: str = dumped(dump()),
    corosync: str = COROSYNC,
) -> Adopted:
    """Adopt a configuration of a cluster."""
    files = {"cib.xml": configuration, "drbd.xml": drbd, "corosync.conf": corosync}
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    words = ["--cib", str(folder / "cib.xml"), "--drbd", str(folder / "drbd.xml")]
    status = cli.main(["adopt", *words, "--corosync", str(folder / "corosync.conf"), "--json"])
    return Adopted(status, json.loads(capsys.readouterr().out))


MANAGEMENT = address("p_admin", "192.168.2.60")
SAVED = json.loads((agents.ROOT / "tests" / "unit" / "data" / "saveconfig.json").read_text())
