# SPDX-License-Identifier: GPL-2.0-or-later
"""The promotion score: how well a replica on this node could be promoted.

It is a node attribute. The one behind ``crm_attribute --promotion=RESOURCE`` has been ``master-RESOURCE`` in every
version, and Pacemaker 2.0 does not know that option yet.
"""

from __future__ import annotations

from twinsan.cluster.publication import Publication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.deadline import Deadline

# The attribute daemon can lose the score (an operator's clean-up), so an unchanged one is set again after this time.
# A restart of the daemon makes notes void (see `published`).
_SECONDS_UNTIL_REPEATED = 300.0


def set_promotion_score(resource: str, score: int | None, deadline: Deadline, *, always: bool = False) -> None:
    """Set the promotion score of a primitive on this node; None for not to be promoted at all.

    If the same score was set less than 300 s ago, nothing is run unless `always` is set. Raises CommandFailed if the
    cluster does not accept it; the next call then tries again.
    """
    # The scheduler has to see it, so it is not private.
    publication = Publication(f"master-{resource}", f"promotion-score.{resource}", private=False)
    publication.publish("" if score is None else str(score), deadline, 0.0 if always else _SECONDS_UNTIL_REPEATED)
