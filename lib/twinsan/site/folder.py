# SPDX-License-Identifier: GPL-2.0-or-later
"""Write files into a folder, each at once, and nothing outside of it: no link in the folder is followed."""

from __future__ import annotations

import contextlib
import os

from twinsan.errors import Failure, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.site.files import File

NO_FOLDER = Reason(Failure, "{folder} cannot be written to: {error}", "name a folder of your own: --output FOLDER")


def write(folder: str, files: list[File]) -> None:
    """Write all files into `folder`, which is made if it does not exist. Raises Failure."""
    try:
        os.makedirs(folder, exist_ok=True)
        for file in files:
            _write(folder, file)
    except (OSError, ValueError) as error:
        raise NO_FOLDER(folder=folder, error=getattr(error, "strerror", None) or error) from None


def _write(folder: str, file: File) -> None:
    *folders, name = file.name.split("/")
    with contextlib.ExitStack() as opened:
        place = opened.enter_context(_opened(folder, None))
        for each in folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(each, dir_fd=place)
            place = opened.enter_context(_opened(each, place))
        _replace(place, name, file.text.encode())


def _replace(place: int, name: str, content: bytes) -> None:
    """Put a file in place of what has its name in the folder `place`: a reader sees the old one or the new one."""
    new = f".{name}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new, dir_fd=place)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=place), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, name, src_dir_fd=place, dst_dir_fd=place)


@contextlib.contextmanager
def _opened(folder: str, place: int | None) -> Iterator[int]:
    """Open a folder: the one that the operator named, which may be a link, or one in it, which may not."""
    follow = 0 if place is None else os.O_NOFOLLOW
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | follow, dir_fd=place)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
