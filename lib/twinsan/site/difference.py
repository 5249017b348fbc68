# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between a cluster's configuration and that of a site, and the configuration without that difference."""

from __future__ import annotations

from copy import deepcopy

from twinsan.errors import Failure, Reason
from twinsan.site import cib as site_cib
from twinsan.site import elements, merged_constraints, ownership
from twinsan.site.draft import HIDDEN, Change, Draft
from twinsan.site.merged_resources import Resources

try:
    from lxml import etree
except ImportError:
    etree = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from lxml.etree import _Element

    from twinsan.site.merged_resources import Going
    from twinsan.site.model import Site

UNREADABLE = Reason(Failure, "{name} is no configuration of a cluster: {error}", "see: cibadmin --query")
STILL_NAMED = Reason(
    Failure,
    "{name} is about {gone}, which the site does not have any more, and is not twinsan's",
    "remove it first: {command}",
)


TAKEN = Reason(
    Failure,
    "{new} is to have {value}, which {gone} has, and {gone} is to be removed",
    "do it in two steps: apply the site without {new} first, then with it",
)

# What only one resource of the cluster may have at a time.
_UNIQUE = ("drbd_resource", "state_device", "iqn", "path", "ip")


# Options that Pacemaker writes itself.
_OF_PACEMAKER = ("cluster-infrastructure", "cluster-name", "dc-version", "have-watchdog", "last-lrm-refresh")


class Difference:
    """The `changes` that make a configuration that of a site, the `tree` with them, and what is `going`. `stopped` is
    the tree in which that is not removed yet, and is to be stopped.
    """

    __slots__ = ("changes", "going", "stopped", "tree")

    def __init__(self, changes: list[Change], tree: _Element, stopped: _Element, going: list[Going]) -> None:
        self.changes = changes
        self.tree = tree
        self.stopped = stopped
        self.going = going


def parse(text: str, name: str = "cibadmin --query") -> _Element:
    """Return the configuration that `name` gave as XML. Raises Failure for what is none, and NotInstalled."""
    if etree is None:
        raise site_cib.NO_LXML()  # noqa: RSE102  a Reason, which makes the exception
    parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False, no_network=True)
    try:
        found = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise UNREADABLE(name=name, error=error) from None
    if found.tag != "cib" or found.find("configuration") is None:
        raise UNREADABLE(name=name, error="it has no <cib> with a <configuration>")
    return found


def text(cib: _Element) -> str:
    """Return a configuration as XML."""
    return etree.tostring(cib, encoding="unicode")


def between(cib: _Element, site: Site) -> Difference:
    """Return the difference. Raises Failure if it cannot be made without touching what is others'."""
    wanted = site_cib.tree(site)
    changed = Draft(cib)
    going = _merge(changed, wanted, removing=True)
    _require_no_loose_end(changed, cib)
    stopped = changed
    if going:
        _require_nothing_taken(changed, cib, going)
        stopped = Draft(cib)
        _merge(stopped, wanted, removing=False)
    return Difference(changed.changes, changed.cib, stopped.cib, going)


def partly(cib: _Element, site: Site, only: Collection[str]) -> _Element:
    """Return the configuration with the changes of the parts `only`, and nothing removed."""
    draft = Draft(cib, only)
    wanted = site_cib.tree(site)
    Resources(draft, elements.part(wanted, "configuration/resources")).merge()
    merged_constraints.merge(draft, elements.part(wanted, "configuration/constraints"), set(), ())
    merged_constraints.merge_options(draft, elements.part(wanted, "configuration/crm_config"))
    merged_constraints.merge_alert(draft, wanted)
    return draft.cib


def configuration(cib: _Element) -> bytes:
    """Return a configuration without status and version, and without what Pacemaker writes itself, to compare it."""
    copied = deepcopy(elements.part(cib, "configuration"))
    for pair in list(copied.iterfind("crm_config/cluster_property_set/nvpair")):
        if pair.get("name") in _OF_PACEMAKER:
            elements.part(pair, "..").remove(pair)
    etree.strip_tags(copied, etree.Comment)
    return etree.tostring(copied, method="c14n")


def since(before: _Element, now: _Element) -> list[Change]:
    """Return what has changed from one configuration to another, whoever has changed it: part by part."""
    olds, news = _parts(before), _parts(now)
    return [
        Change(key, "", *(None if each is None else _said(each) for each in (olds.get(key), news.get(key))))
        for key in {**olds, **news}
        if olds.get(key) != news.get(key)
    ]


def _parts(cib: _Element) -> dict[str, dict[str, str]]:
    """The attributes of each part of a configuration that has an id."""
    found = {}
    for each in cib.iterfind("configuration//*[@id]"):
        parent = each.getparent()
        inside = "" if parent is None or not parent.get("id") else f" in {parent.get('id')}"
        found[f"{each.tag} {each.get('id')}{inside}"] = elements.attributes(each)
    return found


def _said(attributes: dict[str, str]) -> str:
    secret = ownership.is_secret("", attributes.get("name", ""))
    return " ".join(f"{key}={HIDDEN if secret and key == 'value' else value}" for key, value in attributes.items())


def _merge(draft: Draft, wanted: _Element, *, removing: bool) -> list[Going]:
    """Change a draft to what is wanted; what the site does not have any more is removed, or to be stopped."""
    resources = Resources(draft, elements.part(wanted, "configuration/resources"))
    ours = resources.ours()
    merged_constraints.merge_options(draft, elements.part(wanted, "configuration/crm_config"))
    merged_constraints.merge_alert(draft, wanted)
    going = resources.going()
    names = {name for each in going for name in (each.name, *each.primitives)}
    resources.merge()
    merged_constraints.merge(draft, elements.part(wanted, "configuration/constraints"), ours, () if removing else names)
    if removing:
        resources.remove(going)
    else:
        resources.stop(going)
    return going


def _require_nothing_taken(draft: Draft, before: _Element, going: list[Going]) -> None:
    """Raise Failure if something has, after the change, what only one may have, and what goes has it as well."""
    names = {name for each in going for name in each.primitives}
    held = {
        (pair.get("name"), pair.get("value")): str(each.get("id"))
        for each in before.iterfind("configuration/resources//primitive")
        if each.get("id") in names
        for pair in each.iterfind("instance_attributes/nvpair")
        if pair.get("name") in _UNIQUE
    }
    for each in draft.cib.iterfind("configuration/resources//primitive"):
        for pair in each.iterfind("instance_attributes/nvpair"):
            gone = held.get((pair.get("name"), pair.get("value")))
            if gone is not None and each.get("provider") == "twinsan":
                raise TAKEN(new=each.get("id"), value=pair.get("value"), gone=gone)


def _require_no_loose_end(draft: Draft, before: _Element) -> None:
    """Raise Failure if something of others names what is gone."""
    gone = {str(each.get("id")) for each in before.iter("*") if each.get("id")} - set(draft.elements)
    for section in elements.part(draft.cib, "configuration"):
        for each in section:
            named = sorted(gone & set(ownership.references(each)))
            if named:
                name = str(each.get("id") or each.tag)
                raise STILL_NAMED(name=name, gone=named[0], command=_removal(each, named[0]))


def _removal(element: _Element, gone: str) -> str:
    """The command that removes an element of others."""
    name = str(element.get("id"))
    if name.startswith("cli-"):
        return f"crm_resource --clear --resource {gone}"
    if name.startswith("drbd-fence-by-handler-"):
        return f"twinsan unfence-peer --force {name[len('drbd-fence-by-handler-') :].rpartition('-')[0]}"
    return f"cibadmin --delete --xml-text '<{element.tag} id=\"{name}\"/>'"
