# SPDX-License-Identifier: GPL-2.0-or-later
"""A file that an operator has named for the output of a command."""

from __future__ import annotations

import contextlib
import os

from twinsan.errors import Failure, Reason

NOT_WRITTEN = Reason(Failure, "{file} cannot be written ({error})", "{remedy}")

_REMEDY = "name a file in a folder that is there"


def require_folder(path: str) -> None:
    """Check, before work whose result is to be written, that a file could be written at `path`. Raises Failure."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.access(folder, os.W_OK | os.X_OK):
        error = "it is a folder" if os.path.isdir(path) else f"{folder} is no folder to write to"
        raise NOT_WRITTEN(file=path, error=error, remedy=_REMEDY)


def replace(path: str, text: str, *, remedy: str = _REMEDY) -> None:
    """Replace a file, which anybody may read: a reader has all of the old text or of the new. Raises Failure, with
    `remedy` for what to type.
    """
    # Programs that read a folder, such as node_exporter, look at other names.
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{os.getpid()}.new")
    try:
        with open(temporary, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise NOT_WRITTEN(file=path, error=error.strerror, remedy=remedy) from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
