# SPDX-License-Identifier: GPL-2.0-or-later
"""Quorum and time-outs: corosync.conf, and, with a third vote, what ``corosync-quorumtool`` says of the votes."""

from __future__ import annotations

from twinsan.errors import Failure
from twinsan.host import command
from twinsan.operate.facts.cluster_shape import Votes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from twinsan.deadline import Deadline

# The tests set another place.
path = "/etc/corosync/corosync.conf"

# Defaults of corosync.conf(5) and corosync-qdevice(8), in milliseconds.
_TOKEN, _TOKEN_COEFFICIENT, _CONSENSUS_FACTOR, _QDEVICE_TIMEOUT = 3000, 650, 1.2, 10000
# corosync-qnetd gives a node up after 1.5 of its heartbeats, of which there is one in 0.8 of `timeout`.
_GIVE_UP = 1.5 * 0.8


def look(deadline: Deadline) -> Iterator[Votes]:
    """Yield what corosync.conf says, and then the same with the votes. Raises OSError if it cannot be read, and Failure
    if corosync does not answer.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        values = parse(file.read())
    yield of(values, "")
    if "quorum.device.model" in values:
        # A majority of votes ends with 0, a minority with 2.
        result = command.run("corosync-quorumtool", "-s", deadline=deadline, check=False)
        if "Expected votes" not in result.stdout:
            raise Failure(result.complaint or "corosync-quorumtool says nothing")
        yield of(values, result.stdout)


def parse(text: str) -> dict[str, str]:
    """The values of a corosync.conf, by their names with those of their sections, such as totem.token. Nodes are
    counted: nodelist.node is how many there are.
    """
    values: dict[str, str] = {}
    sections: list[str] = []
    for line in text.splitlines():
        words = line.strip()
        if words.startswith("#"):
            continue
        if words.endswith("{"):
            sections.append(words[:-1].strip())
            name = ".".join(sections)
            values[name] = str(int(values.get(name, "0")) + 1)
        elif words == "}":
            del sections[-1:]
        elif ":" in words:
            key, _, value = words.partition(":")
            values[".".join([*sections, key.strip()])] = value.strip()
    return values


def of(values: dict[str, str], printed: str) -> Votes:
    """Return the facts of the values of a corosync.conf and of what corosync-quorumtool printed, "" for nothing."""
    nodes = _number(values, "nodelist.node", 2)
    coefficient = _number(values, "totem.token_coefficient", _TOKEN_COEFFICIENT)
    token = _number(values, "totem.token", _TOKEN) + max(0, nodes - 2) * coefficient
    third = "quorum.device.model" in values
    timeout = _number(values, "quorum.device.timeout", _QDEVICE_TIMEOUT)
    said = {line.partition(":")[0].strip(): line.partition(":")[2].split() for line in printed.splitlines()}
    present, needed = said.get("Total votes", []), said.get("Quorum", [])
    return Votes(
        token_seconds=token / 1000,
        consensus_seconds=_number(values, "totem.consensus", round(token * _CONSENSUS_FACTOR)) / 1000,
        two_node=values.get("quorum.two_node") == "1",
        third_vote=third,
        third_vote_seconds=round(timeout * _GIVE_UP) / 1000 if third else None,
        present=_whole(present),
        needed=_whole(needed),
        third_vote_present=_third_vote_present(printed) if third and printed else None,
    )


def _third_vote_present(printed: str) -> bool:
    """Whether the row of the third vote, the one without a node id, has votes: ``0  1  Qdevice``."""
    rows = [line.split() for line in printed.splitlines() if line.split()[-1:] == ["Qdevice"]]
    return any(len(row) == 3 and row[0] == "0" and row[1] not in ("0", "-") for row in rows)


def _whole(words: list[str]) -> int | None:
    return int(words[0]) if words and words[0].isdecimal() else None


def _number(values: dict[str, str], name: str, default: int) -> int:
    text = values.get(name, "")
    return int(text) if text.isdecimal() else default
