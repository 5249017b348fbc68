# SPDX-License-Identifier: GPL-2.0-or-later
"""DRBD: what its tools tell and do, roles, health, split brain, the state volume."""
