# SPDX-License-Identifier: GPL-2.0-or-later
"""How a lost node is made sure to be off: its BMC, or SBD; and the third vote."""

from __future__ import annotations

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Reason
from twinsan.operate.setting_up import disk_checks, nodes, passwords
from twinsan.operate.setting_up.steps import Step
from twinsan.site import model, sbd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from twinsan.operate.remote import Node
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.operate.setting_up.nodes import Pair

NO_WATCHDOG = Reason(
    Failure,
    "{node} has no watchdog {path}",
    "load the driver of its hardware there; for a test only: modprobe softdog",
)
NO_WITNESS = Reason(
    Failure,
    "the third machine {host} is not reached by ssh: {complaint}",
    "let root of this node log in there: ssh-copy-id root@{host}; it makes the certificates of corosync-qnetd",
)
NO_QNETD = Reason(
    Failure, "the third machine {host} has no corosync-qnetd", "install it there (Debian: apt install corosync-qnetd)"
)
NO_CERTIFICATES = Reason(
    Failure,
    "the certificates for the third vote were not made: {complaint}",
    "type it by hand: {command}",
)

_CERTIFICATES = "/etc/corosync/qdevice/net/nssdb/cert9.db"

_SECONDS_FOR_CERTIFICATES = 300.0


def check(pair: Pair, known: Mapping[str, str], found: Findings) -> None:
    """Add what keeps a lost node from being fenced. `known` are the passwords of the BMCs, as far as they are known."""
    if pair.site.fencing.by == model.IPMI:
        passwords.check(pair, known, found)
    else:
        for node in pair.nodes:
            if not nodes.succeeds(node, "test", "-c", pair.site.fencing.watchdog):
                found.add(node.name, NO_WATCHDOG, path=pair.site.fencing.watchdog)
            for device in pair.site.fencing.devices:
                _check_sbd_disk(pair, node, device, found)
    if pair.site.witness:
        _check_witness(pair, found)


class Sbd(Step):
    """SBD has its settings on both nodes, its place on the disks, and starts with the cluster."""

    what = "Set up SBD on both nodes"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        return all(self._pair.on_both(self._has_it)) and not self._without_places()

    def do(self) -> str:
        # A disk that is ready may be in use: the nodes that watch it would reset themselves.
        devices = [word for device in self._without_places() for word in ("-d", device)]
        if devices:
            seconds = self._pair.site.watchdog_seconds
            nodes.run(self._pair.here, "sbd", *devices, "-1", str(seconds), "-4", str(2 * seconds), "create")
        for node in self._pair.nodes:
            node.put(self._path(node), sbd.text(self._pair.site), deadline=Deadline(60))
            nodes.run(node, "systemctl", "enable", "sbd.service")
        return ""

    def _path(self, node: Node) -> str:
        is_debian = "debian" in self._pair.facts_of(node).system
        return "/etc/default/sbd" if is_debian else "/etc/sysconfig/sbd"

    def _has_it(self, node: Node) -> bool:
        text = node.read_text(self._path(node), deadline=Deadline(60))
        return text == sbd.text(self._pair.site) and self._pair.facts_of(node).service("sbd").enabled

    def _without_places(self) -> list[str]:
        return [device for device in self._pair.site.fencing.devices if not is_sbd(self._pair.here, device)]


class ThirdVote(Step):
    """The certificates for the third machine, on both nodes."""

    what = "Make the certificates for the third vote"

    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    def is_done(self) -> bool:
        return all(nodes.succeeds(node, "test", "-e", _CERTIFICATES) for node in self._pair.nodes)

    def do(self) -> str:
        site = self._pair.site
        words = ["corosync-qdevice-net-certutil", "-Q", "-n", site.name, site.witness]
        words += [node.name for node in site.nodes]
        result = nodes.run(self._pair.here, *words, seconds=_SECONDS_FOR_CERTIFICATES, check=False)
        if not result.ok or not self.is_done():
            raise NO_CERTIFICATES(complaint=result.complaint, command=" ".join(words))
        return ""


def is_sbd(node: Node, device: str) -> bool:
    """Whether a disk has SBD's places."""
    return nodes.succeeds(node, "sbd", "-d", device, "dump")


def _check_sbd_disk(pair: Pair, node: Node, device: str, found: Findings) -> None:
    """A disk of SBD is made by one node, and seen by both."""
    has = pair.facts_of(node)
    disk = has.disk(device)
    values = {"path": device, "key": "fencing.devices"}
    if disk.fault:
        found.add(node.name, disk_checks.NO_DISK, fault=disk.fault, **values)
        return
    if disk.holders or disk.users:
        found.add(node.name, disk_checks.IN_USE, users=", ".join([*disk.holders, *disk.users]), **values)
        return
    ready = "sbd" in has.programs and is_sbd(node, device)
    if node.is_here and disk.content and not ready and f"{node.name}:{device}" not in pair.overwrite:
        size = disk_checks.in_words(disk.size)
        found.add(node.name, disk_checks.NOT_EMPTY, content=disk.content, size=size, **values)


def _check_witness(pair: Pair, found: Findings) -> None:
    from twinsan.operate.remote import Node

    host = pair.site.witness
    try:
        result = nodes.run(Node(host), "test", "-d", "/etc/corosync/qnetd", check=False)
    except Failure as failure:
        found.add("both", NO_WITNESS, host=host, complaint=str(failure).partition(";")[0])
        return
    if not result.ok:
        found.add("both", NO_QNETD, host=host)
