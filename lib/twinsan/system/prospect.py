# SPDX-License-Identifier: GPL-2.0-or-later
"""What a LUN of a DRBD device would be on this node, as far as that is known without one.

Most of what hosts know a LUN by is set by its agent, from the configuration that both nodes have. What a node
contributes by itself follows from its kernel and from the device's queue, which a Secondary has as well.
"""

from __future__ import annotations

import os

from twinsan.system import device_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.system.device_limits import Limits


def of(minor: int, disk: Limits) -> dict[str, str]:
    """The fields of the fingerprint that a LUN of a DRBD device of this node would have, `disk` being what the disk
    below it can do.
    """
    # Where a disk can discard, the configuration says whether the LUN does.
    thick = {} if disk.discards else {"emulate_tpu": "0", "emulate_tpws": "0"}
    return {**device_limits.shape_of_drbd(minor), **thick, **_of_kernel(os.uname().release)}


def _of_kernel(release: str) -> dict[str, str]:
    """What kernels decide: REPORT SUPPORTED OPERATION CODES came with 6.3, and a relative target port that can be set
    with 6.4.
    """
    numbers = f"{release.partition('-')[0]}.0".split(".")[:2]
    version = [int(number) if number.isdecimal() else 0 for number in numbers]
    fields = {"emulate_rsoc": "1" if version >= [6, 3] else "0"}
    return fields if version >= [6, 4] else {**fields, "rtpi": "1"}
