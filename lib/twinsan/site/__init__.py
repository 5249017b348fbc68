# SPDX-License-Identifier: GPL-2.0-or-later
"""The site file, and all that is made of it: what `twinsan render` writes.

``reader`` reads TOML (``toml``, ``places``, ``table``) into the ``model`` and has ``rules`` checked. ``files`` lists
what is made of a site: ``cib`` the cluster's configuration as XML, ``crmsh`` and ``pcs`` the same as commands,
``drbd``, ``corosync``, ``sbd`` and ``hosts``. ``folder`` writes them.
"""
