# SPDX-License-Identifier: GPL-2.0-or-later
"""The resources of a configuration, made equal to those of a site."""

from __future__ import annotations

from twinsan.errors import Failure, Reason
from twinsan.site import elements, named_values, ownership
from twinsan.site.draft import CLASH, HIDDEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.site.draft import Draft

SHARED = Reason(
    Failure,
    "{holder} has {stranger} in it, which is not twinsan's, and the site has no {holder} any more",
    "take {stranger} out of it first: crm configure modgroup {holder} remove {stranger}",
)

_AGENT = ("class", "provider", "type")


class Going:
    """What the site does not have any more: the `name` of a resource or of what holds it, and the `primitives`."""

    __slots__ = ("name", "primitives")

    def __init__(self, name: str, primitives: list[str]) -> None:
        self.name = name
        self.primitives = primitives


class Resources:
    """The resources of a draft, and those that a site wants."""

    def __init__(self, draft: Draft, wanted: _Element) -> None:
        self._draft = draft
        self._section = draft.section("resources")
        self._wanted = wanted
        self._names = {str(each.get("id")) for each in wanted.iter("primitive", *ownership.HOLDERS)}
        # What was there before anything was changed.
        self._before = set(draft.elements)

    def ours(self) -> set[str]:
        """The names of all resources that are ours, and of what holds nothing else."""
        found = {str(each.get("id")) for each in self._section.iter("primitive") if self._is_ours(each)}
        for each in self._section.iter(*ownership.HOLDERS):
            if all(str(inner.get("id")) in found for inner in each.iter("primitive")):
                found.add(str(each.get("id")))
        return found | self._names

    def merge(self) -> None:
        """Add and change what the site has."""
        for top in self._wanted:
            if top.tag in ownership.HOLDERS:
                self._merge_holder(top)
            else:
                self._merge_member(top, self._section, None)

    def going(self) -> list[Going]:
        """Return what the site does not have any more."""
        found: dict[str, Going] = {}
        for each in self._section.iter("primitive"):
            name = str(each.get("id"))
            if name in self._names or not self._is_ours(each):
                continue
            whole = self._whole(each)
            key = str(whole.get("id"))
            found.setdefault(key, Going(key, [])).primitives.append(name)
        return list(found.values())

    def remove(self, going: list[Going]) -> None:
        """Take away what the site does not have any more, and templates of ours that nothing uses."""
        for each in going:
            element = self._draft.elements[each.name]
            parent = element.getparent()
            self._note_removal(element)
            self._draft.drop(element)
            self._prune(parent)
        for name, template in list(self._draft.templates.items()):
            used = self._section.iterfind(f".//primitive[@template='{name}']") if "'" not in name else iter([template])
            if template.get("provider") == "twinsan" and next(used, None) is None:
                self._draft.note(name, "", "a template", None)
                self._draft.drop(template)

    def stop(self, going: list[Going]) -> None:
        """Have the cluster stop what the site does not have any more, instead of removing it: what is stopped can be
        removed. What stays does not wait for it.
        """
        for each in going:
            element = self._draft.elements[each.name]
            parent = element.getparent()
            if parent is not None and parent.tag == "group":
                self._section.append(element)
                self._prune(parent)
            sets = element.find("meta_attributes")
            if sets is None:
                sets = self._draft.make(element, "meta_attributes", f"{each.name}-meta")
                element.insert(0, sets)
            pair = next((pair for pair in sets.iterfind("nvpair") if pair.get("name") == "target-role"), None)
            if pair is None:
                name = f"{each.name}-target-role"
                pair = self._draft.make(sets, "nvpair", name, name="target-role", value="Stopped")
            pair.set("value", "Stopped")

    def _is_ours(self, primitive: _Element) -> bool:
        agent = ownership.agent_of(primitive, self._draft.templates)
        return ownership.is_resource(str(primitive.get("id")), agent)

    def _whole(self, primitive: _Element) -> _Element:
        """The largest element with the primitive in which all goes, and that the site does not have itself."""
        found = primitive
        for each in primitive.iterancestors(*ownership.HOLDERS):
            inner = list(each.iter("primitive"))
            if each.get("id") in self._names or any(
                str(one.get("id")) in self._names or not self._is_ours(one) for one in inner
            ):
                break
            found = each
        return found

    def _merge_holder(self, wanted: _Element) -> None:
        name, draft = str(wanted.get("id")), self._draft
        members = wanted.findall("primitive")
        present = draft.elements.get(name)
        if present is None:
            if not draft.may(name):
                return
            present = draft.make(self._section, str(wanted.tag), name)
            draft.note(name, "", None, self._said(wanted), about=self._about(wanted), moves=not self._is_new(wanted))
            self._fill(present, wanted)
        elif present.tag not in ownership.HOLDERS:
            raise CLASH(name=name, wanted=f"a {wanted.tag}", present=f"a {present.tag}")
        elif (strangers := self._about(present)) and not any(self._is_ours(each) for each in present.iter("primitive")):
            raise CLASH(name=name, wanted=f"a {wanted.tag}", present=f"a {present.tag} of {' '.join(strangers)}")
        elif draft.may(name):
            self._change_holder(present, wanted)
        for number, member in enumerate(members):
            before = members[number - 1] if number else None
            self._merge_member(member, present, before)

    def _fill(self, present: _Element, wanted: _Element) -> None:
        """Give a new holder what is not its members."""
        present.set("description", str(wanted.get("description")))
        for each in wanted.iterfind("meta_attributes"):
            self._draft.add(present, each)

    def _change_holder(self, present: _Element, wanted: _Element) -> None:
        name, draft = str(wanted.get("id")), self._draft
        about = frozenset(self._about(wanted))
        first = len(draft.changes)
        if present.tag != wanted.tag:
            draft.note(name, "is a", str(present.tag), str(wanted.tag), about=about, moves=True)
            present.tag = wanted.tag
        self._describe(name, present, wanted)
        named_values.merge(draft, name, "", present, wanted, "meta_attributes")
        for change in draft.changes[first:]:
            change.about = about

    def _merge_member(self, wanted: _Element, holder: _Element, before: _Element | None) -> None:
        """Make a primitive what the site wants, in `holder` and after the primitive `before`."""
        name, draft = str(wanted.get("id")), self._draft
        present = draft.elements.get(name)
        if present is None:
            if draft.may(name):
                present = draft.add(holder, wanted)
                self._place(present, holder, before)
                beside = holder is not self._section and str(holder.get("id")) in self._before
                draft.note(name, "", None, self._said(wanted), moves=beside)
            return
        self._require_ours(name, present, wanted)
        if not draft.may(name):
            return
        parent = present.getparent()
        if parent is not holder:
            old, new = self._called(parent), self._called(holder)
            self._place(present, holder, before)
            draft.note(name, "holder", old, new, moves=True)
            self._prune(parent)
        elif before is not None and not self._follows(present, before):
            self._place(present, holder, before)
            draft.note(name, "comes", "before", f"after {before.get('id')}", moves=True)
        self._change(name, present, wanted)

    def _called(self, holder: _Element | None) -> str:
        return "none" if holder is None or holder is self._section else str(holder.get("id"))

    def _change(self, name: str, present: _Element, wanted: _Element) -> None:
        draft = self._draft
        old, new = ownership.agent_of(present, draft.templates), ownership.agent_of(wanted, {})
        if present.get("template"):
            draft.note(name, "template", present.get("template"), None)
        for key in ("template", *_AGENT):
            if wanted.get(key):
                present.set(key, str(wanted.get(key)))
            elif key in elements.attributes(present):
                del present.attrib[key]
        if old != new:
            draft.note(name, "agent", old, new)
        self._describe(name, present, wanted)
        for what in ("instance_attributes", "meta_attributes"):
            named_values.merge(draft, name, new, present, wanted, what)
        named_values.merge_operations(draft, name, present, wanted)

    def _describe(self, name: str, present: _Element, wanted: _Element) -> None:
        old, new = present.get("description"), str(wanted.get("description"))
        if old != new:
            present.set("description", new)
            self._draft.note(name, "description", old, new)

    def _require_ours(self, name: str, present: _Element, wanted: _Element) -> None:
        """Refuse to change a resource of others that has a name of ours."""
        agent, new = ownership.agent_of(present, self._draft.templates), ownership.agent_of(wanted, {})
        if present.tag != "primitive":
            raise CLASH(name=name, wanted=new, present=f"a {present.tag}")
        alike = agent.startswith("stonith:") and new.startswith("stonith:")
        if not (alike or (ownership.is_agent(agent) and ownership.is_agent(new))):
            raise CLASH(name=name, wanted=new, present=agent)

    def _place(self, element: _Element, holder: _Element, before: _Element | None) -> None:
        """Put a primitive into its holder: after another one, else where it first can be."""
        previous = None if before is None else self._draft.elements.get(str(before.get("id")))
        if previous is not None and previous.getparent() is holder:
            previous.addnext(element)
        elif holder is self._section:
            holder.append(element)
        else:
            first = next(holder.iterchildren("primitive"), None)
            if first is None or first is element:
                holder.append(element)
            else:
                first.addprevious(element)

    def _follows(self, present: _Element, before: _Element) -> bool:
        """Whether a primitive comes after another one, if that is in the same holder."""
        previous = self._draft.elements.get(str(before.get("id")))
        if previous is None or previous.getparent() is not present.getparent():
            return True
        return any(each is present for each in previous.itersiblings("primitive"))

    def _prune(self, holder: _Element | None) -> None:
        """Take a holder away that is left without a primitive. Refuses to leave what is others' alone in it."""
        while holder is not None and holder.tag in ownership.HOLDERS and str(holder.get("id")) not in self._names:
            left = next(holder.iter("primitive"), None)
            parent = holder.getparent()
            if left is not None:
                if not any(self._is_ours(each) for each in holder.iter("primitive")):
                    raise SHARED(holder=holder.get("id"), stranger=left.get("id"))
                return
            self._draft.note(str(holder.get("id")), "", f"a {holder.tag}", None, moves=True)
            self._draft.drop(holder)
            holder = parent

    def _is_new(self, wanted: _Element) -> bool:
        """Whether nothing of a holder was in the cluster."""
        return not any(str(each.get("id")) in self._before for each in wanted.iter("primitive"))

    @staticmethod
    def _about(element: _Element) -> list[str]:
        return [str(each.get("id")) for each in element.iter("primitive")]

    def _note_removal(self, element: _Element) -> None:
        about = self._about(element)
        if element.tag in ownership.HOLDERS:
            self._draft.note(str(element.get("id")), "", f"a {element.tag} of {' '.join(about)}", None, about=about)
        for each in element.iter("primitive"):
            self._draft.note(str(each.get("id")), "", self._said(each), None)

    def _said(self, element: _Element) -> str:
        """What an element is, on one line."""
        if element.tag in ownership.HOLDERS:
            return f"a {element.tag} of {' '.join(self._about(element))}"
        agent = ownership.agent_of(element, self._draft.templates)
        pairs = element.iterfind("instance_attributes/nvpair")
        shown = [(str(pair.get("name")), str(pair.get("value"))) for pair in pairs]
        return " ".join(
            [agent, *(f"{name}={HIDDEN if ownership.is_secret(agent, name) else value}" for name, value in shown)]
        )
