# SPDX-License-Identifier: GPL-2.0-or-later
"""What this node sees of the pair, gathered within a bound of time: the facts behind ``twinsan status`` and whatever
else reports them.

``gathering.gather()`` returns one ``shape.Facts``. Everything in it is a record of plain values (`fact.Record`), in
which each field has its description. ``fact.as_json()`` makes of it what ``twinsan status --json`` prints: the same
names, lists for tuples, null for None. docs/status.schema.json describes that; it is made from `shape`. Names are
added and never changed or removed, so a program that reads them skips what it does not know.

Rules of the shape:

- None is "unknown": it could not be seen, or this version of DRBD, LIO or Pacemaker does not say it. An empty list is
  "none". What could not be seen is in `not_seen`, with the reason.
- A time is in seconds since the epoch, a duration in seconds, an amount in the unit that the name ends with.
- What belongs together has the same name: `target` is an IQN, `resource` the name in the cluster, `drbd` the name of
  a DRBD resource, `node` the cluster's name of a node.
- LUNs, targets, sessions and DRBD's view are those of this node's kernel. What the cluster says is of all nodes. What
  the other node has told of itself is in `told`.

Each source is a module: `configuration` and `overview` (what cibadmin and crm_mon print), `votes` (corosync), `told`
(node attributes), `replication` (DRBD), `storage` (LIO). `gathering` asks them in three child processes side by side:
the cluster, DRBD, LIO. A child that hangs in the kernel is left behind; what it had seen before counts. While one that
reads LIO hangs, no other reads it (`left_behind`).
"""
