# SPDX-License-Identifier: GPL-2.0-or-later
"""Draw all templates."""

from __future__ import annotations

from tools import graphs

graphs.main()
