# SPDX-License-Identifier: GPL-2.0-or-later
"""What portal-ip answers in every state of an address.

The network device test0 has 10.77.0.2/24 and fd77::2/64; in its network is a host with 10.77.0.9 and fd77::9. Another
network device, other0, has no address.
"""

from __future__ import annotations

from tests.states.state import state

ADDRESS, ADDRESS_6 = "10.77.0.50", "fd77::50"
# Time for one attempt: what a start waits for does not come.
USUAL = {"ip": ADDRESS, "CRM_meta_timeout": "3000"}

_UP = ("device up",)

STATES = [
    state(
        "nothing is there",
        probe="7", monitor="7", validate="0", unknown="3 unknown action", start="0", stop="0",
    ),
    state("it is up", "start", probe="0", monitor="0", validate="0", start="0", stop="0"),
    state(
        "an address of IPv6", f"ip address add {ADDRESS_6}/64 dev test0 nodad", given={"ip": ADDRESS_6},
        tidy=("ip-6-clean",),
        probe="0", monitor="0", validate="0", start="0", stop="0",
    ),
    state(
        "nobody's user asks", "as nobody",
        monitor="7", start="4 start needs root", stop="4 stop needs root",
    ),
    # Wrong values.
    state(
        "a value is wrong, and nothing is up", given={"cidr_netmask": "99"},
        probe="7", monitor="6 cidr_netmask", validate="6 cidr_netmask", start="6 cidr_netmask", stop="0",
    ),
    state(
        "a value is wrong, and it is up", "start", given={"port": "0"},
        probe="0", monitor="190 goes on as it was configured before", validate="6 port", start="6 port", stop="0",
    ),
    state(
        "its address is none", given={"ip": "10.77.0.500"},
        probe="7", monitor="6 ip", validate="6 ip", start="6 ip", stop="0",
    ),
    # Another host, another network.
    state(
        "its network device is missing", given={"nic": "none0"},
        probe="7", monitor="7", validate="2 nic none0 does not exist", start="2 nic none0 does not exist", stop="0",
    ),
    state(
        "it is in no network of this host", given={"ip": "192.0.2.9"},
        probe="7", monitor="7", validate="2 is in no network", start="2 is in no network", stop="0",
    ),
    state(
        "another host has it", given={"ip": "10.77.0.9"},
        probe="7", monitor="7", start="1 is on another host already", stop="0",
    ),
    state(
        "another host has it, IPv6", given={"ip": "fd77::9"},
        probe="7", monitor="7", start="1 is on another host already", stop="0",
    ),
    state(
        "its network device takes no IPv6", "ip_6 off", given={"ip": ADDRESS_6, "nic": "test0", "cidr_netmask": "64"},
        tidy=("ip_6 on",),
        probe="7", monitor="7", validate="2 type: sysctl -w", start="2 IPv6 is off on test0", stop="0",
    ),
    state(
        "nic is another name of its device", "other_name a-name-that-is-longer-than-fifteen",
        given={"nic": "a-name-that-is-longer-than-fifteen"}, tidy=("no_other_name a-name-that-is-longer-than-fifteen",),
        probe="7", monitor="7", validate="0", start="0", stop="0",
    ),
    # Up, and not well.
    state(
        "it is on another network device", f"ip address add {ADDRESS}/24 dev other0", given={"nic": "test0"},
        probe="1 is on network device other0 instead of test0", monitor="1 is on network device other0 instead",
        start="0", stop="0",
    ),
    state(
        "its prefix length is another", f"ip address add {ADDRESS}/32 dev test0", given={"cidr_netmask": "24"},
        probe="190 has prefix length 32 instead of 24", monitor="190 has prefix length 32 instead of 24",
        start="0", stop="0",
    ),
    state(
        "its network device is down", "start", "device down", tidy=_UP,
        probe="190 is down; type: ip link set test0 up", monitor="190 is down", start="0", then="190 is down", stop="0",
    ),
    state(
        "its network device is down, and the address is not up", "device down", tidy=_UP,
        probe="7", monitor="7", start="0", then="190 is down", stop="0",
    ),
    state(
        "its cable is pulled", "start", "cable out", tidy=("cable in",),
        probe="190 has no carrier", monitor="190 has no carrier", start="0", then="190 has no carrier", stop="0",
    ),
    state(
        "its cable is pulled, and the address is not up", "cable out", tidy=("cable in",),
        probe="7", monitor="7", start="0", then="190 has no carrier", stop="0",
    ),
    state(
        "another host had the address first, IPv6", "duplicate fd77::9", given={"ip": "fd77::9"},
        probe="1 another host has fd77::9, too", monitor="1 another host has", start="1 is on another host already",
        stop="0",
        tidy=("ip-6-clean",),
    ),
]  # fmt: skip
