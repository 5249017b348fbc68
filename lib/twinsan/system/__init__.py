# SPDX-License-Identifier: GPL-2.0-or-later
"""The seams to the system: programs, DRBD, LIO, network, cluster, locks. They know Linux, and nothing of OCF.

They take a deadline where they may block, return plain values, and raise ``twinsan.errors``.
"""
