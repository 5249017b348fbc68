# SPDX-License-Identifier: GPL-2.0-or-later
"""A node attribute is set where it changes, again after some time, and not twice."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from twinsan.cluster import attributes
from twinsan.cluster.publication import Publication
from twinsan.deadline import Deadline
from twinsan.errors import Failure
from twinsan.host import rundir

NOW = Deadline(10)


class Cluster:
    """What was set, on which nodes; `refuses` makes it fail."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.refuses = False

    def set_on_every_node(self, name: str, value: str, _deadline: Deadline) -> None:
        self._set(f"{name}={value} everywhere")

    def set_node_attribute(self, name: str, value: str, _deadline: Deadline, *, private: bool) -> None:
        self._set(f"{name}={value}{' private' if private else ''}")

    def _set(self, what: str) -> None:
        if self.refuses:
            raise Failure("nobody answers")
        self.log.append(what)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    fake = Cluster()
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "twinsan"))
    monkeypatch.setattr(attributes, "set_on_every_node", fake.set_on_every_node)
    monkeypatch.setattr(attributes, "set_node_attribute", fake.set_node_attribute)
    return fake


@pytest.mark.parametrize(
    ("publication", "done"),
    [
        ({"on_every_node": True}, "peers=a everywhere"),
        ({}, "peers=a private"),
        ({"private": False}, "peers=a"),
    ],
)
def test_where_it_is_set(cluster: Cluster, publication: dict[str, bool], done: str) -> None:
    for _ in range(2):
        Publication("peers", "note", **publication).publish("a", NOW, 60)
    assert cluster.log == [done]


def test_a_value_is_set_again_when_it_changes_and_after_some_time(cluster: Cluster) -> None:
    publication = Publication("peers", "note")
    publication.publish("a", NOW, 60)
    publication.publish("", NOW, 60)
    publication.publish("", NOW, 60)
    assert cluster.log == ["peers=a private", "peers= private"]
    publication.publish("", NOW, 0)
    past = time.time() - 61
    os.utime(publication.note.path, (past, past))
    publication.publish("", NOW, float("inf"))
    assert len(cluster.log) == 3
    publication.publish("", NOW, 60)
    assert len(cluster.log) == 4


@pytest.mark.parametrize("on_every_node", [False, True])
def test_a_value_that_was_not_taken_is_tried_again(cluster: Cluster, *, on_every_node: bool) -> None:
    """Even the one before it: some nodes may have the new value."""
    publication = Publication("peers", "note", on_every_node=on_every_node)
    publication.publish("a", NOW, 60)
    cluster.refuses = True
    with pytest.raises(Failure):
        publication.publish("b", NOW, 60)
    cluster.refuses = False
    publication.publish("a", NOW, 60)
    assert len(cluster.log) == 2
