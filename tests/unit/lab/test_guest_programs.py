# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that the tests on a cluster keep as text and run in guests, where no type checker looks."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from tests.unit import agents

_FOLDER = Path(__file__).resolve().parents[2] / "cluster"
_IMPORT = re.compile(r"^from (twinsan[\w.]*) import ([\w, ]+)$", re.MULTILINE)
_IMPORTS = [
    (path.name, module, names)
    for path in sorted(_FOLDER.glob("*.py"))
    for module, names in _IMPORT.findall(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("file", "module", "names"), _IMPORTS)
def test_what_they_import_is_there(file: str, module: str, names: str) -> None:
    if module == "twinsan.agents":
        # Where the installation puts them (see test_install).
        assert {name.replace("_", "-") for name in names.split(", ")} <= set(agents.NAMES)
        return
    found = importlib.import_module(module)
    for name in names.split(", "):
        assert hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}") is not None, file
