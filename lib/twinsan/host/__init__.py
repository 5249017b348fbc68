# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux, beneath all else: programs, children, locks, notes in /run, block devices."""
