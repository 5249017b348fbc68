# SPDX-License-Identifier: GPL-2.0-or-later
"""The resource files of DRBD 8.4 and 9. Neither version reads the other's."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Node, Resource, Site, Volume

# The versions that a file is made for.
VERSIONS = ("8.4", "9")

# What stands in place of the secret until the administrator writes one. DRBD does not read a file with it.
NO_SECRET = "MAKE YOUR OWN"  # noqa: S105  the word for a secret, and none

_HEADS = {
    "8.4": """\
# The resource "{name}" for DRBD 8.4 (the version in the kernel of Debian and others): the same file on both nodes,
# as /etc/drbd.d/{name}.res. DRBD 9 needs another file, drbd/9/{name}.res; neither reads the other's.
""",
    "9": """\
# The resource "{name}" for DRBD 9 (SUSE's kernel, LINBIT's and ELRepo's packages): the same file on both nodes, as
# /etc/drbd.d/{name}.res. DRBD 8.4 needs another file, drbd/8.4/{name}.res; neither reads the other's.
""",
}
_STEPS = """\
#
# What to change for a pair of your own: shared-secret, disk, and the names and addresses of the nodes. The names are
# those of `uname -n`, and have to be those of the nodes in the cluster as well (crm_node --list). The secret, once,
# before the file is copied to the other node:
#   secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' ')
#   sed -i "s/MAKE YOUR OWN/$secret/" /etc/drbd.d/{name}.res && chmod 600 /etc/drbd.d/{name}.res
#
# A new resource, on both nodes:  drbdadm create-md {name} && drbdadm up {name}
# then on the one node only:      {first}
# After that it belongs to the cluster: the service drbd stays disabled.
"""
_FIRST = "drbdadm primary --force {name} && mkfs.btrfs {state} && drbdadm secondary {name}"
_FIRST_WITHOUT_STATE = "drbdadm primary --force {name} && drbdadm secondary {name}"

_SERVED = "  # What is served.\n"
_STATE = """\
  # What has to survive with it: persistent reservations. 160 MiB are enough for btrfs, 300 for XFS where the kernel has
  # no btrfs (RHEL); a logical volume of the same disks will do.
"""
_OPTIONS = """\
  options {
"""
_OPTIONS_9 = """\
    # Only the cluster promotes. By default whoever opens the device for writing would: LIO, a probe, a typo.
    auto-promote          no;

    # Two nodes have no majority: fencing decides.
    quorum                off;

"""
_HANDLERS = """\
    # Without data in reach I/O waits. An I/O error would reach the virtual machines.
    on-no-data-accessible suspend-io;
  }

  handlers {
    fence-peer   "/usr/sbin/twinsan fence-peer";
    unfence-peer "/usr/sbin/twinsan unfence-peer";
    split-brain  "/usr/sbin/twinsan split-brain";
  }

  net {
    protocol C;

"""
_FENCING = """\
    # I/O is frozen when the peer is lost, until twinsan fence-peer says that the peer cannot become Primary.
    fencing        resource-and-stonith;
"""
_NET = """\
    # The same on both nodes, and nobody else's: who knows it can take a node's place. DRBD reads this file only when a
    # secret stands here. Only root may read the file.
    shared-secret  MAKE YOUR OWN;
    cram-hmac-alg  sha256;

    # A peer that lost its power is noticed after ping-int (s) and ping-timeout (0.1 s): 3 s. A peer whose disk does not
    # answer is given timeout (0.1 s, less than ping-int) times ko-count: 30 s.
    ping-int       2;
    ping-timeout   10;
    timeout        15;
    ko-count       20;
    connect-int    2;

    # Room for what is under way on 10GbE.
    max-buffers    8000;
    max-epoch-size 8000;

    verify-alg     crc32c;

    # Nothing is discarded automatically: after-sb-0pri and its kin keep their default, disconnect.
  }

  disk {
"""
_DISK = """\
    on-io-error    detach;

    # Resync on 10GbE: as fast as the network allows, yielding to the virtual machines down to c-min-rate.
    resync-rate    100M;
    c-plan-ahead   20;
    c-fill-target  24M;
    c-min-rate     80M;
    c-max-rate     750M;

    # The working set of random writes that needs no update of the meta data: 4 MiB each.
    al-extents     6007;
  }

"""


def text(resource: Resource, site: Site, version: str) -> str:
    """Return the file of a DRBD resource for a version of DRBD."""
    is_9 = version == "9"
    template = _FIRST if resource.state else _FIRST_WITHOUT_STATE
    first = template.format(name=resource.name, state=resource.state.device if resource.state else "")
    parts = [_HEADS[version].format(name=resource.name), _STEPS.format(name=resource.name, first=first)]
    parts.append(f"resource {resource.name} {{\n")
    for number, lun in enumerate(resource.luns):
        parts += [_SERVED if number == 0 else "", _volume(lun.volume, is_9), "\n"]
    if resource.state:
        parts += [_STATE, _volume(resource.state, is_9), "\n"]
    parts += [_OPTIONS, _OPTIONS_9 if is_9 else "", _HANDLERS, f"{_FENCING}\n" if is_9 else "", _NET]
    parts += ["" if is_9 else _FENCING, _DISK]
    parts += [_node(node, number, resource, is_9) for number, node in enumerate(site.nodes)]
    return "".join([*parts, "}\n"])


def with_secret(text: str, secret: str) -> str:
    """Return the text of a file with a secret, as it is written in another file."""
    return text.replace(f"shared-secret  {NO_SECRET};", f"shared-secret  {secret};")


def with_volume(text: str, resource: Resource, volume: Volume, version: str) -> str:
    """Return the text of a file, whoever has written it, with one volume more, and all else as it is. Where that cannot
    be done, the text lacks it.
    """
    head, begin, rest = _after(text, "resource", resource.name)
    found = f"{head}{begin}{_volume(volume, version == '9')}\n{rest}"
    for node, disk in volume.disks.items() if not _common_disk(volume) else ():
        before, resource_head, inside = _after(found, "resource", resource.name)
        head, begin, rest = _after(inside, "on", node)
        found = f"{before}{resource_head}{head}{begin}    volume {volume.number} {{ disk {disk}; }}\n{rest}"
    return found


def _after(text: str, word: str, name: str) -> tuple[str, str, str]:
    """Split a text after the line that begins a section: what is before it, that line, and the rest."""
    found = re.search(rf'^[ \t]*{word}\s+"?{re.escape(name)}"?\s*{{[ \t]*(?:#[^\n]*)?\n', text, re.MULTILINE)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")


def _volume(volume: Volume, is_9: bool) -> str:
    """A volume, with its disk if that has the same name on both nodes."""
    minor = f" minor {volume.minor}" if is_9 else ""
    disk = f"    disk      {_common_disk(volume)};\n" if _common_disk(volume) else ""
    return f"  volume {volume.number} {{\n    device    {volume.device}{minor};\n{disk}    meta-disk internal;\n  }}\n"


def _common_disk(volume: Volume) -> str:
    disks = set(volume.disks.values())
    return disks.pop() if len(disks) == 1 else ""


def _node(node: Node, number: int, resource: Resource, is_9: bool) -> str:
    """What is different on a node."""
    lines = [f"  on {node.name} {{"]
    lines += [f"    node-id {number};"] if is_9 else []
    address = f"ipv6 [{node.replication}]" if ":" in node.replication else node.replication
    lines.append(f"    address {address}:{resource.port};")
    lines += [
        f"    volume {volume.number} {{ disk {volume.disks[node.name]}; }}"
        for volume in resource.volumes
        if not _common_disk(volume)
    ]
    return "\n".join([*lines, "  }\n"])
