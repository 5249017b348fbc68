# SPDX-License-Identifier: GPL-2.0-or-later
"""Each kind of parameter: what it takes, what it makes of it, and what it says to the rest."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from twinsan.errors import Misconfigured
from twinsan.ocf import network_parameter, parameter
from twinsan.ocf.agent import Agent
from twinsan.ocf.environment import Environment


class Every(Agent):
    """An agent with a parameter of every kind."""

    name = "every"
    text = parameter.Text("", "")
    needed = parameter.Text("", "", required=True)
    secret = parameter.Text("", "", secret=True)
    name_ = parameter.Name("", "")
    path = parameter.Path("", "")
    number = parameter.Integer("", "", least=0, most=255, default="7")
    prefix = network_parameter.Prefix("", "", least=0, most=128, default="0")
    device = network_parameter.Device("", "")
    switch = parameter.Boolean("", "", default="yes")
    iqn = network_parameter.Iqn("", "")
    iqns = network_parameter.Iqns("", "")
    portals = network_parameter.Portals("", "")
    address = network_parameter.Address("", "")
    pairs = parameter.Pairs("", "")
    words = parameter.Words("", "", known=("red", "green"), default="green")


def every(**values: str) -> Every:
    """The agent with these values."""
    return Every(Environment({f"OCF_RESKEY_{name}": value for name, value in values.items()}), "monitor")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("text", "", ""),
        ("text", "two words", "two words"),
        ("name_", "r0", "r0"),
        ("name_", "San_1.data+x-y", "San_1.data+x-y"),
        ("name_", "a" * 128, "a" * 128),
        ("path", "/dev/drbd0", "/dev/drbd0"),
        ("path", "/dev/drbd/by-res/san/0", "/dev/drbd/by-res/san/0"),
        ("path", "/a..b/c", "/a..b/c"),
        ("number", "", 7),
        ("number", "0", 0),
        ("number", "255", 255),
        ("number", "007", 7),
        ("prefix", "", 0),
        ("prefix", "24", 24),
        ("prefix", "64", 64),
        ("prefix", "255.255.255.0", 24),
        ("prefix", "255.255.254.0", 23),
        ("prefix", "255.255.255.255", 32),
        ("device", "", ""),
        ("device", "eth0", "eth0"),
        ("device", "eth0.5", "eth0.5"),
        ("device", "eth0:1", "eth0"),
        ("switch", "", True),
        ("switch", "off", False),
        ("switch", "FALSE", False),
        ("switch", "On", True),
        ("iqn", "", ""),
        ("iqn", "iqn.2003-01.org.example:san", "iqn.2003-01.org.example:san"),
        ("iqn", "IQN.1998-01.com.VMware:ESX-1", "iqn.1998-01.com.vmware:esx-1"),
        ("iqn", "eui.02004567A425678D", "eui.02004567a425678d"),
        ("iqn", "naa.52004567BA64678D", "naa.52004567ba64678d"),
        ("iqn", "iqn.2003-12.org.example", "iqn.2003-12.org.example"),
        ("iqns", "", ()),
        # Windows makes it of the host's name.
        ("iqns", "iqn.1991-05.com.microsoft:HYPER_V1.example.org", ("iqn.1991-05.com.microsoft:hyper_v1.example.org",)),
        ("iqns", " iqn.2003-01.a:1  iqn.2003-01.a:2 IQN.2003-01.a:1", ("iqn.2003-01.a:1", "iqn.2003-01.a:2")),
        ("portals", "", ()),
        ("portals", "10.0.5.50", (network_parameter.Portal("10.0.5.50", 3260),)),
        ("portals", "10.0.5.50:860", (network_parameter.Portal("10.0.5.50", 860),)),
        ("portals", "[2001:DB8::1] [2001:db8:0::1]:3260", (network_parameter.Portal("2001:db8::1", 3260),)),
        ("address", "10.0.5.50", "10.0.5.50"),
        ("address", "2001:DB8:0:0::1", "2001:db8::1"),
        ("pairs", "", {}),
        ("pairs", "MaxBurstLength=262144 InitialR2T=No", {"MaxBurstLength": "262144", "InitialR2T": "No"}),
        ("pairs", "a=b=c", {"a": "b=c"}),
        ("words", "", ("green",)),
        ("words", " red  green red", ("red", "green")),
        ("words", "none", ()),
    ],
)
def test_good(name: str, text: str, value: object) -> None:
    assert getattr(every(**{name: text}), name) == value


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("needed", "", "is required"),
        ("text", "two\nlines", "printable ASCII"),
        ("text", "caf\u00e9", "printable ASCII"),
        ("text", "tab\t", "printable ASCII"),
        ("name_", "../etc", "letters, digits"),
        ("name_", "a b", "letters, digits"),
        ("name_", ".hidden", "may not start"),
        ("name_", "-rf", "may not start"),
        ("name_", "a" * 129, "longer than 128"),
        ("path", "dev/drbd0", "not an absolute path"),
        ("path", "/dev/../etc/shadow", "may not hold"),
        ("path", "/dev/..", "may not hold"),
        ("path", "/dev/a,b", "may not hold"),
        ("path", "/dev/a b", "may not hold"),
        ("path", "/" + "a" * 255, "longer than 255"),
        ("number", "-1", "from 0 to 255"),
        ("number", "256", "from 0 to 255"),
        ("number", "1.5", "from 0 to 255"),
        ("number", "0x10", "from 0 to 255"),
        ("number", "1" * 5000, "from 0 to 255"),
        ("number", " 1", "from 0 to 255"),
        ("prefix", "129", "from 0 to 128"),
        ("prefix", "255.0.255.0", "no netmask"),
        ("prefix", "0.0.0.255", "no netmask"),
        ("prefix", "255.255.255", "no IPv4 or IPv6 address"),
        ("prefix", "::255.255.255.0", "from 0 to 128"),
        ("device", ":1", "letters, digits"),
        ("device", "../eth0", "letters, digits"),
        ("switch", "maybe", "neither yes nor no"),
        ("iqn", "san", "no iSCSI name"),
        ("iqn", "iqn.2003.org.example", "no iSCSI name"),
        ("iqn", "iqn.2003-01.", "no iSCSI name"),
        ("iqn", "iqn.2003-01.org_example", "character"),
        ("iqn", "iqn.2003-01.org/example", "character"),
        ("iqn", "iqn.2003-00.org.example", "no iSCSI name"),
        ("iqn", "iqn.2003-13.org.example", "no iSCSI name"),
        ("iqns", "iqn.2003-13.org.example", "no iSCSI name"),
        ("iqn", "iqn.2003-01.a" + "a" * 211, "longer than the 223"),
        ("iqn", "eui.0200", "no iSCSI name"),
        ("iqns", "iqn.2003-01.a:1,iqn.2003-01.a:2", "character"),
        ("portals", "10.0.5.300", "no IPv4 or IPv6 address"),
        ("portals", "san.example.org:3260", "no IPv4 or IPv6 address"),
        ("portals", "10.0.5.50:0", "no port"),
        ("portals", "10.0.5.50:65536", "no port"),
        ("portals", "10.0.5.50:", "no port"),
        ("portals", "2001:db8::1", "needs brackets"),
        ("portals", "10.0.5.50,10.0.5.51", "separated by spaces, not by commas"),
        ("portals", "10.0.5.50:3260,10.0.5.51:3260", "separated by spaces, not by commas"),
        ("portals", "[2001:db8::1]:3260, 10.0.5.51", "separated by spaces, not by commas"),
        ("portals", "[2001:db8::1", "no portal"),
        ("portals", "[2001:db8::1]3260", "no portal"),
        ("address", "", "no IPv4 or IPv6 address"),
        ("address", "10.0.5.50/24", "no IPv4 or IPv6 address"),
        ("address", "10.0.5", "no IPv4 or IPv6 address"),
        ("address", "::ffff:10.0.5.50", "write it as IPv4"),
        ("portals", "[::ffff:0.0.0.0]:3260", "write it as IPv4"),
        ("words", "red blue", "takes red green, or none alone: 'blue'"),
        ("words", "red none", "none alone"),
        ("pairs", "InitialR2T", "name=value"),
        ("pairs", "=x", "name=value"),
        ("pairs", "x=", "name=value"),
        ("pairs", "a/b=c", "name=value"),
        ("pairs", ".a=c", "name=value"),
    ],
)
def test_bad(name: str, text: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=why) as caught:
        getattr(every(**{name: text}), name)
    message = str(caught.value)
    assert f"parameter {name} " in message, "the message names the parameter"
    assert "\n" not in message, "the message is one line"
    assert len(message) < 250, "the message quotes no more than it must"


def test_an_underscore_in_an_initiators_name_is_remarked() -> None:
    odd = every(iqns="iqn.2003-01.a:1 iqn.1991-05.com.microsoft:hyper_v1")
    declared = next(each for each in Every.parameters() if each.name == "iqns")
    assert declared.remark(odd) == (
        "parameter iqns has iqn.1991-05.com.microsoft:hyper_v1, with an underscore: no iSCSI name, but taken"
    )
    assert not any(each.remark(every()) for each in Every.parameters())


def test_a_secret_is_not_quoted() -> None:
    with pytest.raises(Misconfigured) as caught:
        _ = every(secret="hidden\x01words").secret
    assert "hidden" not in str(caught.value)


def test_declared_order_is_kept() -> None:
    assert [declared.name for declared in Every.parameters()][:3] == ["text", "needed", "secret"]


@settings(max_examples=50)
@given(st.ip_addresses(), st.integers(1, 65535))
def test_portals_survive_their_own_text(address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> None:
    assume(address.packed[:12] != bytes(10) + b"\xff\xff")
    # The two differ in the writing of IPv4 addresses within IPv6 alone.
    canonical = socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed)
    given = network_parameter.Portal(str(address), port)
    assert every(portals=str(given)).portals == (network_parameter.Portal(canonical, port),)


@settings(max_examples=200)
@given(st.sampled_from([declared.name for declared in Every.parameters()]), st.text(max_size=60))
def test_no_text_does_anything_but_parse_or_explain(name: str, text: str) -> None:
    try:
        getattr(every(**{name: text}), name)
    except Misconfigured as error:
        assert str(error).isprintable()
