# SPDX-License-Identifier: GPL-2.0-or-later
"""What is wrong with a site file is told with its line, its key, and what would be right; all of it at once."""

from __future__ import annotations

import pytest

from tests.unit.site import sites

LUN = 'lun = 1\ndevice = "/dev/drbd0"\ndisk = "/dev/sdb"\n'


def another(number: int, minor: int = 9, disk: str = "/dev/sdz") -> str:
    """A further LUN."""
    return f'\n[[resources.san.luns]]\nlun = {number}\ndevice = "/dev/drbd{minor}"\ndisk = "{disk}"\n'


# A change of examples/san.toml, what stands in the line of the mistake, its key, and words of the mistake.
ONE_CHANGE = [
    ('name = "san"  ', 'nam = "san"  ', "nam =", "nam", "did you mean name?"),
    ('iqn = "iqn.2003', 'ign = "iqn.2003', "ign =", "resources.san.target.ign", "did you mean iqn?"),
    ("lun = 1\n", "", "[[resources.san.luns]]", "resources.san.luns[0].lun", "lun is missing; write, for example: lun"),
    ("lun = 1", 'lun = "1"', 'lun = "1"', "resources.san.luns[0].lun", "this is a text and not a number"),
    ("lun = 1", "lun = 65536", "lun = 65536", "resources.san.luns[0].lun", "give a number from 0 to 65535"),
    ('name = "san"  ', "name = 1979-05-27 #", "name =", "name", "this is a date or a time and not a text"),
    ("[nodes.zeus]", "[nodes.ze_us]", "[nodes.ze_us]", "nodes.ze_us", "use what uname -n prints there"),
    ("[nodes.zeus]", '[nodes."zeus "]', "zeus ", "nodes.'zeus '", "use what uname -n prints there"),
    ("[resources.san]", "[resources.all]\n[resources.san]", "[resources.all]", "resources.all", "may not be all"),
    ("10.0.5.3", "10.0.5.300", "10.0.5.300", "nodes.zeus.links[0]", "is no IP address"),
    ("10.0.5.3", "10.0.5.2", '"10.0.5.2", "10.0.6.13"', "nodes.zeus.links[0]", "used already: nodes.atlas.links[0]"),
    ("10.0.5.50", "10.0.5.2", "portals =", "resources.san.portals[0].ip", "used already: nodes.atlas.links[0]"),
    ("10.0.5.50", "10.0.8.50", "portals =", "resources.san.portals[0].ip", "in none of the networks: 10.0.5.0/24"),
    ("10.0.5.50", "10.0.5.255", "portals =", "resources.san.portals[0].ip", "is the last address of 10.0.5.0/24"),
    ("10.0.6.3", "10.0.6.2", 'bmc = "10.0.6.2"', "nodes.zeus.bmc", "used already: nodes.atlas.bmc"),
    ("10.0.6.0/24", "10.0.4.0/23", "management =", "networks.management", "10.0.4.0/23 and 10.0.5.0/24 overlap"),
    ("10.0.5.0/24", "10.0.5.1/24", "storage =", "networks.storage", "prefix length: 10.0.5.0/24"),
    ('["10.0.5.3", "10.0.6.13"]', '["10.0.6.13", "10.0.5.3"]', "10.0.5.3", "nodes.zeus.links[0]", "same order"),
    (
        '["10.0.5.3", "10.0.6.13"]',
        '["10.0.5.3"]',
        '["10.0.5.3"]',
        "nodes.zeus.links",
        "atlas has 2 and zeus has 1",
    ),
    ('bmc = "10.0.6.3"', "", "[nodes.zeus]", "nodes.zeus.bmc", "zeus has no BMC"),
    ("example:san", "example:SAN", "example:SAN", "resources.san.target.iqn", "write: iqn.2003-01.org.example:san"),
    ("example:san", "example:s_a", "example:s_a", "resources.san.target.iqn", "letters, digits and . - : only"),
    ("vmware:esx", "vmware:ESX", "vmware:ESX", "resources.san.target.allowed_initiators", "vmware:esx"),
    (
        "lun = 1",
        "lun = 1\nvaai = 'ats xcpy'",
        "vaai =",
        "resources.san.luns[0].vaai",
        "takes ats xcopy write_same unmap",
    ),
    ("lun = 1", "lun = 1\nvendor_id = 'nine char'", "[[resources", "resources.san.luns[0]", "vendor_id"),
    ("# [policy]", "[policy]\nstickiness = 3000\n#", "stickiness =", "policy.stickiness", "give at most 2249"),
    ("lun = 1", "lun = 1\nsize = -5", "size =", "resources.san.luns[0].size", "is not a whole number"),
    ('by = "ipmi"', 'by = "ipmj"', "by =", "fencing.by", "choose ipmi or sbd or watchdog"),
    ("username", 'password = "x"\nusername', "password =", "fencing.password", "a secret may not stand in a site file"),
    ("username", 'passwd = "x"\nusername', "passwd =", "fencing.passwd", "a secret may not stand in a site file"),
    (
        "iqn =",
        'incoming_password = "x"\niqn =',
        "x",
        "resources.san.target.incoming_password",
        "incoming_password_file",
    ),
    ("/dev/drbd0", "/dev/sdb", '"/dev/sdb"', "resources.san.luns[0].device", "write it as /dev/drbd0"),
    ("/dev/drbd0", "/dev/drbd1", '"/dev/drbd1"', "resources.san.state.device", "used already by resources.san.luns"),
    ('"/dev/sdc"', '"sdc"', '"sdc"', "resources.san.state.disk", "write it absolutely"),
    ('"/dev/sdc"', '"/dev/../etc"', "/dev/../etc", "resources.san.state.disk", "no path"),
    ('"/dev/sdb"\n', '"/dev/sdc"\n', "state =", "resources.san.state.disk", "/dev/sdc of atlas is used already"),
    ('"/dev/sdb"\n', "{ atlas = '/dev/sdb' }\n", "disk =", "resources.san.luns[0].disk.zeus", "zeus is missing"),
    ('description = "', 'description = "a -- b ', "a -- b", "description", "no two hyphens in a row"),
    ('username = "twinsan"', "username = 'a\"b'", 'a"b', "fencing.username", "without quotes"),
    ("state =", "failback = true\nstate =", "failback", "resources.san.failback", 'write: preferred = "atlas"'),
    ("state =", "preferred = 'hera'\nstate =", "hera", "resources.san.preferred", "choose atlas or zeus"),
    (
        "[fencing]",
        "[policy]\nconsensus_ms = 3000\n[fencing]",
        "consensus_ms",
        "policy.consensus_ms",
        "less than token_ms",
    ),
    ('"iqn.2003-01.org.example:san"', '""', "iqn =", "resources.san.target.iqn", "this is empty"),
    ('"twinsan"', '""', "username =", "fencing.username", "this is empty"),
    ('[{ ip = "10.0.5.50" }]', "[]", "portals =", "resources.san.portals", "this is empty"),
    ('["10.0.5.3", "10.0.6.13"]', "[]", "links =", "nodes.zeus.links", "this is empty"),
    (LUN, LUN + another(1), "lun = 1", "resources.san.luns[1].lun", "LUN 1 is used already by resources.san.luns"),
    (LUN, LUN + another(2, 0), "/dev/drbd0", "resources.san.luns[1].device", "/dev/drbd0 is used already"),
    (LUN, LUN + another(2, disk="/dev/sdb"), "/dev/sdb", "resources.san.luns[1].disk", "/dev/sdb of atlas is used"),
    ('by = "ipmi"', "by = 'ipmi'\nzzzz = 1", "zzzz", "fencing.zzzz", "possible here: by username"),
    ("[nodes.zeus]", "[nodes.hera]\nlinks = ['10.0.5.9']\n[nodes.zeus]", "[nodes.atlas]", "nodes", "this site has 3"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "words"), ONE_CHANGE)
def test_a_mistake_is_told_with_its_place(old: str, new: str, line: str, key: str, words: str) -> None:
    content = sites.changed("san", (old, new))
    told = {mistake.key: mistake for mistake in sites.mistakes(content)}
    assert key in told, list(map(str, told.values()))
    assert words in str(told[key])
    assert line in content.splitlines()[told[key].line - 1]


def test_the_file_itself_has_none() -> None:
    for path in sites.SHIPPED:
        assert sites.load(path).resources


OTHER_FILES = [
    ("two-resources", ('"_data1"', '"_data0"'), "resources.data1.suffix", "give it another suffix"),
    ("two-resources", ('suffix = "_data1"\n', ""), None, ""),
    ("two-resources", ('"_data1"', '"data1"'), "resources.data1.suffix", "use _ and then letters"),
    (
        "two-resources",
        ("port = 7790", ""),
        "resources.data1.port",
        "port 7789 of DRBD is used already by resources.data0",
    ),
    ("two-resources", ("example:data1", "example:data0"), "resources.data1.target.iqn", "give it a name of its own"),
    ("two-resources", ("relative_port = 2", ""), "resources.data1.target.relative_port", "relative_port = 2"),
    ("two-resources", ("priority = 10 ", ""), "resources.data1.priority", "both would fence at once"),
    ("two-resources", ('"/dev/sdd"', '"/dev/sdb"'), "resources.data1.luns[0].disk", "used already by resources.data0"),
    ("two-resources", ("10.0.5.51", "10.0.5.50"), "resources.data1.portals[0].ip", "resources.data0.portals[0].ip"),
    ("sbd-diskless", ('[witness]\nhost = "10.0.6.14"\n', ""), "fencing.by", "need a third vote"),
    ("sbd-diskless", ("[nodes.zeus]", '[nodes.zeus]\nbmc = "10.0.6.3"'), "nodes.zeus.bmc", "uses no BMC"),
    ("sbd-disk", ('devices = ["', 'devices = ["/dev/sdx", "'), "fencing.devices", "give one, or three"),
    (
        "sbd-disk",
        ("/dev/disk/by-id/scsi-36001405d41a0c0de0000000000000001", "/dev/drbd0"),
        "fencing.devices[0]",
        "served",
    ),
    (
        "sbd-disk",
        ("/dev/disk/by-id/scsi-36001405d41a0c0de0000000000000001", "/dev/sdb"),
        "resources.san.luns[0].disk",
        "",
    ),
    (
        "sbd-disk",
        ('devices = ["/dev/disk/by-id/scsi-36001405d41a0c0de0000000000000001"]', "devices = []"),
        "fencing.devices",
        "empty",
    ),
    ("two-portals", ('"10.0.7.3", ', ""), "nodes.zeus.links", "atlas has 3 and zeus has 2"),
]


@pytest.mark.parametrize(("name", "change", "key", "words"), OTHER_FILES)
def test_a_mistake_of_a_larger_site(name: str, change: tuple[str, str], key: str | None, words: str) -> None:
    content = sites.changed(name, change)
    if key is None:
        assert sites.site(content).resources
        return
    told = {mistake.key: str(mistake) for mistake in sites.mistakes(content)}
    assert words in told[key]


def test_three_hundred_luns_are_too_many() -> None:
    luns = "".join(
        another(number, number, f"/dev/disk{number}") + f"volume = {number % 256}\n" for number in range(2, 301)
    )
    told = [str(mistake) for mistake in sites.mistakes(sites.text() + luns)]
    assert any(
        "resources.san.luns[256]: a target of LIO has at most 256 LUNs and this one has 300" in each for each in told
    )


def test_a_serial_that_two_luns_would_have_is_told_although_it_is_written_otherwise() -> None:
    same = "scsi_sn = 'ab-cd.ef01'\n", "scsi_sn = 'abcdef01'\n"
    content = sites.changed("san", (LUN, LUN + same[0] + another(2) + same[1]))
    (mistake,) = sites.mistakes(content)
    assert str(mistake).startswith(
        "resources.san.luns[1].scsi_sn: serial abcdef01 is used already by resources.san.luns"
    )
    assert content.splitlines()[mistake.line - 1] == same[1].strip()


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    content = sites.changed("san", ('name = "san"  ', "name = 5 #"), ("10.0.6.3", "10.0.6"), ("lun = 1", "lum = 1"))
    told = sites.mistakes(content)
    assert [mistake.key for mistake in told] == [
        "name",
        "nodes.zeus.bmc",
        "resources.san.luns[0].lun",
        "resources.san.luns[0].lum",
    ]
    assert [mistake.line for mistake in told] == sorted(mistake.line for mistake in told)


def test_an_empty_file_is_told_what_a_site_needs() -> None:
    needed = ["name", "networks", "nodes", "fencing", "fencing.username", "resources"]
    assert [mistake.key for mistake in sites.mistakes("")] == needed


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"a = 1\nb = \n", 2, "this is no TOML"),
        (b"a = 1\na = 2\n", 2, "this is no TOML"),
        (b"a = 1\n\xff", 2, "byte 6 is no UTF-8"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, 1, "nested too deeply"),
        (b"a = " + b"1" * 5000, 1, "this is no TOML"),
        (b"a = 1\n" * 200000, 1, "the file has more than 1048576 bytes"),
        (b"a = 1\x00", 1, "this is no TOML"),
    ],
)
def test_what_is_no_toml(content: bytes, line: int, words: str) -> None:
    (mistake,) = sites.mistakes(content)
    assert mistake.line == line
    assert words in str(mistake)


def test_a_secret_that_the_cluster_keeps_is_no_secret() -> None:
    change = 'incoming_username = "esx"\nincoming_password = "lrm://"\niqn ='
    site = sites.site(sites.changed("san", ("iqn =", change)))
    assert site.resources[0].target["incoming_password"] == "lrm://"


def test_no_mistake_shows_the_secret() -> None:
    for key in ("password", "incoming_password", "secret"):
        content = sites.changed("san", ("iqn =", f'{key} = "hunter2hunter2"\niqn ='))
        assert "hunter2" not in "".join(map(str, sites.mistakes(content)))
