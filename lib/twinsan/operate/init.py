# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan init``: two bare servers become a pair. It looks first, at both nodes, and says all that is in the way;
then it says what it will do, asks, and does it step by step. Typed again, it goes on where it stopped.
"""

from __future__ import annotations

import json
import os
import sys
import time

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Misconfigured, NotPermitted, Reason
from twinsan.host import lock
from twinsan.operate import packages, remote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.operate.setting_up.findings import Findings
    from twinsan.operate.setting_up.nodes import Pair
    from twinsan.operate.setting_up.steps import Step
    from twinsan.site.model import Site

# As for a wrong command line: what was given has to be changed.
WRONG = 2

NOT_ROOT = Reason(NotPermitted, "only root can set up a pair", "type it as root")
NO_SITE = Reason(
    Misconfigured,
    "without a terminal nobody can be asked, so the site has to be in a file",
    "write one, as /usr/share/twinsan/examples/data0.toml is; then type: twinsan init SITE.toml --yes",
)
NOT_CONFIRMED = Reason(
    Misconfigured, "without a terminal nobody can be asked", "look with --dry-run, then type it with --yes"
)
NO_PASSWORD = Reason(
    Misconfigured,
    "the password of the BMCs is needed, and without a terminal nobody can be asked",
    "put it into a file that only root can read, and type: --bmc-password-file FILE",
)

REFUSED = Reason(Failure, "nothing was changed")

# The time in which another init ends, which has begun at the same time.
_SECONDS_FOR_LOCK = 1.0


class Options:
    """What was typed beside the site file."""

    def __init__(
        self,
        *,
        overwrite: list[str] | None = None,
        password_file: str = "",
        yes: bool = False,
        dry_run: bool = False,
        as_json: bool = False,
    ) -> None:
        self.overwrite = frozenset(overwrite or ())
        self.password_file = password_file
        self.yes = yes
        self.dry_run = dry_run
        self.as_json = as_json


def init(site_file: str | None, options: Options) -> int:
    """Set up the pair that a site file describes; without one, ask for what it would say. Returns the exit status: 2
    for a file with mistakes and for what was typed, 1 if something is in the way. Raises Failure.
    """
    packages.find()
    from twinsan.site import reader

    try:
        if os.geteuid() != 0:
            raise NOT_ROOT()  # noqa: RSE102  a Reason, which makes the exception
        if site_file is None:
            site_file = _asked_site()
        site, mistakes = reader.load(site_file)
        if site is None:
            for each in mistakes:
                print(f"{site_file}:{each.line}: {each}", file=sys.stderr)
            print(f"twinsan: mistakes in {site_file}: {len(mistakes)}; nothing was changed", file=sys.stderr)
            return WRONG
        with lock.Held("init", Deadline(_SECONDS_FOR_LOCK)):
            return _set_up(site, site_file, options)
    except Misconfigured as wrong:
        print(f"twinsan: {wrong}", file=sys.stderr)
        return WRONG
    except EOFError:
        # Ctrl-D in place of an answer. All questions come before the first change.
        raise REFUSED() from None  # noqa: RSE102  a Reason, which makes the exception


def _asked_site() -> str:
    if not sys.stdin.isatty():
        raise NO_SITE()  # noqa: RSE102  a Reason, which makes the exception
    from twinsan.operate.setting_up import questions

    return questions.site_file()


def _set_up(site: Site, site_file: str, options: Options) -> int:
    from twinsan.operate.setting_up import disk_checks, plan, serving, steps

    disk_checks.require_words(site, options.overwrite)
    here, other = remote.pair(node.name for node in site.nodes)
    other.require_name()
    looked = plan.look(site, site_file, (here, other), options.overwrite)
    pair = looked.pair
    passwords = _passwords(pair, options)
    plan.check(looked, passwords)
    to_do = plan.steps(looked, passwords)
    if options.as_json:
        print(json.dumps({"findings": looked.findings.json(), "steps": [each.what for each in to_do]}, indent=2))
    else:
        _say_findings(looked.findings)
    if looked.findings.in_the_way:
        return 1
    if options.dry_run:
        return 0
    _confirm(pair, to_do, options)
    begin = time.monotonic()
    plan.require_unchanged(looked)
    changes = steps.carry_out(to_do, _say)
    if changes:
        _say(f"The pair is set up, in {time.monotonic() - begin:.0f} s:")
    else:
        _say("Nothing had to be done. The pair:")
    _say(serving.summary(pair))
    return 0


def _passwords(pair: Pair, options: Options) -> dict[str, str]:
    """The password of each BMC; empty if both nodes have them already, or another way to fence is used."""
    from twinsan.operate.setting_up import passwords

    if not passwords.keeps_password(pair.site):
        return {}
    if options.password_file:
        return passwords.read_passwords(options.password_file, pair.site)
    if options.dry_run or passwords.stored(pair):
        return {}
    if not sys.stdin.isatty():
        raise NO_PASSWORD()  # noqa: RSE102  a Reason, which makes the exception
    return _asked_passwords(pair.site)


def _asked_passwords(site: Site) -> dict[str, str]:
    import getpass

    user = site.fencing.parameters.get("username", "")
    found: dict[str, str] = {}
    for node in site.nodes:
        before = f" (empty: that of {site.nodes[0].name})" if found else ""
        while not found.get(node.name):
            text = getpass.getpass(f"Password of {user} on the BMC of {node.name}, {node.bmc}{before}: ")
            found[node.name] = text or next(iter(found.values()), "")
    return found


def _say_findings(findings: Findings) -> None:
    if list(findings):
        print(findings.text(), flush=True)
    count = len(findings.in_the_way)
    if count:
        things = "1 thing is" if count == 1 else f"{count} things are"
        print(f"twinsan: {things} in the way; nothing was changed", file=sys.stderr)
    else:
        _say("Both nodes are ready.")


def _confirm(pair: Pair, to_do: list[Step], options: Options) -> None:
    """Say what will be done, and ask."""
    names = " and ".join(node.name for node in pair.nodes)
    _say(f"This makes {names} a pair, in {len(to_do)} steps; what is done already is left out:")
    for each in to_do:
        _say(f"  {each.what}")
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise NOT_CONFIRMED()  # noqa: RSE102  a Reason, which makes the exception
    if input("Go on? (yes/no) ").strip().lower() not in ("y", "yes"):
        raise REFUSED()  # noqa: RSE102  a Reason, which makes the exception


def _say(text: str) -> None:
    print(text, flush=True)
