# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs and modules that a pair needs, and how each distribution calls their packages."""

from __future__ import annotations

from twinsan.site import model

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.site.model import Site

# The package of each program: Debian and Ubuntu; RHEL, Fedora and their kin; SUSE.
_FAMILIES = ("debian", "rhel", "suse")
_INSTALL = ("apt install", "dnf install", "zypper install")
PROGRAMS = {
    "drbdadm": ("drbd-utils", "drbd-utils (of LINBIT or ELRepo)", "drbd-utils"),
    "corosync": ("corosync", "corosync", "corosync"),
    "pacemakerd": ("pacemaker", "pacemaker", "pacemaker"),
    "cibadmin": ("pacemaker-cli-utils", "pacemaker-cli", "pacemaker-cli"),
    "ip": ("iproute2", "iproute", "iproute2"),
    "wipefs": ("util-linux", "util-linux", "util-linux"),
    "mkfs.btrfs": ("btrfs-progs", "btrfs-progs", "btrfsprogs"),
    "mkfs.xfs": ("xfsprogs", "xfsprogs", "xfsprogs"),
    "fence_ipmilan": ("fence-agents", "fence-agents-ipmilan", "fence-agents"),
    "ipmitool": ("ipmitool", "ipmitool", "ipmitool"),
    "fence_sbd": ("fence-agents", "fence-agents-sbd", "fence-agents"),
    "sbd": ("sbd", "sbd", "sbd"),
    "corosync-qdevice": ("corosync-qdevice", "corosync-qdevice", "corosync-qdevice"),
    "certutil": ("libnss3-tools", "nss-tools", "mozilla-nss-tools"),
}
_EVERYWHERE = ("drbdadm", "corosync", "pacemakerd", "cibadmin", "ip", "wipefs")
_BY_FENCING = {
    model.IPMI: ("fence_ipmilan", "ipmitool"),
    model.SBD: ("sbd", "fence_sbd"),
    model.WATCHDOG: ("sbd",),
}
_FOR_WITNESS = ("corosync-qdevice", "certutil")

# What makes the file system of the state volume, and its smallest size in MiB: the first that both nodes have.
FILE_SYSTEMS = {"btrfs": 110, "xfs": 300}

MODULES = ("drbd", "target_core_mod", "iscsi_target_mod", "btrfs", "xfs")
_KERNEL = {
    "drbd": ("the kernel of Debian has it: boot that", "kmod-drbd9x of ELRepo or LINBIT", "drbd-kmp-default"),
    "target_core_mod": ("linux-image-amd64", "kernel-modules-extra", "kernel-default"),
    "iscsi_target_mod": ("linux-image-amd64", "kernel-modules-extra", "kernel-default"),
}


def needed(site: Site) -> Iterator[str]:
    """The programs that each node of a site needs, but for those that make file systems."""
    yield from _EVERYWHERE
    yield from _BY_FENCING[site.fencing.by]
    if site.witness:
        yield from _FOR_WITNESS


def needed_modules() -> tuple[str, ...]:
    """The modules that each node needs."""
    return tuple(_KERNEL)


def file_system(programs: tuple[tuple[str, ...], ...], modules: tuple[tuple[str, ...], ...]) -> str:
    """The kind of file system that all nodes can make and mount, by the programs and modules of each; "" for none."""
    for name in FILE_SYSTEMS:
        if all(f"mkfs.{name}" in each for each in programs) and all(name in each for each in modules):
            return name
    return ""


def packages(names: list[str], system: tuple[str, ...]) -> str:
    """What to type to install programs, on a system with these names of its distribution and the like."""
    number = _family(system)
    wanted = dict.fromkeys(PROGRAMS[name][number] for name in names)
    return f"{_INSTALL[number]} {' '.join(wanted)}"


def module_package(name: str, system: tuple[str, ...]) -> str:
    """What brings a module of the kernel."""
    return f"install {_KERNEL[name][_family(system)]}"


def _family(system: tuple[str, ...]) -> int:
    if any(name.startswith(("suse", "opensuse", "sle")) for name in system):
        return 2
    return 1 if any(name in ("rhel", "fedora", "centos") for name in system) else 0
