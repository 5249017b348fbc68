# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan drill``: practise a failover, and see where its time goes.

``order`` does what was asked for, step by step. ``readiness`` says whether it is safe, ``unit`` is what moves.
``writes`` watches what DRBD writes of each LUN, ``initiator`` what a host reads, ``history`` is what the cluster did.
``outcome`` puts these together, ``report`` prints it, ``picture`` draws it.
"""
