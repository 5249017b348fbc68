# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux itself: programs, child processes, locks, notes in /run, block devices."""
