# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults that are seeded in the hosts, in DRBD's files and in corosync.conf: each is found, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.operate.checks import host, mutation
from tests.unit.operate.checks.host import Facts
from twinsan.operate.checks import hosts, paths, replicas, storage, votes
from twinsan.operate.checks.configuration import Configuration
from twinsan.operate.checks.finding import Finding
from twinsan.operate.checks.report import Report

Seed = Callable[[Facts], None]


def findings(facts: Facts, template: str = "san") -> list[Finding]:
    """What the rules for hosts find."""
    report = Report()
    configuration = host.configuration(template)
    for found in (votes.find(facts), paths.find(facts)):
        report.add(found)
    for rules in (replicas, hosts, storage):
        report.add(rules.find(configuration, facts))
    assert all(each.what and each.why and each.mend for each in report.findings())
    return report.findings()


def told(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.fault.key, each.fault.severity) for each in found]


@pytest.mark.parametrize("drbd", ["8.4", "9"])
@pytest.mark.parametrize(("template", "conf"), [("san", "corosync"), ("san-qnetd", "corosync-qnetd")])
def test_nothing_is_found_in_a_healthy_pair(drbd: str, template: str, conf: str) -> None:
    facts = host.pair(drbd, conf=host.corosync(conf))
    if conf != "corosync":
        for seen in facts.values():
            seen["enabled"].append("corosync-qdevice.service")
    assert [each.what for each in findings(facts, template)] == []


def test_nothing_is_found_where_one_node_alone_was_seen() -> None:
    facts = host.pair()
    del facts["zeus"]
    assert findings(facts) == []


# What is changed in the resource file of both nodes: version, old text, new text, key, severity.
IN_DRBD = {
    "protocol A": ("9", "protocol C", "protocol A", "drbd-asynchronous", "error"),
    "no fencing in 9": ("9", "fencing        resource-and-stonith;", "", "drbd-not-fencing", "error"),
    "no fencing in 8.4": ("8.4", "fencing        resource-and-stonith;", "", "drbd-not-fencing", "error"),
    "fencing of the resource only": (
        "9",
        "resource-and-stonith;",
        "resource-only;",
        "drbd-fences-resource-only",
        "warning",
    ),
    "no fence-peer": ("9", 'fence-peer   "/usr/sbin/twinsan fence-peer";', "", "drbd-handler-missing", "error"),
    "no unfence-peer": ("8.4", 'unfence-peer "/usr/sbin/twinsan unfence-peer";', "", "drbd-handler-missing", "error"),
    "another handler": (
        "9",
        "/usr/sbin/twinsan fence-peer",
        "/usr/lib/drbd/crm-fence-peer.9.sh",
        "drbd-handler-other",
        "warning",
    ),
    "unfencing after a resync": (
        "9",
        'unfence-peer "/usr/sbin/twinsan unfence-peer";',
        'after-resync-target "/usr/lib/drbd/crm-unfence-peer.9.sh";',
        "drbd-unfences-early",
        "warning",
    ),
    "auto-promote": ("9", "auto-promote          no;", "", "drbd-auto-promote", "error"),
    "two Primaries": ("9", "protocol C;", "protocol C; allow-two-primaries yes;", "drbd-two-primaries", "error"),
    "two Primaries, as a word": (
        "8.4",
        "protocol C;",
        "protocol C; allow-two-primaries;",
        "drbd-two-primaries",
        "error",
    ),
    "data thrown away": (
        "9",
        "protocol C;",
        "protocol C; after-sb-1pri discard-secondary;",
        "drbd-discards",
        "error",
    ),
    "Primary at boot": (
        "8.4",
        "handlers {",
        "startup { become-primary-on both; }\n handlers {",
        "drbd-starts-primary",
        "error",
    ),
    "I/O errors without data": ("9", "suspend-io", "io-error", "drbd-fails-io", "warning"),
    "I/O errors of one disk": ("9", "on-io-error    detach", "on-io-error pass_on", "drbd-passes-errors-on", "warning"),
    "no flushes": ("9", "on-io-error    detach;", "on-io-error detach; disk-flushes no;", "drbd-no-flushes", "warning"),
    "a peer that is waited for": ("9", "ko-count       20", "ko-count 0", "drbd-no-ko-count", "warning"),
    "a section of 8.3": ("8.4", "handlers {", "syncer { rate 750M; }\n handlers {", "drbd-syncer", "warning"),
    "quorum of two": ("9", "quorum                off", "quorum majority", "drbd-quorum-and-fencing", "warning"),
    "zeros in place of discards": (
        "9",
        "on-io-error    detach;",
        "on-io-error detach; discard-zeroes-if-aligned no;",
        "drbd-writes-zeroes",
        "warning",
    ),
    "no secret": ("9", "shared-secret  0123456789abcdef;", "", "drbd-secret-missing", "warning"),
    "the secret of a manual": ("9", "0123456789abcdef", '"FooFunFactory"', "drbd-secret-known", "error"),
    "another name of the resource": ("9", "resource san {", "resource sun {", "drbd-resource-missing", "error"),
    "another volume": ("9", "/dev/drbd0 minor 0", "/dev/drbd7 minor 7", "device-not-replicated", "error"),
}


@pytest.mark.parametrize("name", IN_DRBD)
def test_a_fault_in_the_file_of_drbd(name: str) -> None:
    version, old, new, key, severity = IN_DRBD[name]
    text = host.resource_file(version)
    assert old in text
    found = findings(host.pair(version, res=text.replace(old, new)))
    assert set(told(found)) == {(key, severity)}


# The same in corosync.conf of both nodes.
IN_COROSYNC = {
    "no crypto": ("corosync", "crypto_hash: sha256", "crypto_hash: none", "corosync-not-secret", "warning"),
    "a short token": ("corosync", "consensus: 1000", "consensus: 500\n    token: 999", "token-short", "warning"),
    "a long token": ("corosync", "token: 3000", "token: 20000", "token-long", "warning"),
    "the default of consensus": ("corosync", "consensus: 1000", "", "consensus-long", "note"),
    "no quorum of two": ("corosync", "two_node: 1", "two_node: 0", "two-node-missing", "error"),
    "two_node beside a third vote": (
        "corosync-qnetd",
        "device {",
        "two_node: 1\n    device {",
        "two-node-and-device",
        "error",
    ),
    "a late vote": ("corosync-qnetd", "        timeout: 3000", "        timeout: 10000", "vote-late", "warning"),
    "links that share a network": ("corosync", "10.0.6.1", "10.0.5.1", "links-in-one-network", "warning"),
}


@pytest.mark.parametrize("name", IN_COROSYNC)
def test_a_fault_in_corosync_conf(name: str) -> None:
    which, old, new, key, severity = IN_COROSYNC[name]
    text = host.corosync(which)
    assert old in text
    facts = host.pair(conf=text.replace(old, new))
    for seen in facts.values():
        seen["enabled"].append("corosync-qdevice.service")
        seen["corosync_running"] = {}
        seen["networks"] = None
    assert told(findings(facts, "san-qnetd" if "qnetd" in which else "san")) == [(key, severity)]


def test_one_link() -> None:
    conf = "\n".join(line for line in host.corosync().splitlines() if "ring1_addr" not in line)
    assert told(findings(host.pair(conf=conf))) == [("one-link", "warning")]


def of_zeus(key: str, value: object) -> Seed:
    """What zeus sees of itself is another thing."""

    def seed(facts: Facts) -> None:
        facts["zeus"][key] = value

    return seed


def on_both(key: str, value: object) -> Seed:
    def seed(facts: Facts) -> None:
        for seen in facts.values():
            seen[key] = value

    return seed


def inside(key: str, name: str, value: object) -> Seed:
    def seed(facts: Facts) -> None:
        facts["zeus"][key][name] = value

    return seed


def enabled(unit: str) -> Seed:
    return lambda facts: facts["zeus"]["enabled"].append(unit)


def disk(**limits: str) -> Seed:
    return lambda facts: facts["zeus"]["disks"]["san/0"].update(limits)


def held(device: str, holder: str) -> Seed:
    return lambda facts: facts["zeus"]["held"].update({device: [holder]})


def file(path: str, **values: str) -> Seed:
    return lambda facts: facts["zeus"]["files"][path].update(values)


def device(address: str, **values: object) -> Seed:
    return lambda facts: facts["zeus"]["networks"][address].update(values)


def _without(key: str, name: str) -> Seed:
    return lambda facts: facts["zeus"][key].pop(name)


def _saved(devices: list[str], targets: list[str]) -> Seed:
    return inside("saved_target", "/etc/target/saveconfig.json", {"devices": devices, "targets": targets})


ON_ZEUS: dict[str, tuple[Seed, str, str]] = {
    "another name in the cluster": (of_zeus("node", "zeus.example.org"), "node-name-differs", "error"),
    "target.service": (enabled("target.service"), "target-service-enabled", "error"),
    "rtslib-fb-targetctl": (enabled("rtslib-fb-targetctl.service"), "target-service-enabled", "error"),
    "drbd.service": (enabled("drbd.service"), "drbd-service-enabled", "warning"),
    "drbd-reactor": (enabled("drbd-reactor.service"), "second-manager", "error"),
    "another target": (of_zeus("running", ["tgtd"]), "other-target-runs", "warning"),
    "a saved target": (_saved([], ["iqn.2003-01.org.example:san"]), "saved-target", "warning"),
    "a saved device": (_saved(["/dev/drbd0"], []), "saved-target", "warning"),
    "pacemaker not at boot": (of_zeus("enabled", ["corosync.service"]), "cluster-not-enabled", "note"),
    "no agents": (of_zeus("agents", False), "agents-missing", "error"),
    "no handler": (of_zeus("handler", False), "handler-missing", "error"),
    "an old kernel": (
        on_both("kernel", "5.4.0-42"),
        "kernel-old",
        "warning",
    ),
    "another kernel": (of_zeus("kernel", "6.1.0"), "kernels-differ", "note"),
    "another DRBD": (of_zeus("drbd", "9.2.10"), "drbd-versions-differ", "warning"),
    "a DRBD with a fault": (
        on_both("drbd", "9.1.18-1"),
        "drbd-version-faulty",
        "warning",
    ),
    "another twinsan": (of_zeus("twinsan", "0.0.9"), "twinsan-versions-differ", "warning"),
    "a clock that nobody keeps": (inside("clock", "synchronised", False), "clock-not-synchronised", "note"),
    "a wrong clock": (inside("clock", "apart", 7.5), "clocks-differ", "warning"),
    "a denial": (of_zeus("selinux", {"enforcing": True, "denied": "avc: denied"}), "selinux-denied", "warning"),
    "LVM without a filter": (inside("lvm", "installed", True), "lvm-takes-drbd", "warning"),
    "multipathd without a blacklist": (of_zeus("running", ["multipathd"]), "multipath-takes-drbd", "warning"),
    "a mounted disk": (held("/dev/drbd0", "mounted on /mnt"), "device-mounted", "error"),
    "a process on the disk": (held("/dev/drbd0", "dd (pid 411)"), "device-held", "warning"),
    "a volume group of a guest": (held("/dev/drbd0", "device /dev/dm-3 on top of it"), "device-held", "warning"),
    "a disk that cannot discard": (disk(discard_max_bytes="0"), "discard-differs", "warning"),
    "a disk that rotates": (disk(rotational="1"), "disk-kinds-differ", "note"),
    "a disk with a cache": (disk(write_cache="write back"), "write-caches-differ", "note"),
    "a disk of other blocks": (disk(logical_block_size="4096"), "block-sizes-differ", "error"),
    "a coarse thin pool": (disk(discard_granularity=str(4 << 20)), "discard-coarse", "note"),
    "a thin pool that fills": (
        of_zeus("thin", [{"pool": "vg-pool", "data": 85.0, "metadata": 10.0}]),
        "thin-pool-fills",
        "warning",
    ),
    "full metadata of a thin pool": (
        of_zeus("thin", [{"pool": "vg-pool", "data": 5.0, "metadata": 97.5}]),
        "thin-pool-full",
        "error",
    ),
    "another resource file": (file("/etc/drbd.d/san.res", digest="b"), "drbd-files-differ", "warning"),
    "a resource file for all": (file("/etc/drbd.d/san.res", mode="644"), "drbd-file-readable", "warning"),
    "another corosync.conf": (file("/etc/corosync/corosync.conf", digest="b"), "corosync-files-differ", "error"),
    "another key": (file("/etc/corosync/authkey", digest="b"), "corosync-files-differ", "error"),
    "no key": (_without("files", "/etc/corosync/authkey"), "corosync-key-missing", "error"),
    "another token in the kernel": (
        of_zeus("corosync_running", {"runtime.config.totem.token": "1000"}),
        "times-differ",
        "warning",
    ),
    "another MTU": (device("10.0.5.3", mtu=9000), "mtu-differs", "warning"),
    "an MTU that the switch does not carry": (of_zeus("carried", {"10.0.5.2": 9000}), "mtu-not-carried", "error"),
    "a link that is down": (device("10.0.6.13", works=False), "link-down", "error"),
    "a link without its address": (_without("networks", "10.0.6.13"), "link-without-address", "error"),
    "a packet filter": (
        of_zeus("firewall", {"on": ["firewalld.service"], "iscsi": False}),
        "firewall-without-iscsi",
        "warning",
    ),
}


@pytest.mark.parametrize("name", ON_ZEUS)
def test_a_fault_on_one_node(name: str) -> None:
    seed, key, severity = ON_ZEUS[name]
    facts = host.pair()
    seed(facts)
    found = findings(facts)
    assert set(told(found)) == {(key, severity)}
    assert len(found) == 1 or name in ("an old kernel", "a DRBD with a fault")


def test_a_host_of_another_name_is_not_in_its_files() -> None:
    facts = host.pair()
    facts["zeus"].update(host="zeus2", node="zeus2")
    assert {key for key, _ in told(findings(facts))} == {"drbd-host-missing", "corosync-name-differs"}


def test_sbd_that_does_not_start_and_a_watchdog_of_the_kernel() -> None:
    facts = host.pair()
    facts["atlas"]["sbd"].update(enabled=True, soft=True)
    assert told(findings(facts, "sbd-disk")) == [("sbd-not-enabled", "error"), ("watchdog-of-kernel", "warning")]


def test_a_third_vote_that_does_not_start() -> None:
    facts = host.pair(conf=host.corosync("corosync-qnetd"))
    assert set(told(findings(facts, "san-qnetd"))) == {("qdevice-not-enabled", "warning")}


@pytest.mark.parametrize(
    ("pacemaker", "utils", "expected"),
    [
        ("3.0.0-6a6db8ac1e", "9.22.0", {"drbd-utils-old"}),
        ("2.1.5-a3f44794f94", "9.22.0", set()),
        ("3.0.0-6a6db8ac1e", "9.28.0", set()),
    ],
)
def test_a_handler_that_does_not_know_this_pacemaker(pacemaker: str, utils: str, expected: set[str]) -> None:
    """drbd-utils 9.22 with Pacemaker 3.0.0 are what Debian 13 has."""
    facts = host.pair()
    for seen in facts.values():
        seen["drbd_utils"] = utils
    changes = mutation.live(), mutation.option("dc-version", pacemaker)
    configuration = Configuration.read(mutation.changed("san", *changes), "cib.xml")
    assert {each.fault.key for each in hosts.find(configuration, facts)} == expected


@pytest.mark.parametrize(("connections", "found"), [(0, {"drbd-not-fencing", "drbd-quorum-and-fencing"}), (3, set())])
def test_with_a_third_node_quorum_stands_in_for_fencing(connections: int, found: set[str]) -> None:
    facts = host.pair()
    for seen in facts.values():
        seen["resources"]["san"]["connections"] = connections
        seen["resources"]["san"]["options"].update({"net.fencing": "dont-care", "options.quorum": "majority"})
    assert {each.fault.key for each in findings(facts)} == found
