# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan metrics``: the facts of this node as numbers, for Prometheus."""
