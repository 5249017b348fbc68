# SPDX-License-Identifier: GPL-2.0-or-later
"""The numbers of signals. The module `signal` costs an import of `enum`; Linux never changes the numbers."""

SIGKILL = 9
SIGPIPE = 13
SIGTERM = 15
