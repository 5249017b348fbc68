# SPDX-License-Identifier: GPL-2.0-or-later
"""``twinsan remove``: what twinsan serves leaves the cluster's configuration. Import it after `packages.find`."""

from __future__ import annotations

import dataclasses
import sys

from twinsan.errors import Failure, Reason
from twinsan.operate import apply, in_use, reading, remote

REFUSED = Reason(Failure, "nothing was removed")


def remove(site_file: str, *, assume_yes: bool, even_so: bool) -> int:
    """Take out of the running cluster what a site serves, after asking. Returns the exit status: 2 if the site file has
    mistakes, which are printed. Raises Failure.
    """
    site = reading.site(site_file)
    if site is None:
        return reading.WRONG
    if not even_so:
        nodes = remote.pair(node.name for node in site.nodes)
        doubts = [each for node in nodes for each in in_use.doubts(node, in_use.facts(node))]
        for each in doubts:
            print(f"twinsan: {each}", file=sys.stderr)
        if doubts:
            raise REFUSED()  # noqa: RSE102  a Reason, which makes the exception
    # The nodes and their fence devices stay: whatever else the cluster runs needs them.
    nothing = dataclasses.replace(site, resources=(), alerts=None)
    return apply.bring(nothing, assume_yes=assume_yes, with_files=False)
