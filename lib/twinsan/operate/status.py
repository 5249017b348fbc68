# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan status``: who serves what, what would happen next, what is not well, and what to type."""

from __future__ import annotations

import os
import sys
import time

from twinsan.operate.display import screen
from twinsan.operate.display.view import View
from twinsan.operate.facts import gathering
from twinsan.operate.facts.fact import as_json
from twinsan.operate.verdict import findings, prediction
from twinsan.operate.verdict.report import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.facts.shape import Facts
    from twinsan.operate.verdict.report import Finding, Prediction

WELL, NOT_SEEN, DEGRADED, NOT_SERVED = "well", "not seen", "degraded", "not served"
EXIT_STATUS = {WELL: 0, NOT_SEEN: 1, DEGRADED: 3, NOT_SERVED: 4}

# For all of it, before it is printed; and what a look gets in any case.
_SECONDS, _LEAST_SECONDS = 4.5, 2.5

# Of a line, where there is no terminal.
_WIDTH = 100

# To the corner, and the rest of each line and of the screen away: without a flash.
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\033[H", "\033[K", "\033[J"


def show(*, as_json: bool, html: str | None, watch: float | None, timeout: float | None) -> int:
    """Print the status, or write it as a page to the file `html`; with `watch` again after each so many seconds, until
    it is interrupted. A look takes at most `timeout` seconds; None for less than 5 with all else. Returns the exit
    status, by the last one that was seen.
    """
    seconds = _seconds_left() if timeout is None else timeout
    status = None
    while True:
        try:
            status = of(gathering.gather(seconds))
            seconds = gathering.SECONDS if timeout is None else timeout
            _write(status, as_text=not as_json, html=html, again=watch is not None)
            if watch is None:
                return EXIT_STATUS[status.verdict]
            time.sleep(watch)
        except KeyboardInterrupt:
            if status is None:
                raise
            return EXIT_STATUS[status.verdict]


def _seconds_left() -> float:
    """The time for the first look: on a slow node, the start of this process has taken some of the 5 s."""
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as file:
            # The 22nd field: when it was started, in clock ticks since the boot. The name before may have blanks.
            started = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, ValueError, IndexError):
        return gathering.SECONDS
    return min(gathering.SECONDS, max(_LEAST_SECONDS, _SECONDS - max(0.0, age)))


def of(facts: Facts) -> Status:
    """Return what follows from the facts."""
    predictions, found = prediction.of(facts), findings.of(facts)
    return Status(_verdict(facts, predictions, found), predictions, found, facts)


def _verdict(facts: Facts, predictions: tuple[Prediction, ...], found: tuple[Finding, ...]) -> str:
    if facts.cluster is None:
        seen = bool(facts.services or facts.replication or facts.targets or facts.luns)
        return DEGRADED if seen else NOT_SEEN
    if not facts.services or any(each.node is None for each in facts.services):
        return NOT_SERVED
    ready = all(each.would_serve for each in predictions)
    return WELL if ready and not found and not facts.not_seen else DEGRADED


def _write(status: Status, *, as_text: bool, html: str | None, again: bool) -> None:
    # Each is imported only if it is used: in a time of seconds, milliseconds count a little.
    if html is not None:
        from twinsan.operate import output
        from twinsan.operate.display import page

        output.replace(html, page.text(View(status)))
    elif as_text:
        _print(View(status), again=again)
    else:
        import json

        # One line for each look, so that a program that reads them finds their ends.
        print(json.dumps(as_json(status), indent=None if again else 2), flush=True)


def _print(view: View, *, again: bool) -> None:
    terminal = sys.stdout.isatty()
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = _width() if terminal else _WIDTH
    text = screen.text(view, colour=colour, width=width)
    if again and terminal:
        text = _HOME + text.replace("\n", f"{_REST_OF_LINE}\n") + _REST_OF_SCREEN
    elif again:
        text += "\n"
    sys.stdout.write(text)
    sys.stdout.flush()


def _width() -> int:
    try:
        return os.get_terminal_size().columns
    except OSError:
        return _WIDTH
