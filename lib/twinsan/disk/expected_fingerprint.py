# SPDX-License-Identifier: GPL-2.0-or-later
"""The fingerprint that a LUN on a DRBD device would have on this node, as far as it is known without the LUN.

The agent sets most of a fingerprint from the configuration, which is the same on both nodes. The rest depends on the
node's kernel and on the queue limits of the device, which a Secondary has as well.
"""

from __future__ import annotations

import os

from twinsan.host import device_limits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.host.device_limits import Limits

# REPORT SUPPORTED OPERATION CODES came with Linux 6.3, a relative target port that can be set with 6.4.
_KERNEL_WITH_RSOC = [6, 3]
_KERNEL_WITH_RTPI = [6, 4]


def fields(minor: int, disk: Limits) -> dict[str, str]:
    """Return the fields of the fingerprint, by name, for the DRBD device with minor number `minor`. `disk` has the
    limits of its backing device.
    """
    # If the disk can discard, the configuration decides whether the LUN does.
    thick = {} if disk.discards else {"emulate_tpu": "0", "emulate_tpws": "0"}
    return {**device_limits.io_topology_of_drbd(minor), **thick, **_kernel_fields(os.uname().release)}


def _kernel_fields(release: str) -> dict[str, str]:
    numbers = f"{release.partition('-')[0]}.0".split(".")[:2]
    version = [int(number) if number.isdecimal() else 0 for number in numbers]
    found = {"emulate_rsoc": "1" if version >= _KERNEL_WITH_RSOC else "0"}
    return found if version >= _KERNEL_WITH_RTPI else {**found, "rtpi": "1"}
