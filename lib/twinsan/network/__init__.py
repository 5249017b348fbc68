# SPDX-License-Identifier: GPL-2.0-or-later
"""Network devices, IP addresses and their announcement, and TCP connections, by the kernel's own interfaces."""
