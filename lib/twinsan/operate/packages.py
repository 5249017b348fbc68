# SPDX-License-Identifier: GPL-2.0-or-later
"""The packages that commands need beside the standard library: lxml, tomli, psutil, rtslib-fb."""

from __future__ import annotations

import sys


def find() -> None:
    """Let them be found: the command starts without the folders of packages, for the handlers' sake."""
    if sys.flags.no_site:
        import site

        site.main()
