# SPDX-License-Identifier: GPL-2.0-or-later
"""The parser, fed with what real nodes printed, and what the states mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinsan.drbd import events2, obstacle, promotion_score
from twinsan.drbd import health as drbd_health
from twinsan.drbd.events2 import Resource

DATA = Path(__file__).parents[1] / "data" / "drbd9"

# As drbd-utils prints it for a module of version 8.4: for all resources, whichever was asked for.
PEER_8_4 = "peer-node-id:0 conn-name:peer"
TEXT_8_4 = f"""\
exists resource name:other role:Primary suspended:no
exists resource name:san role:Secondary suspended:no
exists connection name:other {PEER_8_4} connection:Connecting role:Unknown
exists connection name:san {PEER_8_4} connection:Connected role:Primary
exists device name:other volume:0 minor:1 disk:Diskless
exists device name:san volume:0 minor:0 disk:UpToDate
exists peer-device name:other {PEER_8_4} volume:0 replication:Off peer-disk:DUnknown resync-suspended:no
exists peer-device name:san {PEER_8_4} volume:0 replication:Established peer-disk:UpToDate resync-suspended:no
exists -
"""


def recorded(state: str) -> Resource:
    text = (DATA / f"{state}.txt").read_text()
    resource = events2.parse(text, "data0") or events2.parse(text, "data1")
    assert resource is not None
    return resource


@pytest.mark.parametrize(
    ("state", "score"),
    [
        ("primary-healthy", 10000),
        ("secondary-healthy", 10000),
        ("primary-sync-source", 10000),
        ("secondary-sync-target", None),
        ("secondary-peer-lost", 1000),
        ("secondary-standalone", None),
        ("primary-diskless", 10000),
        ("primary-no-data", None),
        ("primary-suspended-fencing", 10000),
        ("primary-peer-outdated", 10000),
        ("secondary-no-quorum", None),
        ("primary-no-quorum-io-error", None),
        ("secondary-outdated", None),
        ("secondary-forced", None),
        ("primary-two-volumes-one-diskless", 10000),
        ("secondary-negotiating", None),
        ("secondary-consistent", None),
    ],
)
def test_score(state: str, score: int | None) -> None:
    assert promotion_score.of(recorded(state)) == score


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("primary-healthy", ""),
        ("secondary-healthy", ""),
        ("primary-verify", ""),
        ("primary-sync-source", "data0 is resynchronising (SyncSource, 3.34% done), zeus cannot serve until then"),
        ("secondary-sync-target", "this node cannot serve until then"),
        ("secondary-peer-lost", "atlas does not answer"),
        ("secondary-standalone", "drbdadm connect data0"),
        ("primary-diskless", "drbdadm adjust data0"),
        ("primary-no-data", "no UpToDate data is in reach"),
        ("primary-suspended-fencing", "stonith_admin --confirm"),
        ("secondary-no-quorum", "has no quorum"),
        ("secondary-outdated", "data0 is Outdated"),
        ("secondary-forced", "demoted by force"),
        ("primary-two-volumes-one-diskless", "data1/1 is gone"),
        ("primary-resync-paused", "drbdadm resume-sync data0"),
        ("secondary-consistent", "data0 is Consistent"),
    ],
)
def test_ailment(state: str, words: str) -> None:
    ailment = drbd_health.ailment(recorded(state))
    assert words in ailment
    assert bool(ailment) == bool(words)
    assert "\n" not in ailment


@pytest.mark.parametrize(
    ("state", "words"), [("primary-no-data", "Diskless"), ("primary-no-quorum-io-error", "quorum")]
)
def test_failure_of_a_primary(state: str, words: str) -> None:
    assert words in drbd_health.failure(recorded(state))


@pytest.mark.parametrize("state", ["primary-diskless", "primary-suspended-fencing", "primary-sync-source"])
def test_a_primary_that_can_go_on_has_not_failed(state: str) -> None:
    assert drbd_health.failure(recorded(state)) == ""


@pytest.mark.parametrize(
    ("state", "may_pass"),
    [("secondary-consistent", True), ("secondary-negotiating", True), ("secondary-outdated", False)],
)
def test_obstacle(state: str, *, may_pass: bool) -> None:
    found = obstacle.find(recorded(state))
    assert found is not None
    assert found[1] == may_pass


def test_what_is_transient() -> None:
    assert drbd_health.is_transient(recorded("secondary-consistent"))
    assert not drbd_health.is_transient(recorded("secondary-peer-lost"))


def test_a_resource_that_is_down_is_none() -> None:
    assert events2.parse((DATA / "down.txt").read_text(), "data0") is None
    assert events2.parse((DATA / "primary-healthy.txt").read_text(), "data") is None
    assert events2.parse("", "data0") is None


def test_volumes_are_sorted() -> None:
    resource = recorded("primary-two-volumes-one-diskless")
    assert [(volume.number, volume.disk) for volume in resource.volumes] == [(0, "UpToDate"), (1, "Diskless")]
    assert resource.minors == [1, 2]


def test_8_4() -> None:
    resource = events2.parse(TEXT_8_4, "san")
    assert resource is not None
    assert resource.speaks_8_4
    assert not recorded("primary-healthy").speaks_8_4
    assert resource.minors == [0]
    assert [connection.role for connection in resource.connections] == ["Primary"]
    assert promotion_score.of(resource) == 10000
    assert drbd_health.ailment(resource) == ""


def test_several_reasons_of_a_freeze() -> None:
    resource = events2.parse("exists resource name:san role:Primary suspended:no-data,fencing\nexists -\n", "san")
    assert resource is not None
    assert resource.suspended == ("no-data", "fencing")


LINES = st.lists(
    st.one_of(
        st.text(st.characters(codec="ascii"), max_size=80),
        st.sampled_from((DATA / "primary-healthy.txt").read_text().splitlines()),
    ),
    max_size=12,
)


THREE = """\
exists resource name:san role:Primary suspended:no
exists connection name:san peer-node-id:1 conn-name:zeus connection:Connected role:Secondary
exists connection name:san peer-node-id:2 conn-name:hera connection:Connected role:Secondary
exists connection name:san peer-node-id:3 conn-name:away connection:Connecting role:Unknown
exists device name:san volume:0 minor:0 disk:UpToDate client:no quorum:yes
exists peer-device name:san peer-node-id:1 conn-name:zeus volume:0 replication:Established peer-disk:UpToDate
exists peer-device name:san peer-node-id:2 conn-name:hera volume:0 peer-disk:Diskless peer-client:yes
exists peer-device name:san peer-node-id:3 conn-name:away volume:0 replication:Off peer-disk:Outdated peer-client:no
"""


def test_which_peers_are_complete_and_which_have_no_disk() -> None:
    resource = events2.parse(THREE, "san")
    assert resource is not None
    assert resource.complete
    assert [peer.name for peer in resource.complete_peers] == ["zeus"]
    assert [peer.name for peer in resource.connections if peer.diskless] == ["hera"]


@given(LINES)
def test_no_output_breaks_the_parser_or_the_judgement(lines: list[str]) -> None:
    resource = events2.parse("\n".join(lines), "data0")
    if resource is not None:
        promotion_score.of(resource)
        obstacle.find(resource)
        assert isinstance(drbd_health.ailment(resource) + drbd_health.failure(resource), str)


def test_all_recordings_are_judged() -> None:
    for path in DATA.glob("*.txt"):
        if path.stem != "down":
            resource = recorded(path.stem)
            obstacle.find(resource)
            assert resource.primary == path.stem.startswith("primary")


def judgements() -> Iterator[str]:
    """What a monitor says of each state that was recorded, in the order of the recording: code, score and reason."""
    for section in (DATA / "every-state.events2").read_text().split("# ")[1:]:
        where, _, text = section.partition("\n")
        names = {word[5:] for line in text.splitlines() for word in line.split() if word.startswith("name:")}
        for name in sorted(names) or [""]:
            resource = events2.parse(text, name)
            yield f"{where}: {_judgement(resource)}"


def _judgement(resource: Resource | None) -> str:
    if resource is None:
        return "7"
    failure = drbd_health.failure(resource) if resource.primary else ""
    ailment = drbd_health.ailment(resource)
    well, ill = (8, 191) if resource.primary else (0, 190)
    code = 9 if failure else ill if ailment else well
    return f"{code}, score {promotion_score.of(resource)}. {failure or ailment}".rstrip()


def test_every_state_of_a_real_pair_is_judged_as_agreed() -> None:
    agreed = (DATA / "every-state.judgements").read_text()
    assert "\n".join(judgements()) + "\n" == agreed


COMMAND = re.compile(r"(drbdadm|twinsan|stonith_admin|fuser) [^;,']+")


def test_what_to_type_is_in_what_the_cluster_shows() -> None:
    """crm_mon cuts a reason after 128 characters; the names of real resources and volumes are no longer than these."""
    for line in (DATA / "every-state.judgements").read_text().splitlines():
        reason = line.partition(". ")[2]
        command = COMMAND.search(reason)
        assert not reason or (command is not None and command.end() <= 128), reason


def test_what_a_running_resync_tells() -> None:
    replica = events2.PeerVolume({"replication": "SyncTarget", "done": "2.88", "eta": "117", "out-of-sync": "254548"})
    assert (replica.done, replica.seconds_left, replica.out_of_sync) == ("2.88", 117, 254548)
    assert replica.resyncing
    assert events2.PeerVolume({"eta": "soon"}).seconds_left is None


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (59, "59 s"), (117, "1:57 min"), (3723, "1:02:03 h")])
def test_a_duration(seconds: int, words: str) -> None:
    assert drbd_health.duration(seconds) == words


def test_the_owner_of_a_device() -> None:
    assert events2.owners(TEXT_8_4, [0]) == ["san"]
    assert events2.owners(TEXT_8_4, [1]) == ["other"]
    assert sorted(events2.owners(TEXT_8_4, [0, 1])) == ["other", "san"]
    assert events2.owners(TEXT_8_4, [2]) == events2.owners(TEXT_8_4, []) == []


def test_no_resource_has_no_name() -> None:
    """Nor may it be taken for all resources, mixed."""
    assert events2.parse(TEXT_8_4, "") is None
