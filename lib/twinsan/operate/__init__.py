# SPDX-License-Identifier: GPL-2.0-or-later
"""What operators type: the subcommands of ``twinsan``, except those that DRBD calls."""
