# SPDX-License-Identifier: GPL-2.0-or-later
"""A status for people: on a terminal, and as a page of HTML."""
