# SPDX-License-Identifier: GPL-2.0-or-later
"""Names, numbers and addresses of targets and LUNs, and the secrets that stand in the configuration."""

from __future__ import annotations

from twinsan.cluster.values import is_true
from twinsan.lio import naa
from twinsan.operate.checks import stack as stack_of
from twinsan.operate.checks.finding import ERROR, NOTE, WARNING, Fault
from twinsan.operate.checks.stack import LUNS, REPLICAS, TARGETS, all_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.checks.configuration import Configuration, Resource
    from twinsan.operate.checks.finding import Finding
    from twinsan.operate.checks.stack import Stack

SAME_IQN = Fault(
    "same-iqn",
    ERROR,
    "the targets {where} have the same name {value}",
    why="the second one finds the target of the first, and changes it",
    mend="give each target a name of its own: crm configure edit",
)
SAME_LUN = Fault(
    "same-lun",
    ERROR,
    "{where} are both LUN {value} of one target",
    why="only one of them can start",
    mend="give each LUN of a target a number of its own: crm configure edit",
)
SAME_SERIAL = Fault(
    "same-serial",
    ERROR,
    "{where} have the same NAA name {value}",
    why="hosts take two disks of one name for two paths to one disk, and destroy the data of both",
    mend="give each its own scsi_sn, of which the first 25 hexadecimal digits differ, or none: crm configure edit",
)
SAME_DEVICE = Fault(
    "same-device",
    ERROR,
    "{where} serve the same device {value}",
    why="hosts see two disks and write to one",
    mend="give each LUN a device of its own: crm configure edit",
)
SAME_ADDRESS = Fault(
    "same-address",
    ERROR,
    "{where} have the same address {value}",
    why="the two take it from each other when they are on different nodes",
    mend="give each an address of its own: crm configure edit",
)
SAME_PRODUCT = Fault(
    "same-product",
    WARNING,
    "the product_id of {where} begins with the same 8 characters, {value}",
    why="ESXi has been seen to take such LUNs for one disk",
    mend="let product_id differ in its first 8 characters, or leave it out: crm configure edit",
)
SAME_RELATIVE_PORT = Fault(
    "same-relative-port",
    WARNING,
    "the targets {where} have the same relative_port {value}",
    why="when both are on one node, the second takes another number, which hosts see",
    mend="give each a number of its own: crm configure edit",
)
SERIAL_OF_NAME = Fault(
    "serial-of-name",
    WARNING,
    "{where} has no scsi_sn",
    why="iSCSILogicalUnit makes the serial of the resource's name alone: another cluster may have the same disk",
    mend="give it the serial that it has now: cat /sys/kernel/config/target/core/*/{where}/wwn/vpd_unit_serial",
)
LUN_ZERO = Fault(
    "lun-zero",
    WARNING,
    "{where} is LUN 0",
    why="in place of a LUN 0 that is gone, LIO presents an empty disk that reads as zeros",
    mend="give a new LUN a number from 1 on; hosts that know this one would see another disk: leave it",
)
NOBODY_LISTENS = Fault(
    "portal-missing",
    ERROR,
    "the address {value} of {where} is no portal of its target",
    why="hosts that log in there meet a refused connection",
    mend="add it to the parameter portals of {target}: crm configure edit {target}",
)
NO_ADDRESS = Fault(
    "portal-without-address",
    ERROR,
    "{where} has the portal {value}, and no resource has that address",
    why="discovery tells hosts of an address where nobody answers",
    mend="add an ocf:twinsan:portal-ip for it, or take it out of portals: crm configure edit {where}",
)
EVERYBODY = Fault(
    "everybody-writes",
    WARNING,
    "the target {where} lets every initiator in",
    why="whoever reaches the network can write to every LUN",
    mend="name the hosts in allowed_initiators: crm configure edit {where}",
)
NO_STATE_VOLUME = Fault(
    "state-volume-missing",
    NOTE,
    "the replica {where} has no state_device",
    why="persistent reservations (Windows clusters, fence_scsi) survive a failover only as the last monitor knew them",
    mend="add a volume of 160 MiB to the DRBD resource and name it as state_device: man ocf_twinsan_drbd-vaai",
)
PLAIN_SECRET = Fault(
    "secret-in-cib",
    WARNING,
    "{where} has its {value} in the configuration",
    why="everybody in the group haclient, and every copy of the CIB, can read it",
    mend="crm resource secret {where} stash {value}",
)
KNOWN_SECRET = Fault(
    "secret-known",
    ERROR,
    "the {value} of {where} is one that manuals and factories give",
    why="everybody knows it",
    mend="take another one, on both sides: crm resource secret {where} set {value}",
)

FAULTS = tuple(value for value in list(globals().values()) if isinstance(value, Fault))

_SECRETS = ("password", "passwd", "incoming_password", "outgoing_password", "initiator_credentials", "snmp_priv_passwd")
_IN_CIB_SECRETS = "lrm://"

# Of vendors' BMCs, and of examples in manuals.
_KNOWN = frozenset(
    """
    admin administrator calvin changeme default passw0rd password password1 root secret superuser test 1234 12345678
    123456789012 0penbmc abc123 hacluster letmein qwerty foofunfactory iscsipassword drbdsecret
    """.split()
)


def find(configuration: Configuration, stacks: list[Stack]) -> Iterator[Finding]:
    """Yield what is wrong with identities, addresses and secrets."""
    targets = [each for each in configuration.resources if each.agent in TARGETS]
    luns = [each for each in configuration.resources if each.agent in LUNS]
    addresses = all_of(stacks, "addresses")
    yield from _twice(SAME_IQN, targets, lambda each: stack_of.iqn(each))
    yield from _twice(SAME_LUN, luns, _number, shown=lambda each: each.parameters.get("lun", ""))
    yield from _twice(SAME_SERIAL, luns, _naa)
    yield from _twice(SAME_DEVICE, luns, lambda each: each.parameters.get("path", ""))
    yield from _twice(SAME_ADDRESS, addresses, lambda each: stack_of.plain(each.parameters.get("ip", "")))
    yield from _twice(SAME_PRODUCT, luns, lambda each: each.parameters.get("product_id", "")[:8])
    ours = [each for each in targets if each.agent == TARGETS[0]]
    yield from _twice(SAME_RELATIVE_PORT, ours, lambda each: each.parameters.get("relative_port", "1"))
    for lun in luns:
        if lun.agent == LUNS[1] and not lun.parameters.get("scsi_sn"):
            yield SERIAL_OF_NAME.at(lun.id)
        if lun.parameters.get("lun") == "0":
            yield LUN_ZERO.at(lun.id)
    for target in targets:
        if target.agent == TARGETS[1] and not target.parameters.get("allowed_initiators"):
            yield EVERYBODY.at(target.id)
        if target.agent == TARGETS[0] and is_true(target.parameters.get("demo_mode", "")):
            yield EVERYBODY.at(target.id)
    for stack in stacks:
        yield from _portals(stack)
        if stack.replica and stack.replica.agent == REPLICAS[0] and not stack.replica.parameters.get("state_device"):
            yield NO_STATE_VOLUME.at(stack.replica.id)
    yield from _secrets(configuration)


def _twice(fault: Fault, resources: list[Resource], key: object, shown: object = None) -> Iterator[Finding]:
    """Yield a finding for each value that several resources have."""
    assert callable(key)
    having: dict[object, list[Resource]] = {}
    for each in resources:
        if key(each):
            having.setdefault(key(each), []).append(each)
    for value, same in having.items():
        if len(same) > 1:
            told = shown(same[0]) if callable(shown) else value
            yield fault.at(", ".join(each.id for each in same), value=told)


def _number(lun: Resource) -> object:
    number = lun.parameters.get("lun", "")
    return (stack_of.iqn(lun), number) if number else None


def _naa(lun: Resource) -> str:
    serial = stack_of.serial(lun)
    return naa.name(serial) if serial else ""


def _portals(stack: Stack) -> Iterator[Finding]:
    here = {stack_of.plain(each.parameters.get("ip", "")): each for each in stack.addresses}
    for target in stack.targets:
        listens = [address for address, _ in stack_of.portals(target)]
        for address in listens:
            if here and address not in here:
                yield NO_ADDRESS.at(target.id, value=address)
        for address, resource in here.items():
            if listens and address not in listens:
                yield NOBODY_LISTENS.at(resource.id, value=address, target=target.id)


def _secrets(configuration: Configuration) -> Iterator[Finding]:
    for resource in configuration.resources:
        for name in _SECRETS:
            value = resource.parameters.get(name, "")
            if not value or value.startswith(_IN_CIB_SECRETS):
                continue
            if value.lower() in _KNOWN:
                yield KNOWN_SECRET.at(resource.id, value=name)
            else:
                yield PLAIN_SECRET.at(resource.id, value=name)
