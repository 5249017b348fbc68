# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs beside the cluster on a node, or would at its next boot: looked up in files, without a program."""

from __future__ import annotations

import glob
import json
import os
import re
import time

from twinsan.host import kernel_files
from twinsan.operate import packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNITS = (
    "target.service rtslib-fb-targetctl.service targetclid.service targetclid.socket drbd.service drbd-reactor.service "
    "multipathd.service firewalld.service ufw.service nftables.service corosync.service pacemaker.service "
    "corosync-qdevice.service sbd.service tgt.service scst.service open-iscsi.service iscsid.service"
).split()
_WANTS = ("/etc/systemd/system/*.wants", "/etc/systemd/system/*.requires", "/usr/lib/systemd/system/*.wants")
_DAEMONS = ("targetclid", "drbd-reactor", "multipathd", "tgtd", "ietd", "iscsi-scstd", "chronyd", "ntpd", "corosync")
_SAVED = ("/etc/target/saveconfig.json", "/etc/rtslib-fb-target/saveconfig.json")
_NOT_SYNCHRONISED = 0x40
_TAIL = 1 << 20


def enabled(root: str = "") -> list[str]:
    """The units of interest that start at boot."""
    wanted = {os.path.basename(path) for each in _WANTS for path in glob.glob(f"{root}{each}/*")}
    masked = {name for name in _UNITS if kernel_files.link(f"{root}/etc/systemd/system/{name}") == "/dev/null"}
    return [name for name in _UNITS if name in wanted - masked]


def running() -> list[str]:
    """The daemons of interest that run. The kernel keeps 15 characters of a name, which is enough for these; the import
    of psutil would take longer than all else here.
    """
    names = {kernel_files.text(f"{kernel_files.PROCESSES}/{pid}/comm").strip() for pid in kernel_files.pids()}
    return [name for name in _DAEMONS if name in names]


def holder(words: str) -> str:
    """Return who holds a device in more words: of a process also whose it is, and since when, if psutil is there. Its
    import takes longer than all else here, so that it is for what should not be there.
    """
    process = re.search(r"\(pid (\d+)\)$", words)
    if process is None:
        return words
    packages.find()
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:
        return words
    try:
        found = psutil.Process(int(process[1]))
        begun = time.strftime("%Y-%m-%d %H:%M", time.localtime(found.create_time()))
        return f"{words} of {found.username()} since {begun}"
    except psutil.Error:
        # It has ended.
        return words


def saved_target(root: str = "") -> dict[str, dict[str, list[str]]]:
    """The devices and targets of each file from which a service of LIO would make a target."""
    found = {}
    for path in _SAVED:
        text = kernel_files.text(root + path)
        try:
            saved = json.loads(text) if text else None
        except (ValueError, RecursionError):
            continue
        if isinstance(saved, dict):
            devices, targets = _names(saved.get("storage_objects"), "dev"), _names(saved.get("targets"), "wwn")
            found[path] = {"devices": devices, "targets": targets}
    return found


def _names(listed: object, key: str) -> list[str]:
    entries = listed if isinstance(listed, list) else []
    return [str(each[key]) for each in entries if isinstance(each, dict) and key in each]


def firewall(at_boot: list[str], root: str = "") -> dict[str, Any]:
    """Whether a packet filter is among the units that start at boot, and whether its files mention iSCSI."""
    on = [name for name in ("firewalld.service", "ufw.service", "nftables.service") if name in at_boot]
    patterns = ("/etc/firewalld/zones/*.xml", "/etc/ufw/*.rules", "/etc/nftables.conf", "/etc/nftables.d/*")
    text = "".join(kernel_files.text(path) for each in patterns for path in sorted(glob.glob(root + each)))
    if on == ["nftables.service"] and "drop" not in text and "reject" not in text:
        on = []
    return {"on": on, "iscsi": bool(re.search(r"\b3260\b|iscsi", text))}


def selinux(root: str = "") -> dict[str, Any]:
    """Whether SELinux enforces, and the last denial of what is ours."""
    if kernel_files.text(f"{root}/sys/fs/selinux/enforce").strip() != "1":
        return {"enforcing": False, "denied": ""}
    text = _tail(f"{root}/var/log/audit/audit.log")
    ours = re.compile(r'avc:\s+denied.*(comm="(?:twinsan|drbd\w*|python3?|fence_\w+)"|scontext=\S*drbd_t)')
    denied = [line for line in text.splitlines() if ours.search(line)]
    return {"enforcing": True, "denied": denied[-1][:300] if denied else ""}


def _tail(path: str) -> str:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            return file.read(_TAIL).decode(errors="replace")
    except OSError:
        return ""


def sbd(at_boot: list[str], root: str = "") -> dict[str, Any]:
    """The settings of SBD, whether it is among those that start at boot, and whether its watchdog is softdog."""
    text = kernel_files.text(f"{root}/etc/sysconfig/sbd") or kernel_files.text(f"{root}/etc/default/sbd")
    values = dict(re.findall(r'^\s*(SBD_\w+)\s*=\s*"?([^"\n]*?)"?\s*$', text, re.MULTILINE))
    soft = any(line.startswith("softdog ") for line in kernel_files.text(f"{root}/proc/modules").splitlines())
    return {
        "enabled": "sbd.service" in at_boot,
        "watchdog": values.get("SBD_WATCHDOG_TIMEOUT", ""),
        "devices": values.get("SBD_DEVICE", ""),
        "soft": soft,
    }


def synchronised() -> bool | None:
    """Whether the kernel says that something keeps its clock right; None if it does not say."""
    import ctypes

    class Timex(ctypes.Structure):
        """struct timex up to its status, and room for the rest."""

        _fields_ = (
            ("modes", ctypes.c_uint),
            ("offset", ctypes.c_long),
            ("freq", ctypes.c_long),
            ("maxerror", ctypes.c_long),
            ("esterror", ctypes.c_long),
            ("status", ctypes.c_int),
            ("rest", ctypes.c_byte * 256),
        )

    try:
        timex = Timex()
        if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
            return None
        return not timex.status & _NOT_SYNCHRONISED
    except (OSError, AttributeError):
        return None
