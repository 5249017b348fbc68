# SPDX-License-Identifier: GPL-2.0-or-later
"""Network devices, IP addresses and what announces them, and TCP connections, by the kernel's own interfaces."""
