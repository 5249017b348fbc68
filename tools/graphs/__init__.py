# SPDX-License-Identifier: GPL-2.0-or-later
"""``python3 -m tools.graphs`` draws docs/graphs/*.svg from the XML of cib-templates/."""

from __future__ import annotations

from pathlib import Path

from tools.graphs import configuration, picture

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "cib-templates"
PICTURES = ROOT / "docs" / "graphs"


def draw(name: str) -> str:
    """Return the picture of the template `name`, as SVG."""
    return picture.Picture(configuration.read(TEMPLATES / f"{name}.xml")).svg()


def main() -> None:
    """Draw all templates."""
    PICTURES.mkdir(exist_ok=True)
    for template in sorted(TEMPLATES.glob("*.xml")):
        (PICTURES / f"{template.stem}.svg").write_text(draw(template.stem), encoding="utf-8")
