# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between a cluster and a site, and its change, which leaves alone what is others'."""

from __future__ import annotations

import os
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.unit.site import configurations, sites
from twinsan.errors import Failure
from twinsan.site import cib as site_cib
from twinsan.site import difference

# As for a hostile site file: more of them with TWINSAN_EXAMPLES=5000.
EXAMPLES = int(os.environ.get("TWINSAN_EXAMPLES", "25"))
SITES = {name: sites.site(sites.text(name)) for name in ("san", "many-luns", "two-resources", "sbd-disk")}


def shown(found: difference.Difference) -> list[tuple[str, ...]]:
    """The changes as texts."""
    return [(each.sign, each.name, each.attribute, str(each.old), str(each.new)) for each in found.changes]


@settings(max_examples=EXAMPLES)
@given(st.data(), st.sampled_from(sorted(SITES)))
def test_a_cluster_that_runs_the_site_does_not_differ_whatever_else_it_has(data: st.DataObject, name: str) -> None:
    site = SITES[name]
    cluster = data.draw(configurations.with_strangers(site))
    before = etree.tostring(cluster)
    found = difference.between(cluster, site)
    assert shown(found) == []
    assert etree.tostring(found.tree) == etree.tostring(found.stopped) == before == etree.tostring(cluster)


@settings(max_examples=EXAMPLES)
@given(st.data(), st.sampled_from(sorted(SITES)))
def test_the_change_makes_of_any_cluster_the_site_and_leaves_alone_what_is_others(
    data: st.DataObject, name: str
) -> None:
    site = SITES[name]
    cluster = data.draw(configurations.changed(site))
    before = configurations.strangers(cluster)
    found = difference.between(cluster, site)
    assert configurations.meaning(found.tree) == configurations.meaning(configurations.running(site))
    assert sorted(configurations.strangers(found.tree)) == sorted(before)
    assert shown(difference.between(found.tree, site)) == []
    assert bool(found.changes) == (etree.tostring(found.tree) != etree.tostring(cluster))
    # What goes is only stopped at first.
    again = difference.between(found.stopped, site)
    assert {each.name for each in again.going} == {each.name for each in found.going}
    assert {each.sign for each in again.changes} <= {"-"}
    assert sorted(configurations.strangers(again.tree)) == sorted(before)


def cluster(name: str = "san", *changes: tuple[str, str]) -> etree._Element:
    """A cluster that runs a shipped site, changed."""
    return configurations.running(sites.site(sites.changed(name, *changes)))


def part(tree: etree._Element, path: str) -> etree._Element:
    """An element that is there."""
    found = tree.find(path)
    assert found is not None, path
    return found


def add(tree: etree._Element, path: str, xml: str) -> None:
    """Put an element into another one."""
    part(tree, path).append(etree.fromstring(xml))


SAN = SITES["san"]
STRANGER = '<primitive id="mail" class="ocf" provider="heartbeat" type="MailTo"/>'


def test_a_group_of_the_site_stays_though_all_in_it_goes() -> None:
    """Its members stand beside it, and in it is a LUN that the site does not have any more."""
    running = cluster()
    group, section = part(running, ".//group[@id='g_san']"), part(running, ".//resources")
    section.extend(group.findall("primitive"))
    add(running, ".//group[@id='g_san']", '<primitive id="p_old" class="ocf" provider="twinsan" type="lio-lun"/>')
    found = difference.between(running, SAN)
    assert [(each.name, each.primitives) for each in found.going] == [("p_old", ["p_old"])]
    assert configurations.meaning(found.tree) == configurations.meaning(configurations.running(SAN))


def test_a_stranger_in_a_group_of_ours_stays_where_it_is() -> None:
    running = cluster()
    part(running, ".//group").insert(2, etree.fromstring(STRANGER))
    found = difference.between(running, SAN)
    assert shown(found) == []
    assert [each.get("id") for each in found.tree.iterfind(".//group/primitive")] == ["p_lun1", "mail", "p_portal"]


def test_a_group_with_a_stranger_does_not_go() -> None:
    running = cluster()
    add(running, ".//group", STRANGER)
    with pytest.raises(Failure, match="crm configure modgroup g_san remove mail"):
        difference.between(running, SITES["many-luns"])


def test_a_name_that_others_have_is_not_taken() -> None:
    running = cluster()
    part(running, ".//primitive[@id='p_portal']").set("provider", "heartbeat")
    with pytest.raises(Failure, match="p_portal is ocf:heartbeat:portal-ip, which is not twinsan's"):
        difference.between(running, SAN)


def test_a_group_of_others_is_not_taken() -> None:
    """Else it would lose its meta attributes."""
    running = cluster("many-luns")
    members = STRANGER + '<meta_attributes id="m"><nvpair id="n" name="priority" value="7"/></meta_attributes>'
    add(running, ".//resources", f'<group id="g_san">{members}</group>')
    with pytest.raises(Failure, match="g_san is a group of mail, which is not twinsan's"):
        difference.between(running, SAN)


@pytest.mark.parametrize(
    ("xml", "command"),
    [
        ('<rsc_location id="cli-ban-p_lun4" rsc="p_lun4" node="zeus" score="1"/>', "--clear --resource p_lun4"),
        ('<rsc_location id="my-own" rsc="p_lun4" node="zeus" score="1"/>', '<rsc_location id="my-own"/>'),
        ('<rsc_location id="drbd-fence-by-handler-r0-ms_x" rsc="p_lun4" node="a" score="1"/>', "--force r0"),
    ],
)
def test_what_others_say_about_what_goes_is_left_to_them(xml: str, command: str) -> None:
    running = cluster("many-luns")
    add(running, ".//constraints", xml)
    with pytest.raises(Failure, match=command):
        difference.between(running, SAN)


def test_what_goes_does_not_hand_its_disk_to_what_comes() -> None:
    content = sites.changed("many-luns", ("lun = 4\n", "lun = 5\n"))
    with pytest.raises(Failure, match="p_lun5 is to have /dev/drbd4, which p_lun4 has"):
        difference.between(cluster("many-luns"), sites.site(content))


def test_no_secret_is_shown() -> None:
    running = cluster()
    for pair in running.iterfind(".//nvpair[@name='password']"):
        pair.set("value", "hunter2")
    for name in ("sbd-disk", "san"):
        assert "hunter2" not in str(shown(difference.between(running, SITES[name])))
    assert "(secret)" in str(shown(difference.between(running, SITES["sbd-disk"])))
    other = cluster()
    assert "hunter2" not in str([(each.old, each.new) for each in difference.since(running, other)])
    assert difference.since(running, other)[0].name.startswith("nvpair fence_atlas-password")


@pytest.mark.parametrize(
    ("name", "secret"),
    [("fence_atlas", "hexadecimal_kg"), ("p_target", "initiator_credentials"), ("mail", "api_token")],
)
def test_secrets_that_have_other_names_are_not_shown(name: str, secret: str) -> None:
    """Of fence_ipmilan, of our own agents, and of others'."""
    running = cluster()
    add(running, ".//resources", STRANGER)
    other = deepcopy(running)
    pair = f'<nvpair id="{name}-{secret}" name="{secret}" value="hunter2"/>'
    add(running, f".//primitive[@id='{name}']", f'<instance_attributes id="{name}-more">{pair}</instance_attributes>')
    assert "hunter2" not in str(shown(difference.between(running, SAN)))
    assert "hunter2" not in str([(each.old, each.new) for each in difference.since(other, running)])


def test_the_second_secret_of_a_fence_device_stays() -> None:
    running = cluster()
    pair = '<nvpair id="kg" name="hexadecimal_kg" value="hunter2"/>'
    add(running, ".//primitive[@id='fence_atlas']/instance_attributes", pair)
    assert shown(difference.between(running, SAN)) == []


def test_a_secret_of_the_cluster_stays_unless_it_would_be_wrong() -> None:
    iqn = 'iqn = "iqn.2003-01.org.example:san"\n'
    chap = iqn + 'incoming_username = "esx"\nincoming_password = "lrm://"\n'
    running = cluster("san", (iqn, chap))
    part(running, ".//nvpair[@name='incoming_password']").set("value", "correcthorse12")
    assert shown(difference.between(running, sites.site(sites.changed("san", (iqn, chap))))) == []
    assert shown(difference.between(running, SAN)) == [
        ("-", "p_target", "incoming_username", "esx", "None"),
        ("-", "p_target", "incoming_password", "(secret)", "None"),
    ]
    file = iqn + 'incoming_username = "esx"\nincoming_password_file = "/etc/twinsan/chap"\n'
    both = shown(difference.between(running, sites.site(sites.changed("san", (iqn, file)))))
    assert ("-", "p_target", "incoming_password", "(secret)", "None") in both, "the agent refuses a secret given twice"


def test_an_option_is_changed_where_it_counts() -> None:
    """Such as pcs writes into the first set, which is read before others."""
    running = cluster()
    options = part(running, f".//cluster_property_set[@id='{site_cib.OPTIONS}']")
    part(running, ".//cluster_property_set").extend(list(options))
    part(running, ".//crm_config").remove(options)
    assert shown(difference.between(running, SAN)) == []
    part(running, ".//nvpair[@name='load-threshold']").set("value", "80%")
    found = difference.between(running, SAN)
    assert shown(found) == [("~", site_cib.OPTIONS, "load-threshold", "80%", "400%")]
    assert found.tree.find(f".//cluster_property_set[@id='{site_cib.OPTIONS}']") is None


@pytest.mark.parametrize(("one", "other"), [("150s", "150"), ("150s", "150000ms"), ("60s", "1m")])
def test_the_same_time_is_no_difference(one: str, other: str) -> None:
    running = cluster()
    for each in running.iterfind(".//nvpair"):
        if each.get("value") == one:
            each.set("value", other)
    for each in running.iterfind(".//op"):
        if each.get("timeout") == one:
            each.set("timeout", other)
    assert shown(difference.between(running, SAN)) == []


def test_the_old_word_for_a_promotable_clone_is_replaced() -> None:
    running = cluster()
    clone = part(running, ".//clone")
    clone.tag = "master"
    found = difference.between(running, SAN)
    assert shown(found) == [("~", "ms_drbd", "is a", "master", "clone")]
    assert part(found.tree, ".//*[@id='ms_drbd']").tag == "clone"


def test_the_alert_of_a_site_comes_and_goes() -> None:
    alerting = sites.site(sites.text() + '\n[alerts]\ncommand = "/usr/local/sbin/page"\n')
    running = cluster()
    add(running, "configuration", '<alerts><alert id="mine" path="/usr/local/bin/alert"/></alerts>')
    found = difference.between(running, alerting)
    assert [each[:3] for each in shown(found)] == [("+", site_cib.ALERT, "")]
    assert shown(difference.between(found.tree, alerting)) == []
    back = difference.between(found.tree, SAN)
    assert [each[:3] for each in shown(back)] == [("-", site_cib.ALERT, "")]
    assert [each.get("id") for each in back.tree.iterfind(".//alert")] == ["mine"]


def test_a_part_of_the_change_is_no_more_than_that() -> None:
    iqn = 'iqn = "iqn.2003-01.org.example:san"\n'
    wanted = sites.site(
        sites.changed("san", (iqn, iqn + "queue_depth = 32\n"), ("lun = 1\n", "lun = 1\nvendor_id = 'X'\n"))
    )
    tree = difference.partly(cluster(), wanted, {"p_target"})
    assert part(tree, ".//nvpair[@name='queue_depth']").get("value") == "32"
    assert tree.find(".//nvpair[@name='vendor_id']") is None


@pytest.mark.parametrize(
    "text", ["", "<cib/>", "<cib", "<configuration/>", '<!DOCTYPE a [<!ENTITY b "c">]><cib>&b;</cib>']
)
def test_what_is_no_configuration_is_told_so(text: str) -> None:
    with pytest.raises(Failure, match=r"here\.xml is no configuration of a cluster"):
        difference.parse(text, "here.xml")
