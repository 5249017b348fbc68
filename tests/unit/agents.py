# SPDX-License-Identifier: GPL-2.0-or-later
"""The agents' executables, as classes; and the values that the shipped template gives them."""

from __future__ import annotations

import functools
import os
import re
from xml.etree import ElementTree as ET

import pytest

from tests.unit import pacemaker
from tools.manual import agent_class, reasons
from twinsan.ocf.environment import Environment

ROOT, FOLDER, NAMES, load = agent_class.ROOT, agent_class.FOLDER, agent_class.NAMES, agent_class.load
TEMPLATE = ROOT / "cib-templates" / "san.xml"


class Runner:
    """Runs an agent with parameters that a call can change; calling it gives the exit code. It runs by hand, unless the
    cluster's feature set is among them (crm_feature_set): then it is told what such a cluster tells.
    """

    def __init__(self, name: str, **values: str) -> None:
        self.agent = load(name)
        self._values = values

    def __call__(self, action: str, **changes: str) -> int:
        return self._run(
            action, {"monitor": "monitor-promoted", "notify": "notify-post-start"}.get(action, action), changes
        )

    def probe(self, **changes: str) -> int:
        """Run a monitor as the cluster does before it knows where a resource runs."""
        return self._run("monitor", "probe", changes)

    def _run(self, action: str, call: str, changes: dict[str, str]) -> int:
        values = {**self._values, **changes}
        values = {**_told(values.get("crm_feature_set", ""), call), **values}
        variables = {f"OCF_RESKEY_{name}": value for name, value in values.items()}
        agent = self.agent(Environment({"PCMK_logfacility": "none", **variables}), action)
        told: list[str] = []
        explain = agent.explain
        agent.explain = lambda reason: told.append(reason) or explain(reason)  # type: ignore[method-assign,func-returns-value]
        status = agent.run()
        assert not [reason for reason in told if not is_in_the_manual(self.agent.name, reason)]
        return status


def _told(feature_set: str, call: str) -> dict[str, str]:
    """What a cluster tells besides parameters. By hand a probe is asked for as ocf-tester does."""
    if not feature_set:
        return {"CRM_meta_interval": "0"} if call == "probe" else {}
    if not pacemaker.knows(call):
        return {}
    return pacemaker.told("3.0.0" if feature_set >= "3.20" else "2.1.5", call)


@functools.cache
def diagnosed(name: str) -> list[str]:
    """Regular expressions for the reasons that the manual page of an agent has."""
    return list(map(reasons.pattern, reasons.of(load(name), str(ROOT / "lib"))))


def is_in_the_manual(name: str, text: str) -> bool:
    """Whether the manual page of an agent has a reason that it gives."""
    return any(re.search(pattern, text, re.DOTALL) for pattern in diagnosed(name))


def reason(capture: pytest.CaptureFixture[str]) -> str:
    """The one exit reason that was printed."""
    lines = [line for line in capture.readouterr().err.splitlines() if line.startswith("ocf-exit-reason:")]
    assert len(lines) == 1, lines
    return lines[0].partition(":")[2]


def template_values(name: str) -> dict[str, str]:
    """The parameters that the template gives to the agent `name`, as environment variables."""
    for primitive in ET.parse(TEMPLATE).iter("primitive"):
        if primitive.get("provider") == "twinsan" and primitive.get("type") == name:
            pairs = primitive.findall("instance_attributes/nvpair")
            return {f"OCF_RESKEY_{pair.get('name')}": pair.get("value", "") for pair in pairs}
    raise AssertionError(f"{TEMPLATE.name} has no resource of type {name}")


def environment(name: str, version: str, call: str) -> dict[str, str]:
    """The environment of a call of `name` as a version of Pacemaker makes it, with the template's values."""
    given = pacemaker.environment(version, call, clone=name in ("drbd-vaai", "lio-iscsi-target"))
    return {**given, "OCF_RESOURCE_INSTANCE": f"test-{name}-{os.getpid()}", **template_values(name)}
