# SPDX-License-Identifier: GPL-2.0-or-later
"""A world of the lab's own: network, process and mount namespaces that vanish with their first process.

Whatever ends the lab, SIGKILL included, the kernel then ends every process in it and removes the bridges, taps and
memory disks: nothing has to be cleaned up, so nothing can be forgotten.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import signal
import sys
from collections.abc import Callable
from types import FrameType

from lab import kernel
from lab.errors import LabError

# include/uapi/linux/sched.h, prctl.h and mount.h
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_MS_REC = 0x4000
_MS_PRIVATE = 1 << 18

_SECONDS_TO_END = 10

# Mounted over in the lab's mount namespace alone; Debian has this folder and keeps it empty (FHS 3.0, 3.13).
MEMORY = "/mnt"

_libc = ctypes.CDLL(None, use_errno=True)


def require_host() -> None:
    """Raise LabError, saying what to do, where this machine cannot hold a lab."""
    if platform.machine() != "x86_64":
        raise LabError(f"the lab needs x86-64: user-mode Linux does not run on {platform.machine()}; all else does")
    for program, package in (("ipmi_sim", "openipmi"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            raise LabError(f"{program} is missing; type: apt-get install {package}")
    kernel.chosen().release()
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise LabError(
            "no network taps: /dev/net/tun cannot be opened for writing; as root type: modprobe tun"
            " && chmod 666 /dev/net/tun (or run the lab as root, or give a container --device /dev/net/tun)"
        )


def enter(main: Callable[[], int], *, keep: bool = False, tell_pid: Callable[[int], object] = lambda _: None) -> int:
    """Run `main` as the first process of new namespaces; returns its exit status.

    The caller stays outside, hands on SIGINT, SIGTERM and SIGHUP, and ends when its own parent ends, unless `keep`.
    What has not ended ten seconds after a signal is killed: tests would wait for minutes until a pair is as it was.
    `tell_pid` hears the process id, as seen from outside, of the first process.
    """
    if not keep:
        parent = os.getppid()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            raise SystemExit(128 + signal.SIGTERM)
    _unshare()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        os._exit(_first_process(main))
    tell_pid(child)
    return _wait(child)


def require_own() -> None:
    """Raise LabError outside of a lab's namespaces, where its bridges and taps would be the host's."""
    if os.getpid() != 1:
        raise LabError("the tests on a cluster need namespaces of their own; type: make test ARGS='-k NAME'")


def join(pid: int) -> None:
    """Enter the network of the lab whose first process is `pid`."""
    kinds = ["net"] if os.geteuid() == 0 else ["user", "net"]
    descriptors = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]
    for kind, descriptor in zip(kinds, descriptors):
        if _libc.setns(descriptor, 0) != 0:
            raise LabError(f"cannot enter the lab's {kind} namespace: {os.strerror(ctypes.get_errno())}")
        os.close(descriptor)


def _unshare() -> None:
    flags = _CLONE_NEWNS | _CLONE_NEWPID | _CLONE_NEWNET
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        flags |= _CLONE_NEWUSER
    if _libc.unshare(flags) != 0:
        error = os.strerror(ctypes.get_errno())
        if user == 0:
            raise LabError(f"no namespaces: {error}; a container needs --privileged (or --cap-add SYS_ADMIN,NET_ADMIN)")
        raise LabError(
            f"no namespaces for an ordinary user: {error}; run as root, or as root type:"
            " sysctl -w kernel.unprivileged_userns_clone=1 (Debian), kernel.apparmor_restrict_unprivileged_userns=0"
        )
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)


def _first_process(main: Callable[[], int]) -> int:
    """The life of process 1: it dies with its parent, and with it all that it started."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupted)
        _mount("none", "/", "", _MS_REC | _MS_PRIVATE, "")
        _mount("proc", "/proc", "proc", 0, "")
        _mount("tmpfs", MEMORY, "tmpfs", 0, "size=75%,mode=0700")
        return main()
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lab: interrupted; everything it made is gone", file=sys.stderr)
        return 130
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    if _libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()) != 0:
        hint = "; a chroot has to be a mount point: mount --bind FOLDER FOLDER" if target == "/" else ""
        raise LabError(f"cannot mount {kind or 'private'} on {target}: {os.strerror(ctypes.get_errno())}{hint}")


def _wait(child: int) -> int:
    def hand_on(number: int, _frame: FrameType | None) -> None:
        os.kill(child, number)
        signal.alarm(_SECONDS_TO_END)

    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, hand_on)
    # A terminal sends SIGINT to the child itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN if os.isatty(0) else hand_on)
    _, status = os.waitpid(child, 0)
    # Its number may soon be another's.
    signal.alarm(0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
