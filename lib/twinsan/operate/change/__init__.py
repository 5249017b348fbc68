# SPDX-License-Identifier: GPL-2.0-or-later
"""What a site file would change in the running cluster and on this node, and the change itself, step by step."""
