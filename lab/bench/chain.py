# SPDX-License-Identifier: GPL-2.0-or-later
"""What the pair serves with: the resources and constraints of one configuration in the place of another's.

The fence devices and the cluster's properties stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from lab import luns, progress
from lab.pair import Pair, template

# What has a name of its own in the template; ids that are built from it begin with it.
_NAMED = re.compile(r'<(?:primitive|clone|group|rsc_order|rsc_colocation) id="([^"]+)"')
_AGENT = re.compile(r'provider="twinsan" type="([a-z-]+)"')
_VALUES = re.compile(r"<instance_attributes id=\"idle_.*?</instance_attributes>", re.DOTALL)

# Starting and stopping 32 LUNs on a guest of one processor takes minutes.
_SECONDS_TO_SETTLE = 600.0


@dataclass(frozen=True)
class Chain:
    """A configuration: `moved` is the resource that an operator moves, `address` the last to start, `drbd` the clone
    that is promoted; `first_lun` starts after the promotion.
    """

    name: str
    luns: int
    configuration: str
    moved: str
    address: str
    drbd: str = "p_drbd"
    serves: bool = True


def twinsan(count: int) -> Chain:
    """The template, with `count` LUNs."""
    if count == 1:
        return Chain("twinsan", 1, template(), "g_san", "p_portal")
    return Chain("twinsan", count, luns.configuration(count), "p_portal", "p_portal")


def doing_nothing(count: int, *, notified: bool = False) -> Chain:
    """The same shape of agents that do nothing (ocf:pacemaker:Stateful and Dummy): what it takes is the cluster's own
    share. `notified` is whether the clone's instances hear of each other's actions, as other DRBD agents need it.
    """
    ours = twinsan(count)
    text = idle_configuration(ours.configuration)
    name = "agents that do nothing"
    if notified:
        name = "agents that do nothing, notified"
        text = re.sub(r'(id="idle_ms_drbd-notify" name="notify" value=)"false"', r'\1"true"', text)
    return Chain(name, count, text, f"idle_{ours.moved}", f"idle_{ours.address}", "idle_p_drbd", serves=False)


def idle_configuration(text: str) -> str:
    """The configuration with agents that do nothing, under names of their own; the fencing is left out: it is there."""
    text = re.sub(r"<primitive id=\"fence_.*?</primitive>|<rsc_location .*?/>", "", text, flags=re.DOTALL)
    text = re.sub(r"<crm_config>.*?</crm_config>", "", text, flags=re.DOTALL)
    names = sorted(_NAMED.findall(text), key=len, reverse=True)
    text = re.sub(rf'(?<=")({"|".join(names)})', r"idle_\1", text)
    text = _AGENT.sub(lambda m: f'provider="pacemaker" type="{"Stateful" if m[1] == "drbd-vaai" else "Dummy"}"', text)
    return _VALUES.sub("", text)


class Stage:
    """A pair that has loaded the template, and what it serves with now."""

    def __init__(self, made: Pair) -> None:
        self.made = made
        self._serving: Chain | None = twinsan(1)

    def serve(self, which: Chain) -> None:
        """Serve with that chain and no other; wait until it is up."""
        if which == self._serving:
            return
        self.clear()
        load(self.made, which)
        self._serving = which

    def clear(self) -> None:
        """Stop all that is served."""
        if self._serving is not None:
            stop_all(self.made)
            self._serving = None


def stop_all(made: Pair) -> None:
    """Stop all that is served, in its order."""
    live = _live(made)
    for resource in _served(live):
        meta = resource.find("meta_attributes")
        if meta is None:
            meta = etree.SubElement(resource, "meta_attributes", id=f"{resource.get('id')}-bench")
            resource.insert(0, meta)
        etree.SubElement(meta, "nvpair", id=f"{resource.get('id')}-bench-role", name="target-role", value="Stopped")
    with progress.step("Stopping all that is served"):
        _replace(made, live)


def load(made: Pair, chain: Chain) -> None:
    """Replace all that is served, which must be stopped, by the chain; wait until it is up."""
    live, new = _live(made), etree.fromstring(chain.configuration.encode())
    resources, constraints = _only(live, "resources"), _only(live, "constraints")
    for resource in _served(live):
        resources.remove(resource)
    for constraint in [each for each in constraints if not str(each.get("rsc")).startswith("fence_")]:
        constraints.remove(constraint)
    resources.extend(_served(new))
    constraints.extend(list(new.iter("rsc_order", "rsc_colocation")))
    with progress.step(f"Starting {chain.name} with {chain.luns} LUN(s)"):
        _replace(made, live)


def _live(made: Pair) -> etree._Element:
    return etree.fromstring(made.atlas.succeed("cibadmin --query --scope configuration").encode())


def _served(configuration: etree._Element) -> list[etree._Element]:
    """The resources other than fence devices."""
    return [each for each in _only(configuration, "resources") if each.get("class") != "stonith"]


def _only(configuration: etree._Element, tag: str) -> etree._Element:
    found = configuration.find(f".//{tag}")
    assert found is not None, tag
    return found


def _replace(made: Pair, configuration: etree._Element) -> None:
    made.atlas.succeed("cibadmin --replace --scope configuration --xml-pipe", stdin=etree.tostring(configuration))
    made.wait_until_idle(_SECONDS_TO_SETTLE)
