# SPDX-License-Identifier: GPL-2.0-or-later
"""Load the class of an agent from its executable."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

from twinsan.ocf.agent import Agent

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "agents"
NAMES = ("drbd-vaai", "lio-iscsi-target", "lio-lun", "portal-ip")


def load(name: str) -> type[Agent]:
    """Return the class that the executable `name` defines."""
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
