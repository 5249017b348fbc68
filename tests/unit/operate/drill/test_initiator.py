# SPDX-License-Identifier: GPL-2.0-or-later
"""A host that reads: what may be named, and what it prints."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import Failure, Misconfigured, TooSlow
from twinsan.host import command
from twinsan.operate.drill import initiator
from twinsan.operate.drill.initiator import Reader


@pytest.mark.parametrize(
    ("text", "host", "device"),
    [
        ("esx:/dev/sdb", "esx", "/dev/sdb"),
        ("root@10.0.5.4:/dev/disk/by-id/wwn-0x6001405", "root@10.0.5.4", "/dev/disk/by-id/wwn-0x6001405"),
    ],
)
def test_a_disk_of_a_host(text: str, host: str, device: str) -> None:
    assert initiator.parse(text) == (host, device)


@pytest.mark.parametrize(
    "text", ["", "esx", "esx:sdb", "esx:/etc/passwd", "-oProxyCommand=x:/dev/sdb", "esx:/dev/sdb; reboot", "e x:/dev/a"]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(Misconfigured, match="HOST:DEVICE"):
        initiator.parse(text)


def reader(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], command.Result]) -> Reader:
    """A reader whose ssh answers so."""

    def run(*argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        return answer(argv[-1])

    monkeypatch.setattr(command, "run", run)
    return Reader("esx", "/dev/sdb")


def result(status: int, stdout: str = "", stderr: str = "") -> command.Result:
    return command.Result(("ssh",), status, stdout, stderr)


def test_what_the_host_prints_and_what_else_its_login_prints() -> None:
    found = Reader("esx", "/dev/sdb")
    found.take("Welcome to esx\n1.000 ok\nnan ok\n1.050 ok\n1.100 [Errno 5] Input/output error\n")
    assert found.times == [1.0, 1.05]
    assert found.errors == ["[Errno 5] Input/output error"]


def test_no_two_readers_share_a_file() -> None:
    one, other = (vars(Reader("esx", "/dev/sdb"))["_ended"] for _ in range(2))
    assert one != other


def test_a_host_that_cannot_read_it_is_known_before_anything_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    found = reader(monkeypatch, lambda words: result(1))
    with pytest.raises(Failure, match="esx does not read /dev/sdb: it cannot be read there, or there is no python3"):
        found.start(1.0)


def test_a_reader_that_ends_early_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(words: str) -> command.Result:
        return result(1, "1.000 ok\n", "OSError: [Errno 19] No such device") if "python3 -" in words else result(0)

    found = reader(monkeypatch, lambda words: result(0) if words.endswith("python3 -c pass") else answer(words))
    found.start(1.0)
    found.stop()
    assert found.times == [1.0]
    assert found.fault == "OSError: [Errno 19] No such device"


def test_a_host_that_is_gone_at_the_end_spoils_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(words: str) -> command.Result:
        if words.startswith("touch"):
            raise TooSlow("ssh esx did not end in time")
        return result(0, "1.000 ok\n")

    found = reader(monkeypatch, answer)
    found.start(1.0)
    found.stop()
    assert found.fault == "ssh esx did not end in time"
