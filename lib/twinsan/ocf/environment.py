# SPDX-License-Identifier: GPL-2.0-or-later
"""What the cluster passes to an agent: the OCF_* variables. Only this module reads them."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Pacemaker's executor passes 190 and 191 on since feature set 3.6.1 (Pacemaker 2.0.5), and treats them as "running"
# for every action since 3.17.4 (2.1.6).
_FEATURE_SET_WITH_DEGRADED = (3, 17, 4)


# The most digits of a number in the environment: Python refuses to convert thousands of digits, and to wait for years.
_MOST_DIGITS = 9


def one_line(text: str) -> str:
    """Return `text` as one line for a log or a terminal; "?" replaces what is not printable. Text from outside must not
    look like a line of its own.
    """
    return "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else None


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
        """The resource's name; "by-hand" for an agent that is run by hand."""
        return one_line(self._variables.get("OCF_RESOURCE_INSTANCE", "")) or "by-hand"

    @property
    def resource(self) -> str:
        """The resource's name without a clone's instance number (``p_drbd:1`` is ``p_drbd``)."""
        return self.instance.rpartition(":")[0] or self.instance

    @property
    def node(self) -> str:
        """The name of this node, which the cluster passes to every action; "" outside of a cluster."""
        return self.meta("on_node") or ""

    @property
    def reason_prefix(self) -> str:
        """What an exit reason starts with on standard error."""
        prefix = self._variables.get("OCF_EXIT_REASON_PREFIX", "")
        return prefix if prefix and prefix.isprintable() else "ocf-exit-reason:"

    @property
    def log_facility(self) -> str:
        """The syslog facility that Pacemaker is configured to use, in lower case; "none" for no log."""
        named = self._variables.get("PCMK_logfacility") or self._variables.get("HA_LOGFACILITY") or "daemon"
        return named.lower()

    @property
    def in_cluster(self) -> bool:
        """Whether Pacemaker runs the agent: only Pacemaker passes its feature set."""
        return "OCF_RESKEY_crm_feature_set" in self._variables

    @property
    def names_version(self) -> bool:
        """Whether the caller names the version of the API that it speaks, as Pacemaker does since 2.1."""
        return "OCF_RA_VERSION_MAJOR" in self._variables

    @property
    def hides_programs(self) -> bool:
        """Whether ocf-tester wants to see what the agent does on a host without any of its programs."""
        return "OCF_TESTER_FAIL_HAVE_BINARY" in self._variables

    @property
    def knows_degraded(self) -> bool:
        """Whether the cluster understands "degraded" (190, 191)."""
        numbers = [_number(part) for part in self._variables.get("OCF_RESKEY_crm_feature_set", "").split(".")]
        known = [number for number in numbers if number is not None]
        return known == numbers and tuple(known) >= _FEATURE_SET_WITH_DEGRADED

    @property
    def timeout(self) -> float | None:
        """Seconds that this action may take; None if the caller sets no timeout."""
        milliseconds = _number(self.meta("timeout") or "")
        return milliseconds / 1000 if milliseconds else None

    @property
    def interval(self) -> float:
        """Seconds between two runs of this action; 0 where it is run once."""
        return (_number(self.meta("interval") or "") or 0) / 1000

    @property
    def check_level(self) -> int | None:
        """The check level of monitor and validate-all: 0, 10 or 20; None if the caller sets none. Levels between count
        as the next lower one (OCF 1.1, "Check levels").
        """
        level = _number(self._variables.get("OCF_CHECK_LEVEL") or self.parameter("OCF_CHECK_LEVEL") or "")
        return None if level is None else min(level // 10 * 10, 20)

    @property
    def is_clone(self) -> bool:
        """Whether the resource is an instance of a clone."""
        return self.meta("clone") is not None

    @property
    def is_probe(self) -> bool:
        """Whether a monitor is a probe: the cluster gives it no interval (Pacemaker 2.1.5 and 3.0.0), or the caller
        gives it 0 (ocf-tester). A monitor run by hand has no interval and is no probe.
        """
        interval = self.meta("interval")
        return interval == "0" or (not interval and self.in_cluster)

    @property
    def role(self) -> str:
        """The role that a monitor operation is configured for: "Promoted", "Unpromoted", "Stopped"; "" for none."""
        return self.meta("role") or ""

    def notification(self) -> tuple[str, str]:
        """Type and operation of a clone notification: ("pre" or "post", "start", "stop", "promote" or "demote")."""
        return self.meta("notify_type") or "", self.meta("notify_operation") or ""
