# SPDX-License-Identifier: GPL-2.0-or-later
"""The files that are made of a site, by their names in the folder that they are written to."""

from __future__ import annotations

from twinsan.site import cib, corosync, crmsh, drbd, hosts, model, pcs, sbd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.site.model import Site


class File:
    """A file: its name in the folder, with slashes, its text, and what it is for."""

    __slots__ = ("name", "purpose", "text")

    def __init__(self, name: str, text: str, purpose: str) -> None:
        self.name = name
        self.text = text
        self.purpose = purpose


def of(site: Site) -> list[File]:
    """Return all files that a site needs. Raises NotInstalled without lxml."""
    tree = cib.tree(site)
    found = [
        File("cib.xml", cib.text(site), "the cluster, as XML: crm configure load xml update cib.xml"),
        File("cib.crm", crmsh.text(tree), "the same for crmsh: crm configure load update cib.crm"),
        File("cib.pcs.sh", pcs.text(tree), "the same for pcs: sh cib.pcs.sh"),
    ]
    for version in drbd.VERSIONS:
        for resource in site.resources:
            name = f"{resource.name}.res"
            purpose = f"DRBD {version}, for /etc/drbd.d/{name}"
            found.append(File(f"drbd/{version}/{name}", drbd.text(resource, site, version), purpose))
    found.append(File("corosync.conf", corosync.text(site), "corosync, for /etc/corosync/corosync.conf"))
    if site.fencing.by != model.IPMI:
        found.append(File("sbd", sbd.text(site), "SBD, for /etc/sysconfig/sbd or /etc/default/sbd"))
    return [
        *found,
        File("hosts/esxi.txt", hosts.esxi(site), "what to type on ESXi"),
        File("hosts/linux.txt", hosts.linux(site), "what to type on Linux with open-iscsi"),
        File("hosts/windows.txt", hosts.windows(site), "what to type on Windows"),
    ]
