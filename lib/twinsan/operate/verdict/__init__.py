# SPDX-License-Identifier: GPL-2.0-or-later
"""What follows from the facts: whether the other node would serve, and what is not well."""
