# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual pages in man/, from the agents, the shipped configuration and the command."""
