# SPDX-License-Identifier: GPL-2.0-or-later
"""The pictures of the templates: made of their XML, complete, and shown in the documentation."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from tools import graphs, templates
from tools.graphs import configuration, picture

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", templates.NAMES)
def test_a_picture_is_that_of_its_template(name: str) -> None:
    assert graphs.draw(name) == (graphs.PICTURES / f"{name}.svg").read_text(), "type: make graphs"


@pytest.mark.parametrize("name", templates.NAMES)
def test_it_shows_each_resource_and_each_order(name: str) -> None:
    drawn = ET.fromstring(graphs.draw(name))
    told = configuration.read(graphs.TEMPLATES / f"{name}.xml")
    words = [str(text.text) for text in drawn.iter(f"{SVG}text")]
    assert {*told.members, *(device.name for device in told.devices)} <= set(words)
    arrows = [path for path in drawn.iter(f"{SVG}path") if path.get("class") == "order"]
    assert len(arrows) == 1 + len(told.orders), "and one in the legend"
    tree = ET.parse(graphs.TEMPLATES / f"{name}.xml")
    inside = len(tree.findall(".//group"))
    whole = [each for each in tree.iter("rsc_order") if each.find("resource_set") is None]
    between = sum(
        len(one) * len(other)
        for each in tree.iter("rsc_order")
        for one, other in zip(each.findall("resource_set"), each.findall("resource_set")[1:])
    )
    assert len(told.orders) == inside + len(whole) + between


@pytest.mark.parametrize("name", templates.NAMES)
def test_nothing_is_drawn_over_something_else(name: str) -> None:
    boxes = [
        tuple(float(rect.get(side, "0")) for side in ("x", "y", "width", "height"))
        for rect in ET.fromstring(graphs.draw(name)).iter(f"{SVG}rect")
        if rect.get("class") in ("card", "device")
    ]
    for number, (x, y, width, height) in enumerate(boxes):
        assert x + width <= 960
        for other_x, other_y, other_width, other_height in boxes[number + 1 :]:
            apart = x + width <= other_x or other_x + other_width <= x
            assert apart or y + height <= other_y or other_y + other_height <= y


def test_who_cannot_see_it_is_told_the_same() -> None:
    told = configuration.read(graphs.TEMPLATES / "san.xml")
    assert picture.title(told) == "san.xml: one disk, one address"
    assert "p_portal starts after the start of p_lun1. It runs where" in picture.description(told)
    assert 'role="img"' in graphs.draw("san")


def test_the_page_shows_each_with_its_title() -> None:
    page = (graphs.ROOT / "docs" / "templates.md").read_text()
    shown = dict(re.findall(r"!\[([^\]]+)\]\(graphs/([\w-]+)\.svg\)", page))
    titles = {picture.title(configuration.read(graphs.TEMPLATES / f"{name}.xml")): name for name in templates.NAMES}
    assert shown == titles
    assert {path.stem for path in graphs.PICTURES.glob("*.svg")} == set(templates.NAMES)
