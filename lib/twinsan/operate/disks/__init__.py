# SPDX-License-Identifier: GPL-2.0-or-later
"""Work on the disks of a pair that serves: ``twinsan grow`` and ``twinsan replace-disk``.

``grow`` makes a LUN as large as its disks: ``lun`` finds it, ``sides`` looks at both nodes, ``capacity`` knows what
DRBD needs of a disk, ``announcement`` has the cluster's LUN tell the new size. ``replace`` puts a new disk in place of
another: ``replacement`` is what was found, ``replacement_checks`` judge it, ``replacement_steps`` do it. ``resync``
waits for the data, ``question`` asks before the first change.
"""
