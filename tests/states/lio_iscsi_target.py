# SPDX-License-Identifier: GPL-2.0-or-later
"""What lio-iscsi-target answers in every state of a target. Places are those below /sys/kernel/config/target."""

from __future__ import annotations

from tests.states.state import RUN, state

IQN = "iqn.2003-01.org.example:states"
OTHER_IQN = "iqn.2003-01.org.example:other"
ONE, TWO = "iqn.1998-01.com.example:one", "iqn.1998-01.com.example:two"
TARGET = f"iscsi/{IQN}"
TPG = f"{TARGET}/tpgt_1"
USUAL = {"iqn": IQN, "portals": "10.77.0.50 10.77.0.51:3261", "allowed_initiators": f"{ONE} {TWO}"}

_CHAP = {"incoming_username": "esx", "incoming_password_file": f"{RUN}/secret"}
_OTHER = f"iscsi/{OTHER_IQN}"

STATES = [
    state(
        "nothing is there",
        probe="7", monitor="7", level10="7", validate="0", unknown="3 unknown action", reload="7", start="0", stop="0",
    ),
    state(
        "it runs", "start",
        probe="0", monitor="0", level10="0", validate="0", reload="0", start="0", stop="0",
    ),
    state(
        "LIO is not loaded, and cannot be",
        probe="7", monitor="7", start="5 target_core_mod cannot be loaded", stop="0", host="bare",
    ),
    state(
        "nobody's user asks", "as nobody",
        monitor="7", reload="4 reload-agent needs root", start="4 start needs root", stop="4 stop needs root",
    ),
    # Wrong values.
    state(
        "a value is wrong, and nothing runs", given={"portals": "10.77.0.50:70000"},
        probe="7", monitor="6 portals", validate="6 portals", reload="6 portals", start="6 portals", stop="0",
    ),
    state(
        "a value is wrong, and it runs", "start", given={"queue_depth": "0"},
        probe="190 goes on", monitor="190 goes on as it was configured before", level10="190 queue_depth",
        validate="6 queue_depth", reload="190 goes on as it was configured before", start="6 queue_depth", stop="0",
    ),
    state(
        "its name is none", given={"iqn": "san"},
        probe="7", monitor="6 no iSCSI name", validate="6 no iSCSI name", start="6 no iSCSI name", stop="0",
    ),
    state(
        "the kernel does not take a value", given={"additional_parameters": "MaxBurstLength=much"},
        probe="7", monitor="7", validate="0", start="6 the kernel does not take MaxBurstLength=much", stop="0",
    ),
    # Half made.
    state(
        "it has no portal group", f"mkdir {TARGET}",
        probe="1 has no portal group", monitor="1 has no portal group", reload="0", start="0", stop="0",
    ),
    state(
        "its portal group is empty", f"mkdir {TARGET}", f"mkdir {TPG}",
        probe="1 does not listen on 10.77.0.50:3260 10.77.0.51:3261", monitor="1 does not listen on", reload="0",
        start="0", stop="0",
    ),
    state(
        "it has no portals", "start", f"rmdir {TPG}/np/10.77.0.50:3260", f"rmdir {TPG}/np/10.77.0.51:3261",
        probe="1 does not listen on", monitor="1 does not listen on", reload="0", start="0", stop="0",
    ),
    state(
        "one of two portals is missing", "start", f"rmdir {TPG}/np/10.77.0.51:3261",
        probe="190 does not listen on 10.77.0.51:3261", monitor="190 does not listen on 10.77.0.51:3261",
        level10="190 does not listen on 10.77.0.51:3261", reload="0", start="0", stop="0",
    ),
    state(
        "an initiator is not admitted", "start", f"rmdir {TPG}/acls/{TWO}",
        probe=f"1 does not admit {TWO}", monitor=f"1 does not admit {TWO}", reload="0", start="0", stop="0",
    ),
    state(
        "it is disabled, and has no LUNs, as after the stop of the last", "start", f"write {TPG}/enable 0",
        probe="0", monitor="0", level10="0", start="0", stop="0",
    ),
    state(
        "it is disabled, and has LUNs", "start", f"mkdir {TPG}/lun/lun_9", f"write {TPG}/enable 0",
        # A start keeps that LUN; so the state is made anew after it.
        tidy=("restore",),
        probe="1 is disabled although it has LUNs", monitor="1 is disabled although it has LUNs",
        reload="0", start="0", stop="0",
    ),
    # Not as configured.
    state(
        "strangers are let in", "start", f"write {TPG}/attrib/generate_node_acls 1",
        monitor="0", level10="190 generate_node_acls is 1 instead of 0", reload="0", start="0", stop="0",
    ),
    state(
        "an iSCSI parameter is another", "start", f"write {TPG}/param/DefaultTime2Wait 2",
        monitor="0", level10="190 DefaultTime2Wait is 2 instead of 0", reload="0", start="0", stop="0",
    ),
    state(
        "CHAP is asked for and not configured", "start", f"write {TPG}/acls/{ONE}/auth/userid esx",
        monitor="0", level10=f"190 the CHAP user name of {ONE} is another", reload="0", start="0", stop="0",
    ),
    state(
        "it listens on one portal more", "start", f"mkdir {TPG}/np/10.77.0.52:3262",
        monitor="0", level10="190 it listens on 10.77.0.52:3262 as well", reload="0", start="0", stop="0",
    ),
    state(
        "one initiator more is admitted", "start", f"mkdir {TPG}/acls/{ONE}-more",
        monitor="0", level10=f"190 {ONE}-more is admitted as well", reload="0", start="0", stop="0",
    ),
    state(
        "it has a second portal group", "start", f"mkdir {TARGET}/tpgt_2",
        monitor="0", level10="190 it has portal group tpgt_2 as well", start="0", stop="0",
        then="190 it has portal group tpgt_2 as well",
    ),
    # Secrets.
    state(
        "the file with the secret is missing, and nothing runs", given=_CHAP,
        probe="7", monitor="7", validate="2 cannot be read", start="2 cannot be read", stop="0",
    ),
    state(
        "the file with the secret is missing, and it runs", "start", given=_CHAP,
        probe="0", monitor="0", level10="190 cannot be read", reload="190 cannot be read", start="2 cannot be read",
        stop="0",
    ),
    state(
        "others may read the secret", "start", "secret 644 fedcba9876543210", given=_CHAP, tidy=("secret 600",),
        monitor="0", level10="190 is open to others than root", validate="2 is open to others than root",
        reload="190 is open to others than root", start="2 is open to others than root", stop="0",
    ),
    state(
        "the secret is too short", "start", "secret 600 short", given=_CHAP, tidy=("secret 600",),
        monitor="0", level10="190 has 5 characters", validate="6 has 5 characters", reload="190 has 5 characters",
        start="6 has 5 characters", stop="0",
    ),
    state(
        "the secret is another than when it started", "start", "secret 600 fedcba9876543210", given=_CHAP,
        tidy=("secret 600",),
        monitor="0", level10="190 the CHAP secret of", validate="0", reload="0", start="0", stop="0",
    ),
    # In somebody's way.
    state(
        "another target has its portal", f"mkdir {_OTHER}", f"mkdir {_OTHER}/tpgt_1",
        f"mkdir {_OTHER}/tpgt_1/np/0.0.0.0:3261",
        given={"portals": "10.77.0.51:3261", "CRM_meta_timeout": "4000"},
        tidy=(f"rmdir {_OTHER}/tpgt_1/np/0.0.0.0:3261", f"rmdir {_OTHER}/tpgt_1", f"rmdir {_OTHER}"),
        probe="7", monitor="7", start=f"1 in use by target {OTHER_IQN}", stop="0",
    ),
    state(
        "another target has one of its portals", f"mkdir {_OTHER}", f"mkdir {_OTHER}/tpgt_1",
        f"mkdir {_OTHER}/tpgt_1/np/0.0.0.0:3261",
        given={"CRM_meta_timeout": "4000"},
        tidy=(f"rmdir {_OTHER}/tpgt_1/np/0.0.0.0:3261", f"rmdir {_OTHER}/tpgt_1", f"rmdir {_OTHER}"),
        start="0", then="190 does not listen on 10.77.0.51:3261", stop="0",
    ),
]  # fmt: skip
