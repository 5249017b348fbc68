# SPDX-License-Identifier: GPL-2.0-or-later
"""What operators type: a module for each command of ``twinsan``, except those that Pacemaker and DRBD call.

``apply`` and ``render --diff`` use ``change``, ``adopt`` uses ``adoption``, ``check`` uses ``checks``, ``init`` uses
``setting_up``; ``drill`` and ``metrics`` have a folder each. ``status`` prints by ``display`` what ``verdict`` makes of
``facts``, which the other commands that look at a pair use as well. ``remote`` is the other node, by ssh.
"""
