# SPDX-License-Identifier: GPL-2.0-or-later
"""What to type on the hosts that use the SAN, with the reason for each value: ESXi, open-iscsi, Windows."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from twinsan.site.model import Portal, Resource, Site

_ESXI = """\
# ESXi, in its shell or over ssh. Put the name of the software iSCSI adapter in place of vmhba64: it is in the output of
#     esxcli iscsi adapter list
esxcli iscsi software set --enabled=true

{discovery}
# A connection that does not answer is given up after NoopOutInterval and NoopOutTimeout. After a failover the address
# resets the connections that it knows; this is for those that it does not.
esxcli iscsi adapter param set --adapter=vmhba64 --key=NoopOutInterval --value=15
esxcli iscsi adapter param set --adapter=vmhba64 --key=NoopOutTimeout --value=10

# How long the adapter tries to get a session back before it calls the path dead: longer than a failover takes, and well
# below the 140 s after which ESXi gives up on a device whose paths are all down (Misc.APDTimeout, its default).
esxcli iscsi adapter param set --adapter=vmhba64 --key=RecoveryTimeout --value=25
esxcli system settings advanced set --option=/Misc/APDTimeout --int-value=140

# Many hosts log in at once after a failover; the default of 5 s is short for that.
esxcli iscsi adapter param set --adapter=vmhba64 --key=LoginTimeout --value=60

# Delayed acknowledgements make each write wait when the network loses packets.
esxcli iscsi adapter param set --adapter=vmhba64 --key=DelayedAck --value=false

# The heartbeat of a datastore stays with ATS, which the SAN has. If ESXi reports "ATS Miscompare", set 0 on ALL hosts.
esxcli system settings advanced set --option=/VMFS3/UseATSForHBOnVMFS5 --int-value=1

# All paths lead to the node that serves, and LIO calls them equal: use them in turn, whichever there are. The rule is
# for disks that are claimed after it; reboot for those that are there.
{rules}
# Find the disks.
esxcli storage core adapter rescan --adapter=vmhba64
"""
_CLAIM = """\
esxcli storage nmp satp rule add --satp=VMW_SATP_ALUA --claim-option=tpgs_on --psp=VMW_PSP_RR --psp-option=iops=1 \\
    --vendor="{vendor}"
"""
_LINUX = """\
# Linux with open-iscsi, as root.
{multipath}{discovery}
# open-iscsi waits for the longer DefaultTime2Wait of the two sides before it logs in again. The target offers 0.
iscsiadm -m node -o update -n node.session.iscsi.DefaultTime2Wait -v 0

# A connection that does not answer is given up after 10 s.
iscsiadm -m node -o update -n node.conn[0].timeo.noop_out_interval -v 5
iscsiadm -m node -o update -n node.conn[0].timeo.noop_out_timeout -v 5

# How long I/O waits for a lost connection before a program gets an error, in seconds: longer than any failover takes.
iscsiadm -m node -o update -n node.session.timeo.replacement_timeout -v 120

iscsiadm -m node -o update -n node.startup -v automatic
iscsiadm -m node --login
"""
_LINUX_MULTIPATH = """\
# Several paths, one through each network: dm-multipath makes one disk of them, /dev/mapper/... Install multipath-tools,
# or device-mapper-multipath on RHEL, where "mpathconf --enable" comes first.
mkdir -p /etc/multipath/conf.d
cat >/etc/multipath/conf.d/twinsan.conf <<'END'
defaults {{
    # What has two paths is a disk with several.
    find_multipaths yes

    # How often a lost path is looked at, in seconds: after a failover I/O goes on with the first that is back.
    polling_interval 2
}}
devices {{
{devices}}}
END
systemctl enable multipathd
systemctl restart multipathd

"""
_LINUX_DEVICE = """\
    device {{
        vendor "{vendor}"
        product "{product}"

        # All paths lead to the node that serves, and LIO calls them equal: use all.
        path_grouping_policy multibus

        # If all are down, as in a failover, I/O waits. By default programs would get an error after some looks.
        no_path_retry queue

        # Of a lost path, I/O waits so long before it takes another one, in seconds. For these disks it replaces the
        # replacement_timeout of open-iscsi below.
        fast_io_fail_tmo 5
    }}
"""
_WINDOWS = """\
# Windows, in a PowerShell of an administrator.
Set-Service -Name MSiSCSI -StartupType Automatic
Start-Service MSiSCSI

{paths}{discovery}
# How long a disk waits for an answer before an error reaches programs, in seconds: longer than any failover takes.
# Reboot after these settings.
Set-ItemProperty -Path HKLM:\\SYSTEM\\CurrentControlSet\\Services\\Disk -Name TimeOutValue -Value 120

{held}"""
_WINDOWS_ONE_PATH = """\
# How long the initiator keeps the requests of a lost session before it removes the disk; the default of 60 s is half.
$class = 'HKLM:\\SYSTEM\\CurrentControlSet\\Control\\Class\\{4D36E97B-E325-11CE-BFC1-08002BE10318}'
Get-ChildItem $class -ErrorAction SilentlyContinue | ForEach-Object { Join-Path $_.PSPath Parameters } |
    Where-Object { (Test-Path $_) -and (Get-ItemProperty $_).MaxRequestHoldTime } |
    ForEach-Object { Set-ItemProperty -Path $_ -Name MaxRequestHoldTime -Value 120 }
"""
_WINDOWS_MULTIPATH = """\
# Several paths, one through each network. Reboot once after this.
Install-WindowsFeature Multipath-IO
Enable-MSDSMAutomaticClaim -BusType iSCSI

"""
_WINDOWS_PATHS = """\
# How long a disk whose paths are all down is kept; the default of 20 s is shorter than a failover may take.
Set-MPIOSetting -CustomPathRecovery Enabled -NewPDORemovePeriod 120
"""
# What LIO says in INQUIRY if a LUN says nothing else.
_VENDOR, _PRODUCT = "LIO-ORG", "twinsan"  # the defaults of the parameters vendor_id and product_id


def esxi(site: Site) -> str:
    """Return the commands for ESXi."""
    lines = ["# Discovery, of each portal address once.\n"]
    lines += [
        f"esxcli iscsi adapter discovery sendtarget add --adapter=vmhba64 --address={_written(portal)}\n"
        for _, portal in _portals(site)
    ]
    vendors = {vendor for vendor, _ in _names(site.resources)}
    rules = "".join(_CLAIM.format(vendor=vendor) for vendor in sorted(vendors))
    return _ESXI.format(discovery="".join(lines), rules=rules)


def linux(site: Site) -> str:
    """Return the commands for open-iscsi."""
    lines = [f"iscsiadm -m discovery -t sendtargets -p {_written(portal)}\n" for _, portal in _portals(site)]
    devices = "".join(
        _LINUX_DEVICE.format(vendor=_pattern(vendor), product=_pattern(product))
        for vendor, product in _names(each for each in site.resources if len(each.portals) > 1)
    )
    multipath = _LINUX_MULTIPATH.format(devices=devices) if devices else ""
    return _LINUX.format(multipath=multipath, discovery="".join(lines))


def windows(site: Site) -> str:
    """Return the commands for Windows."""
    lines = []
    several = any(len(each.portals) > 1 for each in site.resources)
    for resource, portal in _portals(site):
        address = f"-TargetPortalAddress {portal.address} -TargetPortalPortNumber {portal.port}"
        paths = " -IsMultipathEnabled $true" if len(resource.portals) > 1 else ""
        lines.append(f"New-IscsiTargetPortal {address}\n")
        lines.append(f"Connect-IscsiTarget -NodeAddress {resource.iqn} {address} -IsPersistent $true{paths}\n")
    held = _WINDOWS_PATHS if several else _WINDOWS_ONE_PATH
    return _WINDOWS.format(discovery="".join(lines), paths=_WINDOWS_MULTIPATH if several else "", held=held)


def _names(resources: Iterable[Resource]) -> list[tuple[str, str]]:
    """Vendors and products of the LUNs, as they say in INQUIRY."""
    parameters = [lun.parameters for each in resources for lun in each.luns]
    return sorted({(each.get("vendor_id", _VENDOR), each.get("product_id", _PRODUCT)) for each in parameters})


def _pattern(name: str) -> str:
    """A regular expression for a name, in the quotes of multipath.conf."""
    return "".join(each if each.isalnum() or each in " -_" else "." for each in name)


def _portals(site: Site) -> Iterator[tuple[Resource, Portal]]:
    for resource in site.resources:
        for portal in resource.portals:
            yield resource, portal


def _written(portal: Portal) -> str:
    """A portal as initiators write it."""
    address = f"[{portal.address}]" if ":" in portal.address else portal.address
    return f"{address}:{portal.port}"
