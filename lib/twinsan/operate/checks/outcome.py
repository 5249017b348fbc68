# SPDX-License-Identifier: GPL-2.0-or-later
"""What a simulation has found, kept in /run/twinsan: it depends on the configuration, Pacemaker's scheduler and this
code alone, and takes seconds on a small server. So one that is not known yet goes on after the check that began it.
"""

from __future__ import annotations

import json
import os
import sys
import time

from twinsan import __version__
from twinsan.deadline import Deadline
from twinsan.errors import DeadlinePassed, Failure, Reason, TooSlow
from twinsan.host import child, command, digest, lock, rundir
from twinsan.host.note import Note
from twinsan.operate.checks import chain, simulation, situations, times
from twinsan.operate.checks import stack as stack_of
from twinsan.operate.checks.report import Report
from twinsan.operate.checks.xml import etree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twinsan.operate.checks.configuration import Configuration
    from twinsan.operate.checks.stack import Stack

NOTE, LOCK = "simulated", "simulation"

# The shape of the note; another one counts as none.
_FORM = 1
# The configuration that is loaded, and those that somebody tries beside it.
_MOST = 4

SECONDS = 120.0
_NICE = 10

# Where distributions have Pacemaker's libraries, and the names of those that plan. An update of a library alone changes
# plans as well.
_FOLDERS = ("/usr/lib64", "/usr/lib", f"/usr/lib/{getattr(sys.implementation, '_multiarch', '')}")
_LIBRARIES = ("libpacemaker.", "libpe_", "libcrmcommon.", "libcib.")
_PROGRAM = "crm_simulate"

STILL_RUNNING = Reason(
    TooSlow, "it is still being simulated, and that goes on in the background", "type the same again in some seconds"
)
NO_OUTCOME = Reason(
    Failure,
    f"the simulation in the background left nothing in {rundir.DIRECTORY}",
    f"see: df {rundir.DIRECTORY}; dmesg; or let it be simulated beside: cibadmin --query >cib.xml; twinsan check "
    "cib.xml",
)

_FAULTS = {fault.key: fault for fault in (*simulation.FAULTS, *chain.FAULTS, *times.FAULTS)}


def of_file(configuration: Configuration, deadline: Deadline) -> Report:
    """Return what the scheduler would do wrong with a configuration that somebody thinks about: what is known of it, or
    what a simulation finds until the deadline.
    """
    stacks = stack_of.of(configuration)
    if not simulation.is_due(configuration, stacks):
        return simulation.advised(stacks)
    known = None
    try:
        # The folder is made by what runs in a cluster, not by a look at a file.
        if os.path.isdir(rundir.DIRECTORY):
            known = _known(_key(configuration, stacks))
    except (Failure, OSError):
        # Not root's to read, or no scheduler, which the simulation tells better.
        pass
    return known or simulation.run(configuration, stacks, deadline)


def of_pair(configuration: Configuration, deadline: Deadline) -> Report:
    """Return what the scheduler would do wrong with the pair's configuration: what is known of it, or what a simulation
    in the background has found by the deadline. Who may not keep anything simulates here.
    """
    stacks = stack_of.of(configuration)
    if not simulation.is_due(configuration, stacks):
        return simulation.advised(stacks)
    try:
        key = _key(configuration, stacks)
        known = _known(key)
    except (Failure, OSError):
        return simulation.run(configuration, stacks, deadline)
    if known is not None:
        return known
    try:
        return _found_aside(configuration, stacks, key, deadline)
    except (Failure, OSError) as failure:
        report = simulation.advised(stacks)
        report.not_seen(simulation.ALL, failure)
    return report


def _found_aside(configuration: Configuration, stacks: list[Stack], key: str, deadline: Deadline) -> Report:
    """Let it be simulated in the background, unless that is going on already, and return what is found. The lock is
    held for as long as something is simulated. Raises Failure if nothing was found by the deadline.
    """
    begun = False
    try:
        while True:
            with lock.Held(LOCK, deadline):
                # What failed before this began is tried again.
                known = _known(key, whole=not begun)
                if known is not None:
                    return known
                if begun:
                    raise NO_OUTCOME()  # noqa: RSE102  a Reason, which makes the exception
                begun = True
                # The lock is of the open file, which it inherits: one of both holds it all the time.
                child.run_detached(lambda: _simulate_and_keep(configuration, stacks, key))
    except DeadlinePassed:
        raise STILL_RUNNING() from None  # noqa: RSE102


def _simulate_and_keep(configuration: Configuration, stacks: list[Stack], key: str) -> None:
    os.nice(_NICE)
    try:
        report = simulation.run(configuration, stacks, Deadline(SECONDS))
    except Exception as defect:  # noqa: BLE001  who waits for it reports it
        report = Report()
        report.not_seen(simulation.ALL, f"{type(defect).__name__}: {defect}")
    keep(key, report)


def keep(key: str, report: Report) -> None:
    """Note an outcome. The caller holds the lock."""
    others = [each for each in _entries() if each.get("key") != key and each.get("unseen") == []]
    findings = [
        {"fault": each.fault.key, "where": each.where, "node": each.node, "values": each.values}
        for each in report.findings()
    ]
    entry = {"key": key, "findings": findings, "unseen": report.unseen}
    Note(NOTE).replace(json.dumps({"form": _FORM, "outcomes": [entry, *others][:_MOST]}))


def _entries() -> list[dict[str, Any]]:
    """What is noted; a note that is torn or of another version has nothing. Raises OSError if it cannot be read."""
    try:
        told = json.loads(Note(NOTE).read() or "null")
    except (ValueError, RecursionError):
        return []
    listed = told.get("outcomes") if isinstance(told, dict) and told.get("form") == _FORM else None
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _known(key: str, *, whole: bool = True) -> Report | None:
    """The outcome that is noted; None if there is none, or with `whole` one that lacks something."""
    for entry in _entries():
        if entry.get("key") == key:
            report = _report(entry)
            return None if report is None or (whole and report.unseen) else report
    return None


def _report(entry: dict[str, Any]) -> Report | None:
    """The report of an entry; None if it is none."""
    report = Report()
    try:
        for told in entry["findings"]:
            finding = _FAULTS[told["fault"]].at(told["where"], node=told["node"], **told["values"])
            # It has all values that its texts need.
            finding.json()
            report.add([finding])
        for what, why in entry["unseen"]:
            report.not_seen(what, why)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None
    return report


def _key(configuration: Configuration, stacks: list[Stack]) -> str:
    """A digest of all that the outcome depends on. Raises NotInstalled without a scheduler."""
    parts = [[each.id for each in (*stack.targets, *stack.luns, *stack.doors)] for stack in stacks]
    depends = [__version__, _code(), _scheduler(), _minute(configuration), repr(parts)]
    begin = etree.tostring(etree.fromstring(situations.begin(configuration)), method="c14n")
    return digest.sha256("\0".join([*depends, ""]).encode("utf-8", "replace") + begin)


def _minute(configuration: Configuration) -> str:
    """Where rules look at the clock, the scheduler plans anew each minute."""
    return f"{time.time() // 60}" if configuration.element.find(".//date_expression") is not None else ""


def _scheduler() -> str:
    """Pacemaker's scheduler, as its files are told apart. To ask it for its version would start it."""
    files = [command.find(_PROGRAM)]
    for folder in _FOLDERS:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        files += [f"{folder}/{name}" for name in sorted(names) if name.startswith(_LIBRARIES)]
    return _told_apart(files)


def _code() -> str:
    """The code of these checks."""
    folder = os.path.dirname(__file__)
    return _told_apart([f"{folder}/{name}" for name in sorted(os.listdir(folder)) if name.endswith(".py")])


def _told_apart(files: list[str]) -> str:
    found = []
    for path in files:
        try:
            status = os.stat(path)
        except OSError:
            # A link to nothing.
            continue
        found.append(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino}")
    return "\n".join(found)
