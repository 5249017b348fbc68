# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan drill``: practise a failover, and see where its time goes.

``order`` does what was asked for, step by step. ``unit`` is what moves, ``readiness`` says whether it may. ``writes``
watches what DRBD writes of each LUN, ``initiator`` what a host reads. ``history`` is what the cluster did and when;
``outcome`` puts the three together, ``picture`` draws it.
"""
