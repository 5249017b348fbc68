# SPDX-License-Identifier: GPL-2.0-or-later
"""What makes the shipped files, and is not installed."""
