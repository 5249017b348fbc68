# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs and files on the other node: by an ssh that runs them here, under the other node's name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twinsan.deadline import Deadline
from twinsan.errors import Failure, NotInstalled, NotPermitted, TooSlow
from twinsan.host import command, rundir
from twinsan.operate import remote
from twinsan.operate.remote import Node

ZEUS = Node("zeus")
OWNER = f"{os.geteuid()}:{os.getegid()}"

# Does what sshd does: gives the last argument to a shell. It notes the others.
SSH = """\
#!/bin/sh
folder=${0%/*}
echo "$*" >>"$folder/calls"
for last; do :; done
exec sh -c "$last"
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that comes first in PATH, on both nodes."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(command, "PATH", f"{folder}:{command.PATH}")
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    script(folder / "ssh", SSH)
    script(folder / "uname", "#!/bin/sh\necho zeus\n")
    return folder


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def in_time() -> Deadline:
    return Deadline(20)


@pytest.mark.runs_programs
def test_a_program_runs_there_with_the_words_that_it_was_given(programs: Path) -> None:
    words = ["a b", "$HOME", "'", '"', "*", "", ";", "\\"]
    result = ZEUS.run("printf", "%s\\n", *words, deadline=in_time())
    assert result.stdout.splitlines() == words
    assert result.argv[:3] == ("ssh", "zeus", "printf")
    assert "BatchMode=yes" in (programs / "calls").read_text()


@pytest.mark.runs_programs
def test_its_environment_is_the_one_that_it_has_here(programs: Path) -> None:
    names = {line.partition("=")[0] for line in ZEUS.run("env", deadline=in_time()).stdout.splitlines()}
    assert names == {"PATH", "LC_ALL"}


@pytest.mark.runs_programs
def test_its_input_status_and_complaint_come_back(programs: Path) -> None:
    result = ZEUS.run("sh", "-c", "cat; echo no >&2; exit 3", deadline=in_time(), input="text", check=False)
    assert (result.stdout, result.stderr, result.status) == ("text", "no\n", 3)
    with pytest.raises(command.CommandFailed, match=r"^ssh zeus false: no message \(exit status 1\)$"):
        ZEUS.run("false", deadline=in_time())


@pytest.mark.runs_programs
def test_a_program_that_is_missing_there_is_named_with_the_node(programs: Path) -> None:
    with pytest.raises(NotInstalled, match="zeus lacks the program no-such-program"):
        ZEUS.run("no-such-program", deadline=in_time())


@pytest.mark.runs_programs
def test_a_program_that_does_not_end_is_given_up_and_ended_there(programs: Path) -> None:
    with pytest.raises(TooSlow, match=r"^ssh zeus sleep 60 did not end in time"):
        ZEUS.run("sleep", "60", deadline=Deadline(0.5))
    assert " timeout --kill-after=5 3 " in (programs / "calls").read_text()


@pytest.mark.runs_programs
def test_one_that_is_started_runs_beside_this_program(programs: Path, tmp_path: Path) -> None:
    """It waits for what comes after it has been started."""
    os.mkfifo(tmp_path / "fifo")
    answer = ZEUS.start("cat", str(tmp_path / "fifo"), deadline=in_time())
    (tmp_path / "fifo").write_text("text")
    assert answer(in_time()).stdout == "text"
    with pytest.raises(command.CommandFailed, match=r"^ssh zeus false: no message \(exit status 1\)$"):
        ZEUS.start("false", deadline=in_time())(in_time())
    with pytest.raises(TooSlow, match=r"^ssh zeus sleep 60 did not end in time"):
        ZEUS.start("sleep", "60", deadline=Deadline(0.5))(Deadline(0.5))
    (programs / "ssh").unlink()
    script(programs / "ssh", "#!/bin/sh\necho 'Host key verification failed.' >&2\nexit 255\n")
    with pytest.raises(Failure, match="accept it, once"):
        ZEUS.start("uname", deadline=in_time())(in_time())


CAUSES = [
    ("ssh: Could not resolve hostname zeus: Name or service not known", Failure, "ADDRESS zeus"),
    ("Host key verification failed.", Failure, "accept it, once"),
    ("root@zeus: Permission denied (publickey,password).", NotPermitted, "ssh-copy-id root@zeus"),
    ("ssh: connect to host zeus port 22: Connection refused", Failure, "systemctl enable --now ssh"),
    ("ssh: connect to host zeus port 22: No route to host", Failure, "mend it"),
]


@pytest.mark.runs_programs
@pytest.mark.parametrize(("words", "kind", "remedy"), CAUSES)
def test_an_ssh_that_does_not_work_says_what_to_type(
    programs: Path, words: str, kind: type[Failure], remedy: str
) -> None:
    script(programs / "ssh", f"#!/bin/sh\necho '{words}' >&2\nexit 255\n")
    with pytest.raises(kind) as raised:
        ZEUS.require_name()
    told = str(raised.value)
    assert words in told
    assert remedy in told
    assert "ssh root@zeus uname -n" in told


@pytest.mark.runs_programs
def test_the_node_there_has_the_name_that_it_was_reached_by(programs: Path) -> None:
    ZEUS.require_name()
    script(programs / "uname", "#!/bin/sh\necho hera\n")
    with pytest.raises(Failure, match="ssh zeus leads to a node that calls itself hera"):
        ZEUS.require_name()


@pytest.mark.runs_programs
def test_a_file_is_put_with_its_mode_and_the_secret_in_no_argument(programs: Path, tmp_path: Path) -> None:
    path = tmp_path / "file of zeus"
    path.write_text("old")
    ZEUS.put(str(path), "secret\nä", deadline=in_time(), mode=0o600, owner=OWNER)
    assert path.read_text() == "secret\nä"
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == ["bin", "file of zeus", "run"]
    assert "secret" not in (programs / "calls").read_text()


@pytest.mark.runs_programs
def test_a_file_that_comes_incomplete_replaces_nothing(programs: Path, tmp_path: Path) -> None:
    script(programs / "ssh", SSH.replace("exec sh", "head -c 3 | sh"))
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(Failure, match="incomplete"):
        ZEUS.put(str(path), "new text" * 10, deadline=in_time(), owner=OWNER)
    assert path.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["bin", "file", "run"]


@pytest.mark.runs_programs
def test_a_file_that_cannot_be_put_or_read_is_named_in_one_line(programs: Path, tmp_path: Path) -> None:
    path = tmp_path / "no-such-folder" / "file"
    with pytest.raises(Failure, match=rf"^{path} of zeus cannot be written: .*; see there: df {path.parent}; dmesg$"):
        ZEUS.put(str(path), "text", deadline=in_time(), owner=OWNER)
    with pytest.raises(Failure, match=rf"^{tmp_path} of zeus cannot be read: .*; see there: ls -l {tmp_path}$"):
        ZEUS.read(str(tmp_path), deadline=in_time())
    script(programs / "base64", "#!/bin/sh\nexec sleep 60\n")
    for node in (ZEUS, Node(os.uname().nodename)):
        with pytest.raises(TooSlow, match=rf"^{node.name} did not read or write {tmp_path} in time; see there: dmesg$"):
            node.read(str(tmp_path), deadline=Deadline(0.5))


@pytest.mark.runs_programs
def test_a_file_is_read_and_one_that_is_missing_is_none(programs: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert ZEUS.read(str(path), deadline=in_time()) is None
    path.write_text("")
    assert ZEUS.read(str(path), deadline=in_time()) == b""
    path.write_bytes(bytes(range(256)))
    assert ZEUS.read(str(path), deadline=in_time()) == bytes(range(256))
    ZEUS.put(str(path), bytes(range(256)) * 4, deadline=in_time(), owner=OWNER)
    assert path.read_bytes() == bytes(range(256)) * 4
    path.write_text("one\ntwo ä\n")
    assert ZEUS.read_text(str(path), deadline=in_time()) == "one\ntwo ä\n"


@pytest.mark.runs_programs
def test_on_this_node_there_is_no_ssh(programs: Path, tmp_path: Path) -> None:
    here = Node(os.uname().nodename)
    here.put(str(tmp_path / "file"), "text", deadline=in_time(), owner=OWNER)
    assert here.read(str(tmp_path / "file"), deadline=in_time()) == b"text"
    assert not (programs / "calls").exists()


def test_the_node_that_this_runs_on_comes_first() -> None:
    name = os.uname().nodename
    assert [node.name for node in remote.pair(["zeus", name])] == [name, "zeus"]
    with pytest.raises(Failure, match="none of atlas and zeus"):
        remote.pair(["atlas", "zeus"])


def test_work_is_done_for_each_node_and_the_first_failure_counts() -> None:
    nodes = [Node("atlas"), Node("zeus")]
    assert remote.on_each(nodes, lambda node: node.name) == ["atlas", "zeus"]
    done = []

    def work(node: Node) -> None:
        done.append(node.name)
        raise Failure(f"no {node.name}")

    with pytest.raises(Failure, match="no atlas"):
        remote.on_each(nodes, work)
    assert sorted(done) == ["atlas", "zeus"]
