# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``twinsan check`` looks for: a module for each subject, with its faults as constants and a function that finds
them.

``finding`` is what a fault is, ``catalogue`` lists them all. ``configuration`` and ``stack`` read the cluster's
configuration, ``simulator`` asks Pacemaker's scheduler what it would do with it. ``host_facts`` is what a node sees of
itself; the other node is asked for its own over ssh (``live``), and the rules compare both.
"""
