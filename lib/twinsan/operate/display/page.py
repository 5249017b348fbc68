# SPDX-License-Identifier: GPL-2.0-or-later
"""A status as one page of HTML that needs nothing from elsewhere: no script, no style sheet, no picture."""

from __future__ import annotations

from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.operate.display.inventory import Section
    from twinsan.operate.display.view import View

# Colours of text on its ground have a contrast of 4.5 and more, in light and in dark.
_STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f9; --card: #ffffff; --text: #1b1f24; --faint: #57606a;
  --line: #d8dee4; --good: #116329; --unsure: #7d4e00; --bad: #a40e26; --good-ground: #e6f6ea;
  --unsure-ground: #fff5db; --bad-ground: #ffebe9; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --card: #161b22; --text: #e6edf3; --faint: #9da7b3;
  --line: #30363d; --good: #56d364; --unsure: #e3b341; --bad: #ff7b72; --good-ground: #12261a;
  --unsure-ground: #2b2206; --bad-ground: #32151a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 76rem; background: var(--ground); color: var(--text);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1rem; font-weight: 400; color: var(--faint); margin: 0 0 1rem; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
section, .headline { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem 1rem; margin: 0 0 1rem; }
.headline { border-left-width: .4rem; font-size: 1.15rem; font-weight: 600; }
.headline p { margin: .3rem 0 0; font-size: .9rem; font-weight: 400; color: var(--text); overflow-wrap: anywhere; }
.good { border-left-color: var(--good); background: var(--good-ground); color: var(--good); }
.unsure { border-left-color: var(--unsure); background: var(--unsure-ground); color: var(--unsure); }
.bad { border-left-color: var(--bad); background: var(--bad-ground); color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th { text-align: left; font-weight: 600; font-size: .75rem; color: var(--faint); }
th, td { padding: .35rem .9rem .35rem 0; border-bottom: 1px solid var(--line); white-space: nowrap;
  vertical-align: top; }
tr:last-child td { border-bottom: 0; }
tr.ill td { color: var(--bad); font-weight: 600; }
ul { margin: 0; padding: 0; list-style: none; }
li { padding: .35rem 0; overflow-wrap: anywhere; }
li + li { border-top: 1px solid var(--line); }
li b { color: var(--bad); font-weight: 600; }
code { display: block; margin-top: .2rem; font: .85rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.note { margin: .5rem 0 0; font-size: .9rem; color: var(--faint); }
@media (max-width: 40rem) { body { padding: .6rem; } th, td { padding-right: .7rem; }
  table.cards, .cards tbody, .cards tr, .cards td { display: block; width: auto; }
  .cards tr.names { display: none; }
  .cards tr { padding: .4rem 0; border-bottom: 1px solid var(--line); } .cards tr:last-child { border-bottom: 0; }
  .cards td { display: flex; justify-content: space-between; gap: 1rem; padding: .1rem 0; border: 0;
    white-space: normal; text-align: right; overflow-wrap: anywhere; }
  .cards td::before { content: attr(data-name); flex: none; color: var(--faint); font-weight: 400;
    font-size: .75rem; } }
"""

_ABBREVIATIONS = {"LUN": "LUN", "LUNS": "LUNs", "NAA": "NAA", "VAAI": "VAAI", "ALUA": "ALUA"}


def text(view: View) -> str:
    """Return the page."""
    return "\n".join(_lines(view)) + "\n"


def _lines(view: View) -> Iterator[str]:
    title = escape(view.title)
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{title}</h1>"
    for headline in view.headlines:
        details = "".join(f"<p>{escape(each)}</p>" for each in headline.details)
        yield f'<div class="headline {headline.level}">{escape(headline.text)}{details}</div>'
    if view.ills:
        yield "<section><h2>Not well</h2><ul>"
        for what, place, remedy in view.ills:
            command = f"<code>{escape(remedy)}</code>" if remedy else ""
            yield f"<li><b>{escape(place)}:</b> {escape(what)}{command}</li>"
        yield "</ul></section>"
    for section in view.sections:
        yield from _section(section)
    if view.unseen:
        yield "<section><h2>Not seen</h2><ul>"
        yield from (f"<li>{escape(what)}<code>{escape(why)}</code></li>" for what, why in view.unseen)
        yield "</ul></section>"
    yield "</body></html>"


def _section(section: Section) -> Iterator[str]:
    yield f"<section><h2>{escape(section.title)}</h2>"
    if section.rows:
        names = [escape(_name(each)) for each in section.headings]
        yield '<div class="scroll"><table class="cards"><tbody>'
        yield f'<tr class="names">{"".join(f"<th>{name}</th>" for name in names)}</tr>'
        for cells, ill in section.rows:
            row = "".join(f'<td data-name="{name}">{escape(cell)}</td>' for name, cell in zip(names, cells))
            yield f"<tr{' class=ill' if ill else ''}>{row}</tr>"
        yield "</tbody></table></div>"
    if section.note:
        yield f'<p class="note">{escape(section.note)}</p>'
    yield "</section>"


def _name(heading: str) -> str:
    """A heading in ordinary letters."""
    words = " ".join(_ABBREVIATIONS.get(word, word.lower()) for word in heading.split())
    return words[:1].upper() + words[1:]
