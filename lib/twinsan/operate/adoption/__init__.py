# SPDX-License-Identifier: GPL-2.0-or-later
"""From what serves today to a site file: what `twinsan adopt` is made of.

``cib`` reads the cluster's configuration, ``clusterlabs``, ``addresses`` and ``fencing`` what its resources mean;
``saveconfig`` reads what targetcli has saved. ``replicas`` (DRBD), ``corosync`` and ``here`` (this node) know what
neither of the two holds. All of it becomes the model in ``found``, of which ``site_file`` writes the site file,
``takeover`` the steps, and ``report`` the tables. ``migration`` has what replaces each parameter of the other agents.
"""
