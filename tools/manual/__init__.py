# SPDX-License-Identifier: GPL-2.0-or-later
"""Generate the manual pages in man/ from the agents, the shipped configuration and the command."""
