# SPDX-License-Identifier: GPL-2.0-or-later
"""SHA-256 without OpenSSL, which takes as long to load as all else in a start of an agent."""

from __future__ import annotations

import sys


def sha256(data: bytes) -> str:
    """Return the digest in hexadecimal, by Python's own code."""
    try:
        # Not one after the other: each that is missing is looked for in all of sys.path.
        return str(__import__("_sha2" if sys.version_info >= (3, 12) else "_sha256").sha256(data).hexdigest())
    except ImportError:
        # A distribution may omit it.
        import hashlib

        return hashlib.sha256(data).hexdigest()
