# SPDX-License-Identifier: GPL-2.0-or-later
"""twinsan: two Linux servers as one iSCSI SAN.

A package for each subject. Imports go from the top down, and never in a circle::

    agents/*   bin/twinsan: cli, commands, operate
        disk   fence   site   alert
            cluster   network   drbd   lio
                ocf   host
                    errors   deadline

``ocf`` is the framework of an agent: it knows starts and stops, and no storage. ``host`` is Linux itself; only its
``command`` starts programs, and only its ``child`` forks. ``cluster``, ``network``, ``drbd`` and ``lio`` have one
subject each and know nothing of OCF. ``disk`` keeps a disk the same across a failover. ``fence`` is what DRBD calls,
``site`` makes of one file all that a pair needs, ``alert`` is what Pacemaker calls for each event, ``operate`` is
what operators type, ``commands`` its command lines.
`tests/unit/test_architecture.py` enforces this. configfs is written directly: `docs/decisions.md` says why.
"""

__version__ = "0.1.0"
