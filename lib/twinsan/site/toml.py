# SPDX-License-Identifier: GPL-2.0-or-later
"""The parser of TOML: tomllib of Python 3.11 and newer, and tomli before."""

from __future__ import annotations

from twinsan.errors import NotInstalled, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NO_TOMLI = Reason(
    NotInstalled,
    "Python before 3.11 reads no TOML by itself, and tomli is not installed",
    "install python3-tomli, or start twinsan with a newer Python",
)


def loads(text: str) -> dict[str, Any]:
    """Return what a TOML text says. Raises ValueError for what is no TOML, and NotInstalled without a parser."""
    try:
        import tomllib
    except ImportError:
        try:
            import tomli as tomllib
        except ImportError:
            raise NO_TOMLI() from None  # noqa: RSE102  a Reason, which makes the exception
    found: dict[str, Any] = tomllib.loads(text)
    return found
