# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder for files that may hold secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinsan.host import private_folder


def test_nobody_else_can_read_it_and_it_goes_whatever_happens() -> None:
    seen: list[Path] = []

    def fail() -> None:
        with private_folder.made() as made:
            seen.append(Path(made))
            (seen[0] / "secret").write_text("x")
            assert seen[0].stat().st_mode & 0o777 == 0o700
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not seen[0].exists()


def test_without_a_place_in_memory_it_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    with private_folder.made() as one, private_folder.made() as other:
        assert one != other
        assert Path(one).parent == Path("/tmp")
