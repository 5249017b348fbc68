# SPDX-License-Identifier: GPL-2.0-or-later
"""Load the class of an agent from its executable."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from twinsan.ocf.agent import Agent

if TYPE_CHECKING:
    from types import CodeType

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "agents"
NAMES = ("drbd-vaai", "lio-iscsi-target", "lio-lun", "portal-ip")


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles an executable once, and leaves nothing beside it."""

    @functools.lru_cache(maxsize=len(NAMES))  # noqa: B019  there is one loader for each agent
    def get_code(self, fullname: str) -> CodeType | None:
        before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            return super().get_code(fullname)
        finally:
            sys.dont_write_bytecode = before


@functools.cache
def _loader(module_name: str, path: str) -> _Loader:
    return _Loader(module_name, path)


def load(name: str) -> type[Agent]:
    """Return the class that the executable `name` defines: a new one at each call, from a module of its own."""
    path = str(FOLDER / name)
    module_name = f"agent_{name.replace('-', '_')}"
    loader = _loader(module_name, path)
    specification = importlib.util.spec_from_loader(module_name, loader)
    assert specification is not None
    module = importlib.util.module_from_spec(specification)
    loader.exec_module(module)
    found = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Agent)]
    own = [value for value in found if value.__module__ == module_name]
    assert len(own) == 1, f"{path} defines {len(own)} agents"
    return own[0]
