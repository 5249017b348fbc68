# SPDX-License-Identifier: GPL-2.0-or-later
"""What operators type, beside what DRBD calls: the command ``twinsan``, a module for each word of it."""
