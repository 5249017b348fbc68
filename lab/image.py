# SPDX-License-Identifier: GPL-2.0-or-later
"""The guests' disk image: made by mmdebstrap from the distribution's packages, cached under a key of its inputs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lab import apt, progress
from lab.errors import LabError
from lab.kernel import Kernel, chosen, chosen_with_iptables

GUEST_FILES = Path(__file__).parent / "guest"
SUITES = ("trixie", "bookworm")
# Not /tmp, which is often a small memory disk.
_WORK = Path("/var/tmp")  # noqa: S108
# An image that nobody has used for a week makes room for others.
_KEPT_SECONDS = 7 * 24 * 3600

# resource-agents brings ocf-tester, which wants xmllint (libxml2-utils).
_PACKAGES = """
    systemd-sysv dbus kmod udev iproute2 iptables procps python3 python3-rtslib-fb python3-psutil python3-lxml
    pacemaker pacemaker-cli-utils pacemaker-resource-agents corosync crmsh pcs drbd-utils ipmitool
    open-iscsi sg3-utils strace iputils-ping resource-agents libxml2-utils targetcli-fb e2fsprogs btrfs-progs
    corosync-qnetd corosync-qdevice multipath-tools
""".split()
# bookworm ships Pacemaker's and the fence agents each in one package, and libiscsi-bin without iscsi-test-cu.
_PACKAGES_OF = {
    "trixie": ["fence-agents-ipmilan", "libiscsi-bin"],
    "bookworm": ["fence-agents"],
}

# For servers that are set up with ssh (lab.bare), and for the benchmark: one image for both.
MORE_PACKAGES = ("openssh-client", "openssh-server", "fio")

# Units that a guest of this lab does not need; each costs a process start, the dear thing in a user-mode kernel.
_MASKED = """
    apt-daily-upgrade.timer apt-daily.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer
    man-db.timer systemd-tmpfiles-clean.timer getty.target getty-static.service getty@tty1.service console-getty.service
    systemd-logind.service systemd-user-sessions.service systemd-ask-password-wall.path
    systemd-ask-password-console.path systemd-udev-trigger.service systemd-hwdb-update.service
    systemd-journal-catalog-update.service systemd-firstboot.service systemd-sysusers.service
    systemd-update-done.service ldconfig.service systemd-machine-id-commit.service systemd-pstore.service
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount systemd-random-seed.service
    systemd-hibernate-clear.service systemd-pcrmachine.service systemd-pcrphase.service
    systemd-pcrphase-sysinit.service systemd-tpm2-setup.service systemd-tpm2-setup-early.service
    systemd-creds.socket systemd-hostnamed.socket systemd-sysext.socket systemd-pcrextend.socket
    systemd-pcrlock.socket dev-hugepages.mount dev-mqueue.mount sys-kernel-tracing.mount
    sys-fs-fuse-connections.mount systemd-sysctl.service systemd-timesyncd.service
    systemd-journal-flush.service kmod-static-nodes.service systemd-remount-fs.service
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-rfkill.socket systemd-battery-check.service
    modprobe@.service e2scrub_reap.service run-lock.mount tmp.mount
    rtslib-fb-targetctl.service logd.service remote-fs.target open-iscsi.service nvmf-autoconnect.service
    openipmi.service ipmievd.service sbd.service drbd.service systemd-networkd.service systemd-networkd.socket
    systemd-networkd-wait-online.service systemd-network-generator.service systemd-networkd-persistent-storage.service
    systemd-udev-load-credentials.service systemd-tmpfiles-setup-dev-early.service
    pcsd.service pcsd-ruby.service targetclid.service targetclid.socket
    multipathd.service multipathd.socket multipath-tools.service
""".split()
# Their rules for udev run several programs for each disk; a test turns them on where it needs them.
_WITHOUT_RULES = "multipath-tools kpartx sg3-utils-udev"
_DISABLED = ("iscsid.socket", "iscsid.service", "corosync-qnetd.service", "corosync-qdevice.service")


def build(suite: str, packages: Sequence[str] = ()) -> Path:
    """The image of `suite` with further packages, from the cache or newly built. It has the modules of each kernel that
    a guest may have.
    """
    if suite not in SUITES:
        raise LabError(f"suite {suite!r} is not known; choose {' or '.join(SUITES)}")
    kernels = tuple(dict.fromkeys((chosen(), chosen_with_iptables())))
    image = apt.cache() / f"{suite}-{_key(suite, packages, kernels)}.img"
    with _alone(image):
        if not image.exists():
            with progress.step(f"Building the guests' image ({' with '.join((suite, *packages))})") as step:
                _build(suite, packages, kernels, image, step.note)
    # Not the image itself: a disk on top of it remembers its time, and a guest that is fenced opens both again.
    _used(image).touch()
    return image


@contextlib.contextmanager
def _alone(image: Path) -> Iterator[None]:
    """One process at a time builds an image. Another one would put its own in the place of one that guests run on: a
    disk on top of an image is void when that has another time.
    """
    image.parent.mkdir(parents=True, exist_ok=True)
    with image.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _used(image: Path) -> Path:
    """A file with the time at which an image was used last."""
    return image.with_suffix(".used")


def _key(suite: str, packages: Sequence[str], kernels: Sequence[Kernel]) -> str:
    digest = hashlib.sha256()
    releases = [kernel.release() for kernel in kernels]
    for text in (suite, *releases, Path(__file__).read_text(encoding="utf-8"), " ".join(sorted(packages))):
        digest.update(text.encode())
    for path in sorted(GUEST_FILES.rglob("*")):
        digest.update(str(path.relative_to(GUEST_FILES)).encode())
        if path.is_file():
            digest.update(oct(path.stat().st_mode).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(
    suite: str, packages: Sequence[str], kernels: Sequence[Kernel], image: Path, note: Callable[[str], None]
) -> None:
    _require_room(image.parent)
    with tempfile.TemporaryDirectory(prefix="twinsan-image-", dir=_WORK) as folder:
        # mmdebstrap's mapped root is another user: it must be able to put the image there.
        os.chmod(folder, 0o700 if os.geteuid() == 0 else 0o777)
        made = Path(folder) / "base.img"
        log = image.with_suffix(".log")
        command = list(_command(suite, packages, kernels, made))
        with log.open("w", encoding="utf-8") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    output.write(line)
                    if line.startswith("I: "):
                        note(line[3:].strip())
                status = process.wait()
            finally:
                process.kill()
        if status != 0:
            raise LabError(_explain(log))
        temporary = image.with_suffix(f".{os.getpid()}.part")
        subprocess.run(["cp", "--sparse=always", made, temporary], check=True)
        temporary.rename(image)
    for old in image.parent.glob("*.img"):
        # Another checkout may be using it: a guest that is fenced opens it again.
        if max(mark.stat().st_mtime for mark in (old, _used(old)) if mark.exists()) < time.time() - _KEPT_SECONDS:
            old.unlink()
            _used(old).unlink(missing_ok=True)


def _command(suite: str, packages: Sequence[str], kernels: Sequence[Kernel], image: Path) -> Iterator[str]:
    yield from ("mmdebstrap", "--variant=minbase", "--format=null")
    for option in ('APT::Install-Recommends "false"', 'Acquire::Languages "none"', 'Acquire::Retries "3"'):
        yield f"--aptopt={option}"
    for folder in ("man", "locale", "doc"):
        yield f"--dpkgopt=path-exclude=/usr/share/{folder}/*"
    yield f"--include={','.join([*_PACKAGES, *_PACKAGES_OF[suite], *packages])}"
    for kernel in kernels:
        yield f"--customize-hook=mkdir -p $1/usr/lib/modules && cp -a {kernel.modules()} $1/usr/lib/modules/"
        yield f"--customize-hook=chroot $1 depmod {kernel.release()}"
    yield f"--customize-hook=cp -a {GUEST_FILES}/. $1/ && chown -R 0:0 $1/usr/local $1/etc/fstab"
    yield f"--customize-hook=chroot $1 systemctl disable --quiet {' '.join(_DISABLED)}"
    yield f"--customize-hook=for u in {' '.join(_MASKED)}; do ln -sf /dev/null $1/etc/systemd/system/$u; done"
    rules = f"chroot $1 dpkg --listfiles {_WITHOUT_RULES} | grep 'udev/rules.d/.*rules$'"
    yield f"--customize-hook={rules} | while read r; do ln -s /dev/null $1/etc/udev/rules.d/${{r##*/}}; done"
    yield "--customize-hook=chroot $1 systemctl enable --quiet lab-network lab-control"
    # Every start of Python would otherwise compile what it imports: as root it then also writes it to the disk.
    yield "--customize-hook=chroot $1 python3 -m compileall -q /usr/lib/python3 /usr/share/fence >/dev/null || true"
    yield "--customize-hook=rm -rf $1/var/lib/apt/lists/* $1/var/cache/apt/* $1/var/log/*.log"
    yield "--customize-hook=: >$1/etc/machine-id; rm -f $1/etc/resolv.conf $1/etc/hostname"
    # A plain bind shows the tree without what mmdebstrap has mounted in it; mke2fs would read /proc as well.
    view = f"{image}.view"
    yield f"--customize-hook=mkdir {view} && mount --bind $1 {view}"
    options = "-q -t ext4 -O ^has_journal -E lazy_itable_init=0,lazy_journal_init=0"
    yield f"--customize-hook=mke2fs {options} -d {view} {image} 2G"
    yield f"--customize-hook=umount {view} && rmdir {view} && tune2fs -j {image} >/dev/null"
    yield from (suite, "-", f"deb {apt.mirror()} {suite} main")


def _require_room(folder: Path) -> None:
    for place, needed in ((folder, 1500), (_WORK, 2500)):
        free = shutil.disk_usage(place).free >> 20
        if free < needed:
            raise LabError(f"disk full: {place} has {free} MiB free and the image needs {needed} MiB; make room there")


def _explain(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    if re.search(r"Could not resolve|Failed to fetch|Unable to connect|Connection (failed|timed out|refused)", text):
        return f"no network to the packages: the mirror of /etc/apt did not answer; see {log}, try: apt-get update"
    if "No space left on device" in text:
        return f"disk full while the image was built; see {log}"
    errors = [line for line in text.splitlines() if line.startswith(("E: ", "mke2fs", "cp:"))]
    return f"the image could not be built: {errors[0] if errors else 'see its log'}; the log is {log}"
