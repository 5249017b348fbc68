# SPDX-License-Identifier: GPL-2.0-or-later
"""Change the cluster's configuration in one step, and only if it is still the one that was looked at."""

from __future__ import annotations

import os
import time
import xml.etree.ElementTree as ET

from twinsan.cluster import cib
from twinsan.errors import Failure, Reason
from twinsan.host import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# Exit statuses: of cibadmin for a patch of another version (CRM_EX_OLD), of crm_diff for a difference (CRM_EX_ERROR).
_OLDER = 103
_DIFFERENT = 1

# The numbers of the configuration's version. The third one counts changes of the status.
_VERSION = ("admin_epoch", "epoch")
_UPDATES = "num_updates"


class ChangedMeanwhile(Failure):
    """Somebody else has changed the configuration."""


CHANGED = Reason(ChangedMeanwhile, "the cluster's configuration has changed meanwhile: it was {old} and is {new}")
NOT_MADE = Reason(Failure, "crm_diff does not describe this change: {error}")


def version(xml: str) -> str:
    """Return the version of a configuration, such as 0.12."""
    root = ET.fromstring(xml)  # noqa: S314  from the cluster itself
    return ".".join(root.get(name, "0") for name in _VERSION)


def apply(folder: str, old: str, new: str, deadline: Deadline) -> None:
    """Change the configuration `old` into `new`, in one step. Raises ChangedMeanwhile if the cluster has another one
    than `old`; a change of its status does not count. `folder` is one that only this user can read.
    """
    patch = _difference(folder, old, new, deadline)
    source = patch.find("version/source")
    assert source is not None
    while True:
        now = cib.query_version(deadline)
        if version(now) != version(old):
            raise CHANGED(old=version(old), new=version(now))
        source.set(_UPDATES, ET.fromstring(now).get(_UPDATES, "0"))  # noqa: S314
        text = ET.tostring(patch, encoding="unicode")
        result = command.run("cibadmin", "--patch", "--xml-pipe", input=text, deadline=deadline, check=False)
        if result.ok:
            return
        if result.status != _OLDER or deadline.expired():
            raise command.CommandFailed(result)
        # The status has changed since the query, or the configuration: the next query tells.
        time.sleep(0.05)


def _difference(folder: str, old: str, new: str, deadline: Deadline) -> ET.Element:
    """Return the change as crm_diff writes it, after a trial."""
    before, after = _parsed(old), _parsed(new)
    for tree in (before, after):
        for status in tree.findall("status"):
            tree.remove(status)
    after.attrib.update(before.attrib)
    after.set("epoch", str(int(before.get("epoch", "0")) + 1))
    after.set(_UPDATES, "0")
    files = [os.path.join(folder, name) for name in ("old.xml", "new.xml", "patch.xml")]
    _write(files[0], before)
    _write(files[1], after)
    words = ("crm_diff", "--cib", "--original", files[0])
    made = command.run(*words, "--new", files[1], deadline=deadline, check=False)
    if made.status != _DIFFERENT or not made.stdout.strip():
        raise NOT_MADE(error=made.complaint or f"exit status {made.status}")
    patch = ET.fromstring(made.stdout)  # noqa: S314
    # The digest would be that of a cluster without a status.
    patch.attrib.pop("digest", None)
    _write(files[2], patch)
    tried = command.run(*words, "--patch", files[2], deadline=deadline, check=False)
    if not tried.ok or not _equal(_parsed(tried.stdout), after):
        complaint = "" if tried.ok else tried.complaint
        raise NOT_MADE(error=complaint or "a trial gives another configuration")
    return patch


def _parsed(xml: str) -> ET.Element:
    """Return a configuration with its comments: they count in the places that a patch names."""
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))  # noqa: S314
    parser.feed(xml)
    found: ET.Element = parser.close()
    return found


def _write(name: str, element: ET.Element) -> None:
    with open(name, "w", encoding="utf-8") as file:
        file.write(ET.tostring(element, encoding="unicode"))


def _equal(one: ET.Element, other: ET.Element) -> bool:
    """Whether two configurations have the same parts in the same order. The versions may differ."""
    alike = one.tag == other.tag and (one.tag == "cib" or one.attrib == other.attrib) and len(one) == len(other)
    return alike and all(_equal(*pair) for pair in zip(one, other))
