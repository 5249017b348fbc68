# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster tells an agent: the OCF_* variables, read once and here alone."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Pacemaker's executor passes 190 and 191 on since feature set 3.6.1 (Pacemaker 2.0.5), and treats them as "running"
# for every action since 3.17.4 (2.1.6).
_FEATURE_SET_WITH_DEGRADED = (3, 17, 4)


class Environment:
    """The environment of one call of an agent."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self._variables = os.environ if variables is None else variables

    def parameter(self, name: str) -> str | None:
        """The instance parameter `name` as it was given, or None."""
        return self._variables.get(f"OCF_RESKEY_{name}")

    def meta(self, name: str) -> str | None:
        """The meta attribute `name` (``CRM_meta_…``), or None."""
        return self._variables.get(f"OCF_RESKEY_CRM_meta_{name}")

    @property
    def instance(self) -> str:
        """The resource's name; an agent run by hand has none."""
        return self._variables.get("OCF_RESOURCE_INSTANCE", "") or "by-hand"

    @property
    def resource(self) -> str:
        """The resource's name without a clone's instance number (``p_drbd:1`` is ``p_drbd``)."""
        return self.instance.rpartition(":")[0] or self.instance

    @property
    def reason_prefix(self) -> str:
        """What an exit reason starts with on standard error."""
        return self._variables.get("OCF_EXIT_REASON_PREFIX", "ocf-exit-reason:")

    @property
    def log_facility(self) -> str:
        """The syslog facility that Pacemaker was told to use, in lower case; "none" for no log."""
        named = self._variables.get("PCMK_logfacility") or self._variables.get("HA_LOGFACILITY") or "daemon"
        return named.lower()

    @property
    def in_cluster(self) -> bool:
        """Whether Pacemaker runs the agent; it alone tells its feature set."""
        return "OCF_RESKEY_crm_feature_set" in self._variables

    @property
    def names_version(self) -> bool:
        """Whether the caller names the version of the API that it speaks, as Pacemaker does since 2.1."""
        return "OCF_RA_VERSION_MAJOR" in self._variables

    @property
    def plays_bare_host(self) -> bool:
        """Whether ocf-tester wants to see what the agent does on a host without any of its programs."""
        return "OCF_TESTER_FAIL_HAVE_BINARY" in self._variables

    @property
    def knows_degraded(self) -> bool:
        """Whether the cluster understands "degraded" (190, 191)."""
        text = self._variables.get("OCF_RESKEY_crm_feature_set", "")
        numbers = text.split(".")
        if not all(number.isdecimal() for number in numbers):
            return False
        return tuple(map(int, numbers)) >= _FEATURE_SET_WITH_DEGRADED

    @property
    def timeout(self) -> float | None:
        """Seconds that this action may take, or None where nobody said."""
        text = self.meta("timeout") or ""
        return int(text) / 1000 if text.isdecimal() and int(text) > 0 else None

    @property
    def check_level(self) -> int | None:
        """How deep monitor and validate-all shall look: 0, 10 or 20; None where nobody said. Levels between count as
        the next lower one (OCF 1.1, "Check levels").
        """
        text = self._variables.get("OCF_CHECK_LEVEL") or self.parameter("OCF_CHECK_LEVEL") or ""
        return min(int(text) // 10 * 10, 20) if text.isdecimal() else None

    @property
    def is_probe(self) -> bool:
        """Whether a monitor is a probe. An agent run by hand has no interval and is not probing."""
        return self.meta("interval") == "0"

    def notification(self) -> tuple[str, str]:
        """Type and operation of a clone notification: ("pre" or "post", "start", "stop", "promote" or "demote")."""
        return self.meta("notify_type") or "", self.meta("notify_operation") or ""
