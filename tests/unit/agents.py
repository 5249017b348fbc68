# SPDX-License-Identifier: GPL-2.0-or-later
"""The agents' executables, as classes; and the values that the shipped template gives them."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import os
import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from twinsan.ocf import diagnostics
from twinsan.ocf.agent import Agent
from twinsan.ocf.environment import Environment

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "agents"
TEMPLATE = ROOT / "cib-templates" / "san.xml"
NAMES = ("drbd-vaai", "lio-iscsi-target", "lio-lun", "portal-ip")


def load(name: str) -> type[Agent]:
    """The class that the executable `name` defines."""
    path = str(FOLDER / name)
    module_name = f"agent_{name.replace('-', '_')}"
    loader = importlib.machinery.SourceFileLoader(module_name, path)
    specification = importlib.util.spec_from_loader(module_name, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Agent)]
    own = [value for value in found if value.__module__ == module_name]
    assert len(own) == 1, f"{path} defines {len(own)} agents"
    return own[0]


class Runner:
    """Runs an agent by hand with parameters that a call can change; calling it gives the exit code."""

    def __init__(self, name: str, **values: str) -> None:
        self.agent = load(name)
        self._values = values

    def __call__(self, action: str, **changes: str) -> int:
        variables = {f"OCF_RESKEY_{name}": value for name, value in {**self._values, **changes}.items()}
        agent = self.agent(Environment({"PCMK_logfacility": "none", **variables}), action)
        told: list[str] = []
        explain = agent.explain
        agent.explain = lambda reason: told.append(reason) or explain(reason)  # type: ignore[method-assign,func-returns-value]
        status = agent.run()
        assert not [reason for reason in told if not is_in_the_manual(self.agent.name, reason)]
        return status

    def probe(self, **changes: str) -> int:
        """Run a monitor as the cluster does before it knows where a resource runs."""
        return self("monitor", CRM_meta_interval="0", **changes)


@functools.cache
def diagnosed(name: str) -> list[diagnostics.Reason]:
    """The reasons that the manual page of an agent has."""
    found = diagnostics.of(str(FOLDER / name), str(ROOT / "lib"))
    return [reason for reasons in found.values() for reason in reasons]


def is_in_the_manual(name: str, text: str) -> bool:
    """Whether the manual page of an agent has a reason that it gives."""
    return any(re.search(reason.pattern(), text, re.DOTALL) for reason in diagnosed(name))


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


def environment(name: str, interval_ms: int) -> dict[str, str]:
    """The environment of a monitor of `name` as the cluster makes it, with the template's values."""
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C",
        "OCF_ROOT": "/usr/lib/ocf",
        "OCF_RESOURCE_INSTANCE": f"test-{name}-{os.getpid()}",
        "OCF_RESKEY_crm_feature_set": "3.20.0",
        "OCF_RESKEY_CRM_meta_interval": str(interval_ms),
        "OCF_RESKEY_CRM_meta_timeout": "20000",
        "PCMK_logfacility": "none",
        **template_values(name),
    }
