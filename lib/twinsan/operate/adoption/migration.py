# SPDX-License-Identifier: GPL-2.0-or-later
"""The migration from other agents: what replaces each of their parameters, and how to move a disk that hosts know.

The manual pages and `twinsan adopt` use it; no agent imports it. The parameters are those of resource-agents 4.12 and
4.16, and of drbd-utils 9.22, as in Debian 12 and 13.
"""

from __future__ import annotations

# For each of our agents, the agents that it replaces, with a row for each of their parameters: the name, or several;
# the parameter of ours that replaces it, or several, or none; a remark.
REPLACED: dict[str, dict[str, tuple[tuple[str, str, str], ...]]] = {
    "drbd-vaai": {
        "ocf:linbit:drbd": (
            ("drbd_resource", "drbd_resource", "Letters, digits and _ . - + only."),
            ("drbdconf", "drbdconf", ""),
            (
                "wfc_timeout",
                "wfc_timeout",
                "At most 120; 0 for no wait, where the other agent accepts any word. Empty is the default in both.",
            ),
            (
                "adjust_master_score",
                "",
                "The scores are fixed. A replica whose data may be stale has none, and is not promoted.",
            ),
            (
                "stop_outdates_secondary",
                "",
                "Done by fencing: the handler twinsan fence-peer keeps a peer without the latest data from promotion.",
            ),
            ("ignore_missing_notifications", "", "Notifications are not needed; notify=false is advised."),
            (
                "remove_master_score_if_peer_primary",
                "",
                "Not needed: DRBD refuses a second Primary, and the agent reports that.",
            ),
            (
                "fail_promote_early_if_peer_primary",
                "",
                "Not needed: a promotion waits half of its timeout for its peer to be demoted, then fails and names "
                "the peer.",
            ),
            (
                "unfence_if_all_uptodate",
                "",
                "Not needed: DRBD calls twinsan unfence-peer after each resync. If a constraint is left behind, a "
                "monitor removes it, or reports it with the command to type.",
            ),
            ("unfence_extra_args", "", "twinsan unfence-peer needs none."),
            (
                "require_drbd_module_version_ge require_drbd_module_version_lt",
                "",
                "The agent distinguishes 8.4 and 9 by what runs.",
            ),
            ("connect_only_after_promote", "", "Stacked resources are not supported."),
        ),
    },
    "lio-iscsi-target": {
        "ocf:heartbeat:iSCSITarget": (
            ("implementation", "", "Always LIO, without targetcli."),
            ("iqn", "iqn", "Required, and checked."),
            ("tid", "", "LIO has none."),
            (
                "portals",
                "portals",
                "Required: the addresses of portal-ip. The default there, 0.0.0.0:3260, created no portal; if you want "
                "that portal, give it with wildcard_portals=yes. IPv6 is in brackets. The port is optional.",
            ),
            ("iser_portals", "", "iSER is not supported."),
            (
                "allowed_initiators",
                "allowed_initiators",
                "The same names. Empty is access for nobody; there it was access and writing for everybody, which is "
                "demo_mode=yes here.",
            ),
            ("incoming_username", "incoming_username", ""),
            (
                "incoming_password",
                "incoming_password incoming_password_file",
                "Of 12 to 255 characters: change a shorter secret first, on the hosts as well.",
            ),
            (
                "additional_parameters",
                "additional_parameters",
                "An unknown name is refused, not ignored. A parameter that is not given has the default of this page, "
                "not that of the kernel.",
            ),
        ),
    },
    "lio-lun": {
        "ocf:heartbeat:iSCSILogicalUnit": (
            ("implementation", "", "Always LIO, without targetcli."),
            ("target_iqn", "target_iqn", ""),
            ("lun", "lun", "Keep the number, even 0."),
            (
                "path",
                "path",
                "A block device, by a name that is the same on both nodes. For a file, make one with losetup(8).",
            ),
            ("scsi_id", "", "LIO has none; the name of the disk comes from scsi_sn."),
            (
                "scsi_sn",
                "scsi_sn",
                "Always set it for a disk that hosts know. The default there was the first 8 digits of a checksum of "
                "the resource's name: printf %s RESOURCE | md5sum | cut -c 1-8. The default here is different. A "
                "serial with fewer than 8 hexadecimal digits is refused: the NAA name of the disk is made of them.",
            ),
            (
                "emulate_tpu",
                "emulate_tpu vaai",
                "The default there was that of the kernel, no. Here unmap is a primitive of vaai, and the disks of "
                "both nodes must be able to discard. Leave it out if they cannot, or to keep the disk as hosts know "
                "it.",
            ),
            ("emulate_3pc", "emulate_3pc vaai", "no is the same as vaai without xcopy."),
            ("emulate_caw", "emulate_caw vaai", "no is the same as vaai without ats."),
            ("vendor_id", "vendor_id", "It had no effect with LIO there: the vendor was LIO-ORG, the default here."),
            (
                "product_id",
                "product_id",
                "Always set it for a disk that hosts know. Without it, targetcli took the name of the resource there, "
                "cut to the 15 or 16 characters that the kernel has room for.",
            ),
            ("tgt_bstype tgt_bsoflags tgt_bsopts tgt_device_type", "", "For tgt, not for LIO."),
            ("additional_parameters", "", "It had no effect with LIO. Each value to set has its own parameter."),
            (
                "allowed_initiators",
                "allowed_initiators",
                "They have to be in the allowed_initiators of lio-iscsi-target as well. Which initiator sees which LUN "
                "does not depend on the order of starts.",
            ),
            ("lio_iblock", "", "The number of the backstore is derived from target_iqn and lun."),
            (
                "liot_bstype",
                "",
                "Always block. A disk that was served as fileio keeps its identity. One that was served as pscsi had "
                "the identity of the backing device, and cannot keep it.",
            ),
        ),
    },
    "portal-ip": {
        "ocf:heartbeat:IPaddr2": (
            ("ip", "ip", "An IPv6 address may be compressed or not."),
            (
                "nic",
                "nic",
                "A label after it, as in eth0:1, is ignored. Leave it empty if another address is in the network.",
            ),
            ("cidr_netmask", "cidr_netmask", "For IPv4, a netmask such as 255.255.255.0 is accepted, too."),
            ("broadcast", "", "iSCSI sends no broadcast. The address is added without one."),
            ("proto", "", "The agent reads no routes: the network is that of another address of the device."),
            ("iflabel", "", "Labels are for ifconfig, and LIO does not need them."),
            (
                "lvs_support lvs_ipv6_addrlabel lvs_ipv6_addrlabel_value mac clusterip_hash unique_clone_address",
                "",
                "For load balancing. A portal is on one node at a time.",
            ),
            (
                "arp_interval arp_count arp_bg arp_sender send_arp_opts",
                "",
                "The address is announced six times within 4 seconds, in the background, for IPv4 and IPv6.",
            ),
            (
                "arp_count_refresh",
                "",
                "A monitor announces nothing: while the address stays, switches and hosts know it.",
            ),
            ("flush_routes", "", "No routes are touched."),
            ("run_arping", "", "Always done: an address that another host has is refused, for IPv4 and IPv6."),
            ("nodad", "", "The agent asks for duplicates before it adds the address, which is then usable at once."),
            ("noprefixroute", "", "The kernel adds the route of the network, as for any address."),
            (
                "preferred_lft",
                "",
                "An IPv6 address is always deprecated, as with 0: the node does not use it for connections of its own.",
            ),
            ("network_namespace", "", "Network namespaces are not supported."),
        ),
        "ocf:heartbeat:portblock": (
            (
                "protocol portno",
                "port",
                "Nothing is blocked, and no firewall is needed. portal-ip starts last and stops first, so there is no "
                "address while anything is missing. After a stop the node does not answer for the address.",
            ),
            ("action", "", "Nothing replaces the two portblock resources, neither block nor unblock."),
            ("ip", "ip", ""),
            (
                "tickle_dir sync_script",
                "",
                "Connections are recorded in a node attribute of the cluster, and reset by the other node.",
            ),
            (
                "reset_local_on_unblock_stop direction",
                "",
                "After a stop the node sends nothing, in either direction.",
            ),
        ),
    },
}

# Prints the identity of every disk that this node serves, whatever agent or tool created it.
IDENTITY = ("cd /sys/kernel/config/target/core", "grep . */*/wwn/vpd_unit_serial */*/wwn/*_id")

# Save the configuration, which holds secrets, for nobody else to read; and restore it.
PRIVATE = "umask 077"
KEEP = "cibadmin --query --scope configuration >before.xml"
RESTORE = "cibadmin --replace --scope configuration --xml-file before.xml"

# Delete the old resources, with their groups, clones and constraints. crmsh deletes a group alone: its primitives would
# stay, and start.
DELETE_BY_CRMSH = "crm configure delete EACH_OLD_PRIMITIVE ..."
DELETE_BY_PCS = ("pcs resource delete OLD_GROUP", "pcs resource delete OLD_CLONE")

# How to move a disk: each step with the commands to type. TOLD_BY is the agent whose page has the steps.
TOLD_BY = "lio-lun"
BY_COMMAND = (
    "twinsan adopt reads the present configuration. It makes a site file with the same disks, and prints the steps for "
    "it with the names of the resources: DRBD goes on then, and the pause is shorter than with these steps, which are "
    "for a move by hand:"
)
STEPS = (
    ("Save the present configuration, to be able to go back.", (PRIVATE, KEEP)),
    (
        "While the old agents run, note the serial, the vendor and the product of each disk, on the node that serves. "
        "From the configuration, note the iqn, the LUN numbers and the addresses.",
        IDENTITY,
    ),
    (
        "Shut the virtual machines down, or put the hosts into maintenance mode. Stop and delete the old resources, "
        "the clone of DRBD as well: two clones of one drbd_resource would disturb each other. First with crmsh, then "
        "with pcs:",
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
        "On both nodes, give the DRBD resource the handlers that ocf_twinsan_drbd-vaai(7) names. Then create "
        "drbd-vaai, lio-iscsi-target and lio-lun as in the EXAMPLE of each page, with the old iqn, LUN numbers and "
        "device, and lio-lun with the old identity. If the old backstore has 1 in attrib/is_nonrot, add is_nonrot=yes. "
        "Do not create portal-ip yet: without it no host can see a mistake.",
        ("params ... scsi_sn=SERIAL vendor_id=VENDOR product_id=PRODUCT",),
    ),
    ("On the node that serves now, compare. Everything must be as before.", IDENTITY),
    (
        "Create portal-ip with the old address, and rescan on the hosts (ESXi: esxcli storage core adapter rescan "
        "--all). If anything is wrong, stop and delete the new resources, then type:",
        (RESTORE,),
    ),
)

# What stays the same for the hosts, and what does not.
KEPT = (
    "The hosts find the same disk: VPD pages 80 and 83, the INQUIRY data, the size, and the names that hosts derive "
    "from these are the same, byte by byte. The disk gains abilities, above all UNMAP, unless vaai leaves it out. "
    "Three things cannot be kept. Persistent reservations: the hosts register anew (VMFS uses none). The relative "
    "target port in VPD page 83, if a backstore was a LUN of more than one target: it is 1 now. The identity of a disk "
    "that was served as pscsi, or by IET, tgt or SCST: ESXi takes such a disk for a snapshot, and asks for a new "
    "signature."
)
