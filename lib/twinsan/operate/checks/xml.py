# SPDX-License-Identifier: GPL-2.0-or-later
"""lxml, which reads the cluster's configuration; `etree` is None where it is not installed."""

from __future__ import annotations

try:
    from lxml import etree
except ImportError:
    etree = None  # type: ignore[assignment]

__all__ = ("etree",)
