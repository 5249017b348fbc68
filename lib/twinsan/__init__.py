# SPDX-License-Identifier: GPL-2.0-or-later
"""twinsan: two Linux servers as one iSCSI SAN.

Reading order::

    agents/*  ──►  ocf.agent ─► ocf.parameter, ocf.environment     the frame: knows OCF, no storage
       └──────►  system.drbd, lio, network, cluster ─► command     the seams: know Linux, no OCF
                          └──────────► errors, deadline ◄──────────┘

Agents join the two columns; the columns never import each other. Only ``system/command.py`` starts programs and only
``system/lio.py`` imports rtslib. ``tests/unit/test_architecture.py`` holds this. ``cli`` is the command, for DRBD
(``fence``) and for operators (``operate``). ``migration`` is for manual pages alone: what they tell users of other
agents.
"""

__version__ = "0.1.0"
