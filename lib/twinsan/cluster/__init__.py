# SPDX-License-Identifier: GPL-2.0-or-later
"""Pacemaker: node attributes, promotion scores, nodes and the CIB."""
