# SPDX-License-Identifier: GPL-2.0-or-later
"""How two bare servers become a pair: what each node has, what keeps it from being one, and the steps.

``facts`` is what a node tells of itself, ``look`` gathers it there. The modules named ``*_checks`` compare it with the
site. The steps are in ``services``, ``replication``, ``first_data``, ``passwords``, ``fencing``, ``cluster`` and
``serving``; ``plan`` lists them. ``questions`` makes a site file.
"""
