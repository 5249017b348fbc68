# SPDX-License-Identifier: GPL-2.0-or-later
"""All metrics: name, type, what it is, labels. Names and labels never change; new ones may come.

`on` is a node of the cluster, `drbd` a DRBD resource, `resource` a resource of the cluster, `lun` a LUN by the name of
its resource, `target` an IQN. What is on or off is 1 or 0. What is unknown is left out.
"""

from __future__ import annotations

from twinsan.operate.metrics.text import COUNTER, GAUGE, Family

INFO = Family("twinsan_info", GAUGE, "The version of twinsan, and the node that looked.", "version on")
COLLECTED = Family("twinsan_collected_timestamp_seconds", GAUGE, "When these numbers were collected.")
TOOK = Family("twinsan_collection_seconds", GAUGE, "How long that took.")
UNSEEN = Family("twinsan_unseen", GAUGE, "Something that this node could not see.", "what")
UNSEEN_SOURCES = Family("twinsan_unseen_sources", GAUGE, "How many sources this node could not see.")

QUORUM = Family("twinsan_cluster_quorum", GAUGE, "Whether the nodes that this node sees have quorum.")
MAINTENANCE = Family("twinsan_cluster_maintenance", GAUGE, "Whether the cluster is in maintenance mode.")
NODE_ONLINE = Family("twinsan_node_online", GAUGE, "Whether a node of the cluster is online and in service.", "on")
DEGRADED = Family(
    "twinsan_resource_degraded", GAUGE, "Whether a resource works, but is not well: see crm_mon -1.", "resource on"
)
FAILED = Family(
    "twinsan_resource_failed", GAUGE, "Whether a failure of a resource is not forgotten: see crm_mon -1.", "resource on"
)
FENCE_DEVICE = Family(
    "twinsan_fence_device_answers", GAUGE, "Whether a fence device answered its last monitor.", "resource"
)
FENCED = Family(
    "twinsan_last_fencing_timestamp_seconds", GAUGE, "When a node was fenced last, as the cluster remembers.", "on"
)
FENCED_WELL = Family("twinsan_last_fencing_success", GAUGE, "Whether the last fencing of a node succeeded.", "on")

SERVED = Family("twinsan_served", GAUGE, "Whether a node serves what is made of a DRBD resource.", "drbd")
SERVES = Family("twinsan_serves", GAUGE, "Whether this node does.", "drbd")
SERVED_SINCE = Family("twinsan_served_since_timestamp_seconds", GAUGE, "Since when it is served there.", "drbd")
STANDBY_READY = Family(
    "twinsan_standby_ready",
    GAUGE,
    "Whether another node would serve if the one that serves died now: see twinsan status.",
    "drbd",
)
STANDBY_KNOWN = Family("twinsan_standby_known", GAUGE, "Whether that is known.", "drbd")
TAKE_OVER = Family("twinsan_takeover_estimate_seconds", GAUGE, "In about how long it would serve.", "drbd")
FAILOVERS = Family("twinsan_failovers", COUNTER, "Failovers to this node, as the alert agent saw them.", "resource")
STALLS = Family(
    "twinsan_failover_stall_seconds",
    COUNTER,
    "The sum of the times without a portal address in these failovers, from when the cluster noticed.",
    "resource",
)
LAST_FAILOVER = Family(
    "twinsan_last_failover_timestamp_seconds", GAUGE, "When the last failover to this node was.", "resource"
)
LAST_STALL = Family(
    "twinsan_last_failover_stall_seconds", GAUGE, "The time without a portal address in it.", "resource"
)

PRIMARY = Family("twinsan_drbd_primary", GAUGE, "Whether this node is Primary.", "drbd")
WELL = Family("twinsan_drbd_well", GAUGE, "Whether nothing is wrong with DRBD, as this node sees it.", "drbd")
SUSPENDED = Family("twinsan_drbd_suspended", GAUGE, "Whether I/O is frozen.", "drbd")
SPLIT_BRAIN = Family("twinsan_drbd_split_brain", GAUGE, "Whether there is a split brain.", "drbd")
DISK = Family("twinsan_drbd_disk_uptodate", GAUGE, "Whether the local disk has all data.", "drbd volume")
CONNECTED = Family("twinsan_drbd_connected", GAUGE, "Whether the connection to the peer is up.", "drbd peer")
PEER_DISK = Family(
    "twinsan_drbd_peer_disk_uptodate", GAUGE, "Whether the peer's disk has all data.", "drbd volume peer"
)
OUT_OF_SYNC = Family("twinsan_drbd_out_of_sync_bytes", GAUGE, "What a resync has to copy.", "drbd volume peer")
RESYNC = Family("twinsan_drbd_resync_running", GAUGE, "Whether a resync runs.", "drbd volume peer")
RESYNC_DONE = Family("twinsan_drbd_resync_done_ratio", GAUGE, "How much of it is done, up to 1.", "drbd volume peer")
RESYNC_LEFT = Family("twinsan_drbd_resync_left_seconds", GAUGE, "How long it will take, by DRBD.", "drbd volume peer")
IN_FLIGHT = Family("twinsan_drbd_in_flight_bytes", GAUGE, "Sent and not confirmed by the peer (DRBD 9).", "drbd peer")
CONGESTED = Family("twinsan_drbd_congested", GAUGE, "Whether the connection cannot keep up (DRBD 9).", "drbd peer")

LUN_SIZE = Family("twinsan_lun_size_bytes", GAUGE, "The size of a LUN that this node serves.", "lun")
LUN_COMMANDS = Family("twinsan_lun_commands", COUNTER, "SCSI commands to the LUN.", "lun")
LUN_READ = Family("twinsan_lun_read_bytes", COUNTER, "What initiators have read, in steps of 1 MiB.", "lun")
LUN_WRITTEN = Family("twinsan_lun_written_bytes", COUNTER, "What initiators have written, in steps of 1 MiB.", "lun")
LUN_RESETS = Family("twinsan_lun_resets", COUNTER, "Resets by initiators.", "lun")
LUN_VAAI = Family("twinsan_lun_vaai", GAUGE, "Whether the LUN has a VAAI primitive.", "lun primitive")
REGISTRANTS = Family("twinsan_lun_registrants", GAUGE, "Initiators that are registered for reservations.", "lun")
RESERVED = Family("twinsan_lun_reserved", GAUGE, "Whether an initiator holds a persistent reservation.", "lun")

TARGET = Family("twinsan_target_enabled", GAUGE, "Whether the target accepts logins on this node.", "target")
SESSIONS = Family("twinsan_target_sessions", GAUGE, "Initiators that are logged in.", "target")
FAILED_LOGINS = Family("twinsan_target_failed_logins", COUNTER, "Logins that were refused.", "target")
SESSION = Family("twinsan_session_up", GAUGE, "Whether an admitted initiator is logged in.", "target initiator")
SESSION_READ = Family("twinsan_session_sent_bytes", COUNTER, "Data that it has read.", "target initiator")
SESSION_WRITTEN = Family("twinsan_session_received_bytes", COUNTER, "Data that it has written.", "target initiator")
SESSION_ERRORS = Family(
    "twinsan_session_errors", COUNTER, "Connections lost for a wrong digest or a time-out.", "target initiator error"
)

POOL_DATA = Family("twinsan_thin_pool_data_used_ratio", GAUGE, "How full the thin pool is, up to 1.", "pool")
POOL_META = Family("twinsan_thin_pool_metadata_used_ratio", GAUGE, "How full its meta data is, up to 1.", "pool")

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Family))
