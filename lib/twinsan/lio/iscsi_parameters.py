# SPDX-License-Identifier: GPL-2.0-or-later
"""The iSCSI parameters of a portal group, which initiators and target negotiate at login (RFC 7143, section 13)."""

from __future__ import annotations

import errno

from twinsan.errors import Misconfigured, Reason
from twinsan.lio import configfs

# LIO's own values are slower: 64 KiB in a first burst, one outstanding R2T, an R2T before each write, two seconds until
# a lost connection is made again (13.15: the longer value of the two sides counts). Of each other value, ESXi takes the
# lower of this one and its own. What a target declares as its longest segment is its MaxXmitDataSegmentLength: its
# MaxRecvDataSegmentLength has no effect on a login, and is the same here so that nobody wonders.
TUNED = {
    "DefaultTime2Wait": "0",
    "FirstBurstLength": "262144",
    "ImmediateData": "Yes",
    "InitialR2T": "No",
    "MaxBurstLength": "1048576",
    "MaxOutstandingR2T": "8",
    "MaxRecvDataSegmentLength": "262144",
    "MaxXmitDataSegmentLength": "262144",
}

# The other parameters that may be set, with the kernel's defaults (iscsi_target_parameters.h). All further ones are
# fixed by the kernel's code, or follow from whether CHAP is used.
_KERNEL_DEFAULTS = {
    "DataDigest": "CRC32C,None",
    "DataPDUInOrder": "Yes",
    "DataSequenceInOrder": "Yes",
    "DefaultTime2Retain": "20",
    "ErrorRecoveryLevel": "0",
    "HeaderDigest": "CRC32C,None",
    "MaxConnections": "1",
    "TargetAlias": "LIO Target",
}
# All that may be set.
KNOWN = frozenset((*TUNED, *_KERNEL_DEFAULTS))

UNKNOWN = Reason(
    Misconfigured, "additional_parameters has {name}, which is none of {known}", parameter="additional_parameters"
)
REFUSED = Reason(
    Misconfigured,
    "the kernel does not take {name}={value} as an iSCSI parameter: {error}",
    "correct additional_parameters (RFC 7143, section 13, has the values)",
    parameter="additional_parameters",
)


def check(given: dict[str, str]) -> None:
    """Raise Misconfigured for a parameter that cannot be set. The kernel checks the values (see `ensure`)."""
    unknown = sorted(set(given) - KNOWN)
    if unknown:
        raise UNKNOWN(name=unknown[0], known=" ".join(sorted(KNOWN)))


def complete(given: dict[str, str]) -> dict[str, str]:
    """Return all parameters with their values: those that are given, and the defaults of the others."""
    return {**_KERNEL_DEFAULTS, **TUNED, **given}


def ensure(group: str, parameters: dict[str, str]) -> None:
    """Set the parameters of a portal group. Existing sessions keep theirs. Raises Misconfigured for a value that the
    kernel refuses.
    """
    for name, value in parameters.items():
        try:
            configfs.set_if_different(f"{group}/param/{name}", value)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise REFUSED(name=name, value=value, error=configfs.describe(error)) from None
