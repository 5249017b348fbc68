# SPDX-License-Identifier: GPL-2.0-or-later
"""LIO's tree in configfs: the paths of its objects ("places"), and the operations on them.

Reads and changes are plain file operations on ``/sys/kernel/config/target``. Reading loads, starts and locks nothing,
so monitors and probes use the same functions as start and stop.

Some directories may be listed or read only in a child process: while a LUN with a dead backing device is being removed,
the kernel holds the locks of ``tpgt_1/lun/lun_N``, ``tpgt_1/attrib`` and ``tpgt_1/param``, and a reader hangs as well.
So does ``exists`` of a name in ``lun_N``: the kernel drops the link from its cache of names before it removes the LUN,
and then looks it up under that lock. The monitor of a LUN does so all the same: the cluster runs none beside a stop.
"""

from __future__ import annotations

import errno
import os

from twinsan.errors import Drifted, Misconfigured, Reason

# The tests set another path; no agent reads it from its environment.
root = "/sys/kernel/config/target"

_LONGEST_NAME = 255

BAD_NAME = Reason(Misconfigured, "{name!r} cannot be the name of an object of LIO", "choose another name")
DIFFERS = Reason(Drifted, "{attribute} is {present} instead of {planned}")


def place(*names: str) -> str:
    """The path of an object below the root, from a name for each level. Raises Misconfigured for a name that is empty,
    too long or would leave its level.
    """
    for name in names:
        if not name or name in (".", "..") or "/" in name or "\0" in name or len(name) > _LONGEST_NAME:
            raise BAD_NAME(name=name[:80])
    return "/".join((root, *names))


def available() -> bool:
    """Whether LIO's core is loaded and configfs mounted."""
    return os.path.isdir(root)


def exists(path: str) -> bool:
    """Whether there is a directory, an attribute or a symbolic link."""
    return os.path.lexists(path)


def names(path: str) -> list[str]:
    """The sorted names in a directory; empty if there is no directory."""
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def links(path: str) -> list[str]:
    """The names of the symbolic links in a directory. It must not be a LUN that is being removed (see above)."""
    return [name for name in names(path) if os.path.islink(f"{path}/{name}")]


def read(path: str) -> str | None:
    """The value of an attribute, without the newline at its end; None if there is no such attribute."""
    try:
        attribute = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.read(attribute, 65536).decode("ascii", "replace").rstrip("\n")
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(attribute)


def differences(place: str, wanted: dict[str, str]) -> list[str]:
    """Describe the attributes below `place` whose value differs from that in `wanted`. An attribute that this kernel
    does not have is no difference.
    """
    found = ((name, read(f"{place}/{name}"), value) for name, value in wanted.items())
    return [
        DIFFERS.text(attribute=name.rpartition("/")[2], present=present or "empty", planned=value)
        for name, present, value in found
        if present not in (value, None)
    ]


def write(path: str, value: str) -> None:
    """Set an attribute.

    The value is written in one call and without a newline: the kernel takes each call for a whole value, and keeps a
    newline as part of a CHAP secret. Raises FileNotFoundError for a missing attribute. (With O_CREAT, configfs would
    answer "permission denied", which misleads.)
    """
    attribute = os.open(path, os.O_WRONLY)
    try:
        os.write(attribute, value.encode("ascii"))
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        os.close(attribute)


def set_if_different(path: str, value: str) -> None:
    """Set an attribute if it holds another value. Some cannot be written while there are sessions, not even with the
    value that they have.
    """
    if read(path) != value:
        write(path, value)


def make(path: str) -> bool:
    """Create an object; False if it exists."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return False
    return True


def remove(path: str) -> bool:
    """Remove an object; False if there is none."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return False
    return True


def link(target: str, path: str) -> bool:
    """Create the symbolic link `path` to the object `target`; False if it exists."""
    try:
        os.symlink(target, path)
    except FileExistsError:
        return False
    return True


def unlink(path: str) -> bool:
    """Remove a symbolic link; False if there is none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def describe(error: OSError) -> str:
    """The kernel's error for a reason: its message and the errno's name, which is what one searches for."""
    return f"{error.strerror} ({errno.errorcode.get(error.errno or 0, 'unknown errno')})"
