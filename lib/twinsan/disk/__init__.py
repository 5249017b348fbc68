# SPDX-License-Identifier: GPL-2.0-or-later
"""What a disk is over a failover: its identity, the limits of both nodes, reservations, release of frozen I/O."""
