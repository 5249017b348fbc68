# SPDX-License-Identifier: GPL-2.0-or-later
"""What drbd-vaai answers in every state of a resource of DRBD 8.4. The peer has the resource up, as Secondary.

``drbd`` changes DRBD here, ``peer`` on the peer; both wait until this node has seen it.
"""

from __future__ import annotations

from tests.states.state import state

RESOURCE, MINOR = "states", 7
USUAL = {"drbd_resource": RESOURCE, "wfc_timeout": "10"}

_OLD = {"crm_feature_set": "3.16.2"}
_NEW = {"crm_feature_set": "3.19.0"}
_SHORT = {"CRM_meta_timeout": "4000"}
_PEER_BACK = ("peer reset",)

STATES = [
    state(
        "it is down",
        probe="7", monitor="7", validate="0", unknown="3 unknown action", reload="7", demote="7",
        promote=f"1 is not up; start it first: drbdadm up {RESOURCE}", start="0", stop="0",
    ),
    state(
        "Secondary, all well", "start",
        probe="0", monitor="0", validate="0", reload="0", demote="0", promote="0", start="0", stop="0",
    ),
    state(
        "Primary, all well", "start", "promote",
        probe="8", monitor="8", validate="0", reload="0", demote="0", promote="0", start="0", stop="0",
    ),
    state(
        "the module is not loaded, and cannot be",
        probe="7", monitor="7", validate="2 does not know the resource", demote="7", promote="1 is not up",
        start="2 does not know the resource", stop="0", host="bare",
    ),
    state(
        "there is neither module nor program", "without drbdsetup drbdadm",
        probe="7", monitor="7", validate="5 the program drbdadm is missing", start="5 the program drbdadm is missing",
        stop="0", host="bare",
    ),
    state(
        "it is up, and the program to ask is missing", "start", "without drbdsetup",
        probe="1 the program drbdsetup is missing", monitor="1 the program drbdsetup is missing",
        stop="1 the program drbdsetup is missing",
    ),
    state(
        "nobody's user asks", "as nobody",
        demote="4 demote needs root", promote="4 promote needs root", start="4 start needs root",
        stop="4 stop needs root",
    ),
    # Wrong values, another host.
    state(
        "a value is wrong, and it is down", given={"wfc_timeout": "soon"},
        probe="7", monitor="7", validate="6 wfc_timeout", reload="6 wfc_timeout",
        stop="0",
    ),
    state(
        "a value is wrong, and it is Secondary", "start", given={"wfc_timeout": "soon"},
        probe="0", monitor="190 goes on as it was configured before", validate="6 wfc_timeout",
        reload="190 goes on as it was configured before", start="0", stop="0",
        then="190 goes on as it was configured before",
    ),
    state(
        "a value is wrong, and it is Primary", "start", "promote", given={"wfc_timeout": "soon"},
        probe="8", monitor="191 goes on as it was configured before", reload="190 goes on as it was", stop="0",
    ),
    state(
        "its name is none", given={"drbd_resource": "a/../b"},
        probe="7", monitor="6 drbd_resource", validate="6 drbd_resource", start="6 drbd_resource", stop="0",
    ),
    state(
        "this host does not know it", given={"drbd_resource": "nonesuch"},
        probe="7", monitor="7", validate="2 does not know the resource 'nonesuch'", promote="1 is not up",
        start="2 does not know the resource 'nonesuch'", stop="0",
    ),
    state(
        "the configuration is missing", given={"drbdconf": "/etc/nonesuch.conf"},
        probe="7", monitor="7", validate="2 /etc/nonesuch.conf is missing", start="2 /etc/nonesuch.conf is missing",
        stop="0",
    ),
    # The link.
    state(
        "Secondary, the peer is away", "start", "peer disconnect", tidy=_PEER_BACK,
        probe="190 replication of states is down", monitor="190 replication of states is down (Connecting)",
        demote="0", promote="0", stop="0",
    ),
    state(
        "Secondary, the peer is away, and the cluster may need this node at once", "start", "peer disconnect",
        given=_NEW, tidy=_PEER_BACK, monitor="0", stop="0",
    ),
    state(
        "Primary, the peer is away", "start", "promote", "peer disconnect", tidy=_PEER_BACK,
        probe="191 replication of states is down", monitor="191 replication of states is down (Connecting)",
        demote="0", promote="0", stop="0",
    ),
    state(
        "Primary, the peer is away, and the cluster knows degraded", "start", "promote", "peer disconnect", given=_NEW,
        tidy=_PEER_BACK, monitor="191 replication of states is down (Connecting)", stop="0",
    ),
    state(
        "Primary, the peer is away, and the cluster does not know degraded", "start", "promote", "peer disconnect",
        given=_OLD, tidy=_PEER_BACK, monitor="8", stop="0",
    ),
    state(
        "Secondary, somebody cut the link here", "start", "drbd disconnect",
        monitor=f"190 is cut (StandAlone); on each node where it is so type: drbdadm connect {RESOURCE}",
        promote="0", start="0", stop="0", tidy=_PEER_BACK,
    ),
    state(
        "Primary, somebody cut the link here", "start", "promote", "drbd disconnect",
        monitor="191 is cut (StandAlone)", demote="0", stop="0", tidy=_PEER_BACK,
    ),
    state(
        "split brain", "start", "promote", "peer disconnect", "change", "peer change", "peer connect",
        monitor="191 split brain of states; the victim types", demote="0", stop="0", tidy=("peer discard",),
    ),
    state(
        "the peer is Primary", "start", "peer primary", given=_SHORT, tidy=_PEER_BACK,
        probe="0", monitor="0", promote="1 is still Primary of states", stop="0",
    ),
    # The disks.
    state(
        "a resync to this node", "start", "drbd invalidate", tidy=_PEER_BACK,
        monitor="190 is resynchronising (SyncTarget", start="0", stop="0",
    ),
    state(
        "a resync from this node", "start", "promote", "peer invalidate", tidy=_PEER_BACK,
        monitor="191 is resynchronising (SyncSource", demote="0", stop="0",
    ),
    state(
        "Secondary, the local disk is gone", "start", "drbd detach",
        monitor=f"190 the local disk of states is gone (Diskless); replace it, then: drbdadm adjust {RESOURCE}",
        promote="0", start="0", stop="0",
    ),
    state(
        "Primary, the local disk is gone", "start", "promote", "drbd detach",
        monitor="191 the local disk of states is gone (Diskless), I/O goes through the peer", demote="0", stop="0",
    ),
    state(
        "Primary, the local disk is gone, and the peer is away", "start", "promote", "drbd detach", "peer disconnect",
        tidy=_PEER_BACK, monitor="9 is Primary without data", demote="0", stop="0",
    ),
    state(
        "the peer's disk is gone", "start", "promote", "peer detach", tidy=_PEER_BACK,
        monitor="191 there is one copy only", demote="0", stop="0",
    ),
    state(
        "Outdated", "start", "drbd disconnect", "drbd outdate", tidy=_PEER_BACK,
        monitor="190 the peer has newer data; type: drbdadm adjust", promote="1 is only Outdated: bring back the peer",
        start="0", stop="0",
    ),
    # Whatever else is not well.
    state(
        "I/O is frozen by somebody", "start", "promote", "drbd suspend-io",
        monitor=f"191 is frozen by suspend-io; thaw it: drbdadm resume-io {RESOURCE}", demote="0", stop="0",
    ),
    state(
        "a fence constraint was left behind", "start", "promote", "marker there", tidy=("marker gone",),
        monitor=f"191 type: twinsan unfence-peer {RESOURCE}", demote="0", stop="0",
    ),
    state(
        "somebody holds the device open", "start", "promote", "hold", given=_SHORT,
        monitor="8", demote="1 cannot be demoted: held open by", stop="1 cannot be demoted: held open by",
    ),
]  # fmt: skip
