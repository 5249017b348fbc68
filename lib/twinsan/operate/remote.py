# SPDX-License-Identifier: GPL-2.0-or-later
"""The nodes of a pair as places where programs run: here at once, on the other node by ssh.

There a program gets what `host.command` gives it here: the same small environment, no shell of its own, an empty
standard input unless one is given, and a bound on its time. ssh asks nothing: it works without a question, or the
failure says what to type until it does.
"""

from __future__ import annotations

import math
import os
import shlex

from twinsan.deadline import Deadline
from twinsan.errors import Failure, NotInstalled, NotPermitted, Reason, TooSlow
from twinsan.host import command, rundir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    Found = TypeVar("Found")

# What ssh itself ends with when it reaches nobody, and env when the program is missing.
_SSH_FAILED, _MISSING = 255, 127

# One connection serves all calls of a minute: a handshake takes longer than most programs. A node that dies is
# noticed after 15 s.
_OPTIONS = (
    *("-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3", "-T", "-x"),
)
_SHARED = ("-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o")
_SECONDS_FOR_NAME = 30.0

_KEY = "as root on this node: ssh-keygen -t ed25519 (no passphrase), then ssh-copy-id root@{node}"
_TRY = "until this prints {node}: ssh root@{node} uname -n"
UNREACHABLE = Reason(Failure, "ssh to {node} does not work: {complaint}", f"mend it, {_TRY}")
NO_SUCH_HOST = Reason(
    Failure,
    "ssh to {node} does not work: {complaint}",
    f"give this node its address, as in: echo 'ADDRESS {{node}}' >>/etc/hosts; {_TRY}",
)
NOT_KNOWN = Reason(
    Failure,
    "ssh to {node} does not work: {complaint}",
    f"compare its key and accept it, once, by hand, {_TRY}",
)
NOT_ALLOWED = Reason(NotPermitted, "ssh to {node} does not work: {complaint}", f"{_KEY}, {_TRY}")
NO_DAEMON = Reason(
    Failure,
    "ssh to {node} does not work: {complaint}",
    f"there: systemctl enable --now ssh (RHEL, SUSE: sshd; Debian: apt install openssh-server), {_TRY}",
)
TOO_LATE = Reason(TooSlow, "{command} did not end in time", "try it by hand")
NOT_READ = Reason(Failure, "{path} of {node} cannot be read: {complaint}", "see there: ls -l {path}")
NOT_WRITTEN = Reason(Failure, "{path} of {node} cannot be written: {complaint}", "see there: df {folder}; dmesg")
FILE_TOO_LATE = Reason(TooSlow, "{node} did not read or write {path} in time", "see there: dmesg")
NOT_THERE = Reason(NotInstalled, "{node} lacks the program {program}", "install it there")
ANOTHER_NODE = Reason(
    Failure,
    "ssh {node} leads to a node that calls itself {other}",
    "correct the address of {node} in /etc/hosts or ~/.ssh/config; {other} may also have the wrong name: "
    "hostnamectl set-hostname",
)
NEITHER = Reason(
    Failure, "this node is {here}, and none of {nodes}", "type it on one of these; the names are those of uname -n"
)

# By the words of ssh.
_CAUSES = (
    ("Could not resolve hostname", NO_SUCH_HOST),
    ("Host key verification failed", NOT_KNOWN),
    ("Permission denied", NOT_ALLOWED),
    ("Connection refused", NO_DAEMON),
)

# Replaces a file at once: $1 is the file, $2 its mode, $3 its owner and group, $4 its size. The content comes over the
# standard input, as base64. A connection that breaks ends it early, so the size is compared.
_PUT = """\
set -e; umask 077
new=$(mktemp "$1.XXXXXX")
trap 'rm -f "$new"' EXIT
base64 -d >"$new" || :
test "$(wc -c <"$new")" -eq "$4" || { echo "the content of $1 came incomplete" >&2; exit 1; }
chown "$3" "$new"; chmod "$2" "$new"; sync "$new"
mv -f "$new" "$1"; sync "${1%/*}/"
"""
# Prints a file as base64, with a first line that tells one that is missing from an empty one.
_READ = 'if test -e "$1"; then echo is there; base64 -- "$1"; else echo is missing; fi'


class Node:
    """A node of the pair by its name, which is that of ``uname -n`` there."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_here = name == os.uname().nodename

    def run(self, *argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        """Run a program on this node; otherwise as command.run. The result and the failures of the other node begin
        with ssh and its name. Raises Failure if ssh does not work, with what to type.

        Arguments can be seen by everybody on both nodes: a secret goes into `input`.
        """
        if self.is_here:
            return command.run(*argv, deadline=deadline, input=input, check=check)
        try:
            ended = command.run(*self._ssh(argv, deadline), deadline=deadline, input=input, check=False)
        except TooSlow:
            raise self._too_late(argv) from None
        return self._result(argv, ended, check=check)

    def start(self, *argv: str, deadline: Deadline) -> Callable[[Deadline], command.Result]:
        """Start a program on the other node, which it ends by `deadline`. Returns a function that waits for its end
        until another deadline, and returns and raises as `run`. Raises NotInstalled if ssh is missing.
        """
        started = command.start(*self._ssh(argv, deadline))

        def result(until: Deadline) -> command.Result:
            try:
                ended = started.result(until, check=False)
            except TooSlow:
                raise self._too_late(argv) from None
            return self._result(argv, ended, check=True)

        return result

    def put(
        self, path: str, content: str | bytes, *, deadline: Deadline, mode: int = 0o644, owner: str = "root:root"
    ) -> None:
        """Replace the file at `path` atomically, and on the disk, by one with this content, mode and owner. Its folder
        has to be there. Raises Failure.
        """
        import base64

        data = content.encode() if isinstance(content, str) else content
        coded = base64.encodebytes(data).decode()
        ended = self._on_file(_PUT, path, f"{mode:o}", owner, str(len(data)), deadline=deadline, input=coded)
        if not ended.ok:
            complaint = ended.complaint or f"exit status {ended.status}"
            raise NOT_WRITTEN(path=path, node=self.name, complaint=complaint, folder=os.path.dirname(path))

    def read(self, path: str, *, deadline: Deadline) -> bytes | None:
        """Return the content of a file; None if there is no such file. Raises Failure."""
        import base64

        ended = self._on_file(_READ, path, deadline=deadline)
        if not ended.ok:
            raise NOT_READ(path=path, node=self.name, complaint=ended.complaint or f"exit status {ended.status}")
        first, _, coded = ended.stdout.partition("\n")
        return base64.b64decode(coded) if first == "is there" else None

    def read_text(self, path: str, *, deadline: Deadline) -> str | None:
        """Return the text of a file; None if there is no such file. Raises Failure."""
        content = self.read(path, deadline=deadline)
        return None if content is None else content.decode(errors="replace")

    def require_name(self) -> None:
        """Check that ssh works, and that the node it leads to has this name. Raises Failure, with what to type."""
        found = self.run("uname", "-n", deadline=Deadline(_SECONDS_FOR_NAME)).stdout.strip()
        if found != self.name:
            raise ANOTHER_NODE(node=self.name, other=found)

    def _on_file(self, script: str, path: str, *words: str, deadline: Deadline, input: str = "") -> command.Result:  # noqa: A002
        """Run one of the scripts above for a file. Its text is in no failure."""
        try:
            return self.run("sh", "-c", script, "sh", path, *words, deadline=deadline, input=input, check=False)
        except TooSlow:
            raise FILE_TOO_LATE(path=path, node=self.name) from None

    def _ssh(self, argv: tuple[str, ...], deadline: Deadline) -> list[str]:
        """The command line. timeout(1) ends a program there that outlives its caller here."""
        seconds = str(math.ceil(deadline.remaining()) + 2)
        bounded = ["timeout", "--kill-after=5", seconds, "env", "-i", f"PATH={command.PATH}", "LC_ALL=C", *argv]
        return ["ssh", *_OPTIONS, *_shared(), f"root@{self.name}", shlex.join(bounded)]

    def _too_late(self, argv: tuple[str, ...]) -> Failure:
        return TOO_LATE(command=" ".join(("ssh", self.name, *argv)))

    def _result(self, argv: tuple[str, ...], ended: command.Result, *, check: bool) -> command.Result:
        """The result of a program there, by that of ssh. Raises as `run`."""
        if ended.status == _SSH_FAILED:
            raise self._unreachable(ended)
        if ended.status == _MISSING and ended.stderr.startswith("env: "):
            raise NOT_THERE(node=self.name, program=argv[0])
        result = command.Result(("ssh", self.name, *argv), ended.status, ended.stdout, ended.stderr)
        if check and not result.ok:
            raise command.CommandFailed(result)
        return result

    def _unreachable(self, ended: command.Result) -> Failure:
        complaint = ended.complaint or "ssh says nothing"
        reason = next((reason for words, reason in _CAUSES if words in complaint), UNREACHABLE)
        return reason(node=self.name, complaint=complaint)


def pair(names: Iterable[str]) -> tuple[Node, Node]:
    """Return the two nodes with these names, the one that this runs on first. Raises Failure if it runs on neither."""
    nodes = sorted(map(Node, names), key=lambda node: not node.is_here)
    if not nodes[0].is_here:
        raise NEITHER(here=os.uname().nodename, nodes=" and ".join(node.name for node in nodes))
    return nodes[0], nodes[1]


def on_each(nodes: Iterable[Node], work: Callable[[Node], Found]) -> list[Found]:
    """Do `work` for all nodes at the same time and return what it returned for each, in their order. If it raised,
    raises what it raised for the first of them, once all have ended.
    """
    import threading

    found: dict[str, Found] = {}
    raised: dict[str, BaseException] = {}

    def do(node: Node) -> None:
        try:
            found[node.name] = work(node)
        except BaseException as error:  # noqa: BLE001  the thread that waits raises it
            raised[node.name] = error

    threads = {node.name: threading.Thread(target=do, args=(node,)) for node in nodes}
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join()
    for name in threads:
        if name in raised:
            raise raised[name]
    return [found[name] for name in threads]


def _shared() -> tuple[str, ...]:
    """Options for a connection that later calls use as well, in a folder that only root can enter; and for the keys of
    the operator's ssh-agent, because programs do not get the caller's environment.
    """
    agent = os.environ.get("SSH_AUTH_SOCK", "")
    keys = ("-o", f"IdentityAgent={agent}") if agent else ()
    if os.geteuid() != 0:
        return keys
    return (*_SHARED, f"ControlPath={rundir.path('ssh-%C')}", *keys)
