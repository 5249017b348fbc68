# SPDX-License-Identifier: GPL-2.0-or-later
"""``python3 -m tools.templates`` writes cib-templates/ from the site files in examples/."""

from __future__ import annotations

from pathlib import Path

from twinsan.site import cib, reader

_ROOT = Path(__file__).resolve().parents[1]

# Those of the site files in examples/ that a template is made of.
NAMES = ("many-luns", "san", "san-qnetd", "sbd-disk", "sbd-diskless", "two-portals", "two-resources")


def render(name: str) -> str:
    """Return the template `name`."""
    path = _ROOT / "examples" / f"{name}.toml"
    site, mistakes = reader.load(str(path))
    assert site is not None, [f"{path}:{mistake.line}: {mistake}" for mistake in mistakes]
    return cib.text(site, f"{name}.xml")


def main() -> None:
    """Write all templates."""
    for name in NAMES:
        (_ROOT / "cib-templates" / f"{name}.xml").write_text(render(name))


if __name__ == "__main__":
    main()
