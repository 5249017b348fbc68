# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD: its tools and the state that they print, roles, health, split brain, the state volume."""
