# SPDX-License-Identifier: GPL-2.0-or-later
"""A site file that is being written, from answers. Before all are known it has others that are right in their place."""

from __future__ import annotations

import json

_TEXT = """\
# Written by twinsan init. The annotated examples/san.toml explains every key.
name = {name}

[networks]
{networks}

[nodes.{one}]
links = {links_one}
bmc = {bmc0}

[nodes.{other}]
links = {links_other}
bmc = {bmc1}

[fencing]
by = "ipmi"
username = {username}
password = "lrm://"  # The cluster keeps it; twinsan init asks for it.

[resources.data0]
state = {{ device = "/dev/drbd1", disk = {state} }}
portals = [{{ ip = {portal} }}]

[resources.data0.target]
iqn = {iqn}
{initiators}
[[resources.data0.luns]]
lun = 1
device = "/dev/drbd0"
disk = {disk}
"""

_UNKNOWN = {
    "name": "san",
    "bmc0": "192.0.2.2",
    "bmc1": "192.0.2.3",
    "username": "twinsan",
    "iqn": "iqn.2003-01.org.example:san",
    "initiators": "",
    "disk0": "/dev/disk-to-be",
    "disk1": "/dev/disk-to-be",
    "state0": "/dev/state-to-be",
    "state1": "/dev/state-to-be",
    "portal": "10.0.5.50",
}


class Draft:
    """The answers so far: `values` by their names, the `networks`, and the `links` of each node in them."""

    def __init__(self, nodes: tuple[str, str]) -> None:
        self._nodes = nodes
        self.values = dict(_UNKNOWN)
        self.networks = ["10.0.5.0/24"]
        self.links = [["10.0.5.2"], ["10.0.5.3"]]

    def text(self) -> str:
        """Return the site file."""
        words = self.values["initiators"].split()
        values = {name: json.dumps(value) for name, value in self.values.items()}
        values["initiators"] = f"allowed_initiators = {json.dumps(words)}\n" if words else ""
        values["disk"] = self._disks("disk")
        values["state"] = self._disks("state")
        named = [f"network{number} = {json.dumps(each)}" for number, each in enumerate(self.networks, 1)]
        links = [json.dumps(each) for each in self.links]
        return _TEXT.format(
            one=self._key(0),
            other=self._key(1),
            networks="\n".join(named),
            links_one=links[0],
            links_other=links[1],
            **values,
        )

    def _key(self, number: int) -> str:
        """A node's name as a key: one with a dot needs quotes."""
        name = self._nodes[number]
        return name if name.replace("-", "").isalnum() else json.dumps(name)

    def _disks(self, name: str) -> str:
        """The disk on both nodes, or a table if it is not the same."""
        one, other = self.values[f"{name}0"], self.values[f"{name}1"]
        if one == other:
            return json.dumps(one)
        return f"{{ {self._key(0)} = {json.dumps(one)}, {self._key(1)} = {json.dumps(other)} }}"
