# SPDX-License-Identifier: GPL-2.0-or-later
"""The framework of a resource agent: what the Open Cluster Framework asks of any agent, and nothing of storage.

``parameter`` declares, ``environment`` reads, ``agent`` and ``program`` run, ``metadata`` prints.
"""
