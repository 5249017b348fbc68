# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster's alerts become: a line in syslog, and a command, for what an operator wants to know."""
