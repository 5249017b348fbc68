# SPDX-License-Identifier: GPL-2.0-or-later
"""What went over the SAN's wire to and from the portal address, captured and judged: no initiator may see a lie.

`recorder` captures, `packets` reads the file, `iscsi` puts PDUs together, `judge` counts and finds what is wrong.
"""
