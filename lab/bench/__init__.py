# SPDX-License-Identifier: GPL-2.0-or-later
"""What twinsan costs and how fast it is, always beside the alternative, in the same run on the same pair."""
