# SPDX-License-Identifier: GPL-2.0-or-later
"""Configurations of a cluster that runs a site: with what is others' in it, and with changes of what is ours."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from hypothesis import strategies as st
from lxml import etree

from twinsan.site import cib, ownership
from twinsan.site.model import Site

_BASE = """\
<cib validate-with="pacemaker-3.9" crm_feature_set="3.16.1" admin_epoch="0" epoch="7" num_updates="3" have-quorum="1">
  <configuration>
    <crm_config><cluster_property_set id="cib-bootstrap-options">
      <nvpair id="cib-bootstrap-options-dc-version" name="dc-version" value="2.1.5"/>
    </cluster_property_set></crm_config>
    <nodes><node id="1" uname="atlas"/><node id="2" uname="zeus"/></nodes>
    <resources/><constraints/>
  </configuration>
</cib>"""

# Parts of others, by their sections. Each stands alone.
_STRANGERS = (
    ("resources", '<primitive id="mail" class="ocf" provider="heartbeat" type="MailTo"/>'),
    ("resources", '<group id="web"><primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/></group>'),
    ("resources", '<clone id="c_ping"><primitive id="ping" class="ocf" provider="pacemaker" type="ping"/></clone>'),
    ("resources", '<template id="vm" class="ocf" provider="heartbeat" type="VirtualDomain"/>'),
    ("resources", '<primitive id="fence_all" class="stonith" type="fence_vmware_rest"/>'),
    ("constraints", '<rsc_location id="cli-prefer-{part}" rsc="{part}" node="atlas" score="INFINITY"/>'),
    ("constraints", '<rsc_location id="cli-ban-{part}-on-zeus" rsc="{part}" node="zeus" score="-INFINITY"/>'),
    ("constraints", '<rsc_location id="where-i-like" rsc="{part}" node="zeus" score="7"/>'),
    (
        "constraints",
        '<rsc_location id="drbd-fence-by-handler-san-{clone}" rsc="{clone}"><rule id="drbd-fence-by-handler-san-rule" '
        'role="Promoted" score="-INFINITY"><expression id="drbd-fence-by-handler-san-expr" attribute="#uname" '
        'operation="ne" value="atlas"/></rule></rsc_location>',
    ),
    ("tags", '<tag id="all-of-it"><obj_ref id="{part}"/></tag>'),
    ("fencing-topology", '<fencing-level id="level-1" target="atlas" index="1" devices="other_device"/>'),
    ("acls", '<acl_role id="reader"><acl_permission id="reader-1" kind="read" xpath="/cib"/></acl_role>'),
    ("alerts", '<alert id="mine" path="/usr/local/bin/alert"/>'),
    (
        "rsc_defaults",
        '<meta_attributes id="rsc-options"><nvpair id="rsc-options-s" name="resource-stickiness" value="1"/>'
        "</meta_attributes>",
    ),
    (
        "op_defaults",
        '<meta_attributes id="op-options"><nvpair id="op-t" name="timeout" value="600"/></meta_attributes>',
    ),
)

_KEPT = st.sampled_from([("target-role", "Stopped"), ("is-managed", "false"), ("maintenance", "true")])


def running(site: Site) -> etree._Element:
    """The configuration of a cluster that runs a site, and nothing else."""
    found = etree.fromstring(_BASE, etree.XMLParser(remove_blank_text=True))
    for section in cib.tree(site).iterfind("configuration/*"):
        if isinstance(section.tag, str):
            _section(found, section.tag).extend(deepcopy(list(section)))
    return found


@st.composite
def with_strangers(draw: st.DrawFn, site: Site) -> etree._Element:
    """The same with what is others'."""
    found = running(site)
    names = {"part": site.resources[0].portals[0].name, "clone": site.resources[0].called("ms_drbd")}
    for section, text in draw(st.lists(st.sampled_from(_STRANGERS), unique=True)):
        parent = _section(found, section)
        parent.insert(draw(st.integers(0, len(parent))), etree.fromstring(text.format(**names)))
    for each in found.iterfind(".//primitive"):
        if each.get("provider") == "twinsan" and draw(st.integers(0, 5)) == 0:
            name, value = draw(_KEPT)
            _pair(_set(each, "meta_attributes"), name, value)
    for each in found.iterfind(".//nvpair[@name='password']"):
        each.set("value", draw(st.sampled_from(["", "lrm://", "hunter2"])))
    options = found.find(".//cluster_property_set")
    assert options is not None
    for name in draw(st.sets(st.sampled_from(["maintenance-mode", "stonith-enabled", "batch-limit"]))):
        _pair(options, name, "true")
    if draw(st.booleans()):
        node = found.find(".//node")
        assert node is not None
        _pair(_set(node, "instance_attributes"), "standby", "on")
    return found


def strangers(tree: etree._Element) -> list[bytes]:
    """What is others' in a configuration, as canonical text, in its order."""
    configuration = tree.find("configuration")
    assert configuration is not None
    parts = [(str(section.tag), each) for section in configuration for each in section]
    found = [etree.tostring(each, method="c14n") for section, each in parts if not _ours(section, each)]
    pairs = (
        f"{each.getparent().getparent().get('id')} {each.get('name')}={each.get('value')}"  # type: ignore[union-attr]
        for each in configuration.iterfind(".//nvpair")
        if each.get("name") in (*ownership.KEPT_META, "password") and each.get("value")
    )
    return [*found, *(pair.encode() for pair in pairs)]


def _ours(section: str, element: etree._Element) -> bool:
    if section == "resources":
        inner = list(element.iter("primitive", "template"))
        return all(each.get("provider") == "twinsan" or each.get("type") == "fence_ipmilan" for each in inner)
    if section == "crm_config":
        return element.get("id") == cib.OPTIONS
    if section == "constraints":
        return not str(element.get("id")).startswith(("cli-", "drbd-fence", "where-i-like"))
    return element.get("id") == cib.ALERT


def meaning(tree: etree._Element) -> dict[str, object]:
    """What a configuration says of what is ours, without the ids that tools choose, and what an administrator sets."""
    found: dict[str, object] = {}
    for each in tree.iterfind("configuration/resources//*[@id]"):
        if each.tag in ("primitive", *ownership.HOLDERS) and _ours("resources", each):
            parent = each.getparent()
            assert parent is not None
            inner = [str(one.get("id")) for one in each if one.tag == "primitive"]
            found[str(each.get("id"))] = (
                {str(key): value for key, value in each.items() if key != "id"},
                parent.get("id") or "",
                inner,
                {what: _values(each, what) for what in ("instance_attributes", "meta_attributes")},
                sorted(_without_id(one) for one in each.iterfind("operations/op")),
            )
    for each in tree.iterfind("configuration/constraints/*"):
        if _ours("constraints", each):
            found[str(each.get("id"))] = (each.tag, _without_id(each), [_of_set(one) for one in each])
    for each in tree.iterfind(f"configuration/crm_config/*[@id='{cib.OPTIONS}']"):
        found[cib.OPTIONS] = sorted((one.get("name"), one.get("value")) for one in each)
    for each in tree.iterfind(f"configuration/alerts/alert[@id='{cib.ALERT}']"):
        found[cib.ALERT] = (_without_id(each), _values(each, "instance_attributes"))
    return found


def _of_set(element: etree._Element) -> object:
    members = [str(each.get("id")) for each in element]
    ordered = members if element.get("sequential") != "false" else sorted(members)
    return element.tag, _without_id(element), ordered


def _without_id(element: etree._Element) -> str:
    return " ".join(sorted(f"{key}={value}" for key, value in element.items() if key != "id"))  # type: ignore[str-bytes-safe]


def _values(element: etree._Element, what: str) -> list[tuple[str | None, str | None]]:
    left = (*ownership.KEPT_META, "password")
    pairs = element.iterfind(f"{what}/nvpair")
    return sorted((each.get("name"), each.get("value")) for each in pairs if each.get("name") not in left)


def _section(tree: etree._Element, name: str) -> etree._Element:
    configuration = tree.find("configuration")
    assert configuration is not None
    found = configuration.find(name)
    return found if found is not None else etree.SubElement(configuration, name)


def _set(element: etree._Element, what: str) -> etree._Element:
    found = element.find(what)
    if found is None:
        found = etree.Element(what, id=f"{element.get('id')}-{what}")
        element.insert(0, found)
    return found


def _pair(parent: etree._Element, name: str, value: str) -> None:
    etree.SubElement(parent, "nvpair", id=f"{parent.get('id')}-{name}", name=name, value=value)


# Changes of what is ours: each takes the configuration and the choices of hypothesis.


def _one(draw: st.DrawFn, tree: etree._Element, path: str) -> etree._Element | None:
    found = [each for each in tree.findall(path) if _is_changeable(each)]
    return draw(st.sampled_from(found)) if found else None


def _is_changeable(element: etree._Element) -> bool:
    """Whether an element is in a part of ours, and no password."""
    chain = [element, *element.iterancestors()]
    top = chain[chain.index(next(each for each in chain if each.getparent().getparent().tag == "configuration"))]  # type: ignore[union-attr]
    section = top.getparent()
    assert section is not None
    kept = element.get("name") in (*ownership.KEPT_META, "password")
    return _ours(str(section.tag), top) and not kept


def change_value(draw: st.DrawFn, tree: etree._Element) -> None:
    """Another value."""
    pair = _one(draw, tree, "configuration/resources//nvpair")
    if pair is not None:
        pair.set("value", draw(st.sampled_from(["1", "other", ""])))


def drop_value(draw: st.DrawFn, tree: etree._Element) -> None:
    """A value that is gone."""
    pair = _one(draw, tree, "configuration/resources//nvpair")
    if pair is not None:
        _drop(pair)


def add_value(draw: st.DrawFn, tree: etree._Element) -> None:
    """A value that the site does not have."""
    primitive = _one(draw, tree, "configuration/resources//primitive")
    if primitive is not None:
        what = draw(st.sampled_from(["instance_attributes", "meta_attributes"]))
        found = _set(primitive, what)
        if found.find("nvpair[@name='allow_migrate']") is None:
            _pair(found, "allow_migrate", "1")


def add_set(draw: st.DrawFn, tree: etree._Element) -> None:
    """A second set of values, with a rule or without."""
    primitive = _one(draw, tree, "configuration/resources//primitive")
    if primitive is None or tree.find(".//*[@id='second-set']") is not None:
        return
    found = etree.Element("instance_attributes", id="second-set")
    if draw(st.booleans()):
        rule = etree.SubElement(found, "rule", id="second-rule", score="0")
        etree.SubElement(rule, "expression", id="second-expr", attribute="#uname", operation="eq", value="atlas")
    etree.SubElement(found, "nvpair", id="second-pair", name=draw(st.sampled_from(["path", "iqn", "ip"])), value="x")
    primitive.insert(draw(st.integers(0, 1)), found)


def rename_ids(draw: st.DrawFn, tree: etree._Element) -> None:
    """Ids as another tool gives them."""
    found = _one(draw, tree, f"configuration/resources//{draw(st.sampled_from(['nvpair', 'meta_attributes', 'op']))}")
    if found is not None:
        found.set("id", f"{found.get('id')}-renamed")


def change_operation(draw: st.DrawFn, tree: etree._Element) -> None:
    """An operation that is gone, or has another time, or something more."""
    found = _one(draw, tree, "configuration/resources//op")
    if found is None:
        return
    what = draw(st.sampled_from(["drop", "interval", "timeout", "on-fail"]))
    if what == "drop":
        _drop(found)
    else:
        found.set(what, "block" if what == "on-fail" else "33s")


def drop_part(draw: st.DrawFn, tree: etree._Element) -> None:
    """A resource that is gone, with all constraints about it."""
    names = {str(each) for text in _STRANGERS for each in text} | {
        "p_portal",
        "ms_drbd",
        "p_portal_data0",
        "ms_drbd_data0",
    }
    found = _one(draw, tree, "configuration/resources/*")
    if found is None or any(each.get("id") in names for each in found.iter()):
        return
    gone = {str(each.get("id")) for each in found.iter("*")}
    _drop(found)
    for each in tree.findall("configuration/constraints/*"):
        if gone & set(ownership.references(each)):
            _drop(each)


def change_constraint(draw: st.DrawFn, tree: etree._Element) -> None:
    """A constraint that is gone, or says something else."""
    found = _one(draw, tree, "configuration/constraints/*")
    if found is None:
        return
    what = draw(st.sampled_from(["drop", "symmetrical", "members", "score"]))
    if what == "drop":
        _drop(found)
    elif what == "members" and found.find("resource_set") is not None:
        inner = draw(st.sampled_from(found.findall("resource_set")))
        inner.append(etree.Element("resource_ref", id="p_extra"))
        if tree.find(".//primitive[@id='p_extra']") is None:
            add_part(draw, tree)
    elif what != "members":
        found.set(what, "false" if what == "symmetrical" else "3")


def add_part(draw: st.DrawFn, tree: etree._Element) -> None:
    """A resource that the site does not have, alone or in a group of ours."""
    if tree.find(".//primitive[@id='p_extra']") is not None:
        return
    new = etree.fromstring(
        '<primitive id="p_extra" class="ocf" provider="twinsan" type="lio-lun"><instance_attributes id="p_extra-1">'
        '<nvpair id="p_extra-2" name="path" value="/dev/drbd99"/></instance_attributes></primitive>'
    )
    group = _one(draw, tree, "configuration/resources/group")
    if group is not None and draw(st.booleans()):
        group.append(new)
    else:
        _section(tree, "resources").append(new)


def change_group(draw: st.DrawFn, tree: etree._Element) -> None:
    """A group in another order, or whose member stands alone."""
    group = _one(draw, tree, "configuration/resources/group")
    if group is None:
        return
    members = group.findall("primitive")
    if draw(st.booleans()):
        group.append(members[0])
    elif len(members) > 1:
        _section(tree, "resources").append(members[0])


def change_option(draw: st.DrawFn, tree: etree._Element) -> None:
    """An option that is gone, other, or one that the site does not have."""
    options = tree.find(f".//cluster_property_set[@id='{cib.OPTIONS}']")
    if options is None:
        return
    what = draw(st.sampled_from(["drop", "change", "add"]))
    if what == "add" and options.find("nvpair[@name='stonith-watchdog-timeout']") is None:
        _pair(options, "stonith-watchdog-timeout", "10s")
    elif what != "add" and len(options):
        pair = draw(st.sampled_from(list(options)))
        _drop(pair) if what == "drop" else pair.set("value", "1")


def _drop(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


CHANGES: tuple[Callable[[st.DrawFn, etree._Element], None], ...] = (
    change_value,
    drop_value,
    add_value,
    add_set,
    rename_ids,
    change_operation,
    drop_part,
    change_constraint,
    add_part,
    change_group,
    change_option,
)


@st.composite
def changed(draw: st.DrawFn, site: Site) -> etree._Element:
    """A configuration with what is others', and in which what is ours has been changed."""
    found: etree._Element = draw(with_strangers(site))
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=8)):
        change(draw, found)
    return found
