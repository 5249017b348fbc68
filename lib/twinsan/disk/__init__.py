# SPDX-License-Identifier: GPL-2.0-or-later
"""What keeps a disk the same over a failover: identity, limits of both nodes, reservations, release of frozen I/O."""
