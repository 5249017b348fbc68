# SPDX-License-Identifier: GPL-2.0-or-later
"""The way over from other agents: what became of each of their parameters, and how to move a disk that hosts know.

For manual pages alone; no agent imports it. The parameters are those of resource-agents 4.12 and 4.16, and of
drbd-utils 9.22, as Debian 12 and 13 have them.
"""

from __future__ import annotations

# For each of our agents, those that it replaces. For each parameter: its name, or several; ours in its place, if there
# is any; what to know about it.
REPLACED: dict[str, dict[str, tuple[tuple[str, str, str], ...]]] = {
    "drbd-vaai": {
        "ocf:linbit:drbd": (
            ("drbd_resource", "drbd_resource", "Letters, digits and _ . - + only."),
            ("drbdconf", "drbdconf", ""),
            (
                "wfc_timeout",
                "wfc_timeout",
                "At most 120; 0 for no waiting, where the other takes any word for that. Empty is the default in both.",
            ),
            (
                "adjust_master_score",
                "",
                "The scores are fixed. A replica whose data may be stale has none, and is not promoted.",
            ),
            (
                "stop_outdates_secondary",
                "",
                "Left to fencing: the handler twinsan fence-peer keeps a peer without the latest data from promotion.",
            ),
            ("ignore_missing_notifications", "", "Notifications are not needed; notify=false is advised."),
            (
                "remove_master_score_if_peer_primary",
                "",
                "Not needed: DRBD refuses a second Primary, and the reason is shown.",
            ),
            (
                "fail_promote_early_if_peer_primary",
                "",
                "Not needed: a promotion waits for its peer to be demoted as half of its time, then fails with that "
                "reason.",
            ),
            (
                "unfence_if_all_uptodate",
                "",
                "Not needed: DRBD calls twinsan unfence-peer after each resync. Where a constraint is left behind, a "
                "monitor says so, and what to type.",
            ),
            ("unfence_extra_args", "", "twinsan unfence-peer needs none."),
            (
                "require_drbd_module_version_ge require_drbd_module_version_lt",
                "",
                "8.4 and 9 are told apart as they run.",
            ),
            ("connect_only_after_promote", "", "Stacked resources are not supported."),
        ),
    },
    "lio-iscsi-target": {
        "ocf:heartbeat:iSCSITarget": (
            ("implementation", "", "There is but one: LIO, without targetcli."),
            ("iqn", "iqn", "Required, and checked."),
            ("tid", "", "LIO has none."),
            (
                "portals",
                "portals",
                "Required: the addresses of portal-ip. The default there, 0.0.0.0:3260, made no portal of its own; "
                "where it is meant, give it with wildcard_portals=yes. IPv6 is in brackets. The port may be left out.",
            ),
            ("iser_portals", "", "iSER is not supported."),
            (
                "allowed_initiators",
                "allowed_initiators",
                "The same names; but where it is empty nobody has access. There it let everybody in and write: here "
                "that is demo_mode=yes.",
            ),
            ("incoming_username", "incoming_username", ""),
            (
                "incoming_password",
                "incoming_password incoming_password_file",
                "Of 12 to 255 characters: a shorter secret is to be changed first, on the hosts as well.",
            ),
            (
                "additional_parameters",
                "additional_parameters",
                "A name that is unknown is refused, and not left out. What is not given has the defaults of this "
                "page, and not those of the kernel.",
            ),
        ),
    },
    "lio-lun": {
        "ocf:heartbeat:iSCSILogicalUnit": (
            ("implementation", "", "There is but one: LIO, without targetcli."),
            ("target_iqn", "target_iqn", ""),
            ("lun", "lun", "Keep it, 0 as well."),
            (
                "path",
                "path",
                "A block device, by the name that is the same on both nodes. For a file, losetup(8) makes one of it.",
            ),
            ("scsi_id", "", "LIO has none; the disk's name comes from scsi_sn."),
            (
                "scsi_sn",
                "scsi_sn",
                "Always give it here for a disk that hosts know. The default there was the first 8 digits of a "
                "checksum of the resource's name: printf %s RESOURCE | md5sum | cut -c 1-8. The default here is "
                "another. A serial of fewer than 8 hexadecimal digits is refused: they make the disk's NAA name.",
            ),
            (
                "emulate_tpu",
                "emulate_tpu vaai",
                "The default there was the kernel's, no. Here unmap is a primitive of vaai, and the disks of both "
                "nodes must be able to discard; leave it out where they cannot, or to keep what hosts know.",
            ),
            ("emulate_3pc", "emulate_3pc vaai", "no is the same as to leave xcopy out of vaai."),
            ("emulate_caw", "emulate_caw vaai", "no is the same as to leave ats out of vaai."),
            ("vendor_id", "vendor_id", "With LIO it had no effect there: the vendor was LIO-ORG, the default here."),
            (
                "product_id",
                "product_id",
                "Always give it here for a disk that hosts know. Without it targetcli took the name of the resource "
                "there, cut to the 15 or 16 characters that the kernel has room for.",
            ),
            ("tgt_bstype tgt_bsoflags tgt_bsopts tgt_device_type", "", "For tgt, not for LIO."),
            ("additional_parameters", "", "With LIO it had no effect. What can be set is a parameter of its own."),
            (
                "allowed_initiators",
                "allowed_initiators",
                "They have to be in the allowed_initiators of lio-iscsi-target as well. What is shown to whom does "
                "not depend on the order of starts.",
            ),
            ("lio_iblock", "", "The number of the backstore derives from target_iqn and lun."),
            (
                "liot_bstype",
                "",
                "Always as block. A disk that was served as fileio keeps its identity; one that was served as pscsi "
                "had that of the device behind it, and cannot keep it.",
            ),
        ),
    },
    "portal-ip": {
        "ocf:heartbeat:IPaddr2": (
            ("ip", "ip", "Compressed or not."),
            (
                "nic",
                "nic",
                "A label after it, as in eth0:1, is left out. Empty where another address is in the network.",
            ),
            ("cidr_netmask", "cidr_netmask", "A netmask such as 255.255.255.0 is taken as well, for IPv4."),
            ("broadcast", "", "iSCSI sends none. The address is added without one."),
            ("proto", "", "No routes are looked at: the network is that of another address of the device."),
            ("iflabel", "", "Labels are for ifconfig, which lio-iscsi-target does without."),
            (
                "lvs_support lvs_ipv6_addrlabel lvs_ipv6_addrlabel_value mac clusterip_hash unique_clone_address",
                "",
                "For balancing of loads. A portal is on one node at a time.",
            ),
            (
                "arp_interval arp_count arp_bg arp_sender send_arp_opts",
                "",
                "The address is announced six times within 4 seconds, from the background, for IPv4 and IPv6.",
            ),
            (
                "arp_count_refresh",
                "",
                "A monitor announces nothing: while the address stays, nothing has to be relearnt.",
            ),
            ("flush_routes", "", "No routes are touched."),
            ("run_arping", "", "Always: an address that another host has is refused, for IPv4 and IPv6."),
            ("nodad", "", "The question of run_arping comes before the address does, so it is usable at once."),
            ("noprefixroute", "", "The kernel adds the route of the network, as for any other address."),
            (
                "preferred_lft",
                "",
                "An IPv6 address is always deprecated, as with 0: what the node itself connects to shall not hear of "
                "it.",
            ),
            ("network_namespace", "", "Network namespaces are not supported."),
        ),
        "ocf:heartbeat:portblock": (
            (
                "protocol portno",
                "port",
                "Nothing is blocked, and no firewall is needed. As portal-ip comes last and leaves first there is no "
                "address to ask while anything is missing; a stop keeps the node from answering for it.",
            ),
            ("action", "", "Both resources portblock, that of block and that of unblock, have nothing in their place."),
            ("ip", "ip", ""),
            (
                "tickle_dir sync_script",
                "",
                "Who was connected is noted in a node attribute of the cluster, and reset from the other node.",
            ),
            (
                "reset_local_on_unblock_stop direction",
                "",
                "The node that is left is silent, in both directions.",
            ),
        ),
    },
}

# Prints the identity of every disk that this node serves, whichever agent or tool has made it.
IDENTITY = ("cd /sys/kernel/config/target/core", "grep . */*/wwn/vpd_unit_serial */*/wwn/*_id")

# The way to keep a configuration, and the way back to it.
KEEP = "cibadmin --query --scope configuration >before.xml"
RESTORE = "cibadmin --replace --scope configuration --xml-file before.xml"

# How the old resources go, with what they are in and their constraints. To crmsh a group is no more than a frame:
# without it, its primitives would stay, and start.
DELETE_BY_CRMSH = "crm configure delete EACH_OLD_PRIMITIVE ..."
DELETE_BY_PCS = ("pcs resource delete OLD_GROUP", "pcs resource delete OLD_CLONE")

# How a disk moves: what to do, and what to type for it; and the agent whose page tells it.
TOLD_BY = "lio-lun"
STEPS = (
    ("Keep the configuration as it is, for the way back.", (KEEP,)),
    (
        "On the node that serves, note the serial, the vendor and the product of each disk, while the old agents run;"
        " and from the configuration the iqn, the LUN numbers and the addresses.",
        IDENTITY,
    ),
    (
        "Shut the virtual machines down, or put the hosts into maintenance mode. Stop what is old and remove it, "
        "DRBD's clone as well: two clones of one drbd_resource would be in each other's way. With crmsh, then with "
        "pcs:",
        (
            "crm resource stop OLD_GROUP; crm resource stop OLD_CLONE",
            "crm_resource --wait",
            DELETE_BY_CRMSH,
            "",
            "pcs resource disable OLD_GROUP OLD_CLONE --wait",
            *DELETE_BY_PCS,
        ),
    ),
    (
        "Give DRBD's resource the handlers that ocf_twinsan_drbd-vaai(7) names, on both nodes. Then make drbd-vaai, "
        "lio-iscsi-target and lio-lun, as the EXAMPLE of each page has it, with the old iqn, LUN numbers and device, "
        "and here with the old identity; with is_nonrot=yes as well where the old disk was one that does not rotate "
        "(attrib/is_nonrot of the old backstore is 1). Not yet portal-ip: as long as it is missing no host can see a "
        "mistake.",
        ("params ... scsi_sn=SERIAL vendor_id=VENDOR product_id=PRODUCT",),
    ),
    ("On the node that serves now, compare. All must be as it was.", IDENTITY),
    (
        "Make portal-ip, with the old address, and let the hosts look again (ESXi: esxcli storage core adapter rescan"
        " --all). If anything is wrong: stop and remove what is new, then",
        (RESTORE,),
    ),
)

# What the hosts find as it was, and what they do not.
KEPT = (
    "The hosts find the same disk: VPD pages 80 and 83, the INQUIRY data, the size and the names that they derive "
    "from these are the same, byte by byte. Abilities are added, above all UNMAP; without unmap in vaai "
    "not even that. What cannot be kept: persistent reservations, which the hosts register anew (VMFS"
    " uses none); the relative target port in VPD page 83, where a backstore was a LUN of more than one target (it is"
    " 1 now); the identity of a disk that was served as pscsi, or by IET, tgt or SCST. ESXi takes such a disk for a "
    "snapshot, and asks for a new signature."
)
