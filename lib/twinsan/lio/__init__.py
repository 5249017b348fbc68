# SPDX-License-Identifier: GPL-2.0-or-later
"""LIO, the kernel's SCSI target, through configfs."""
