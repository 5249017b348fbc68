# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever an agent is given: a documented exit code, one line that says why, and nothing changed for a wrong value.

The examples are the same in each run: what fails is then the change that was made, and a failure can be repeated by
whoever sees it. `make test` looks at a few hundred of each agent, `make soak` at thousands, and
`EXAMPLES=100000 make check ARGS="-m soak -k bad_input"` at as many others.
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
import subprocess
import sys
import syslog
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.unit import agents, fake_configfs, fake_network, hostile
from tests.unit.fake_drbd import FakeHost
from twinsan.cluster.score import set_promotion_score
from twinsan.deadline import Deadline
from twinsan.drbd import role as drbd_role
from twinsan.errors import Failure, Misconfigured
from twinsan.host import block_device, command, rundir
from twinsan.lio import configfs
from twinsan.network import listener, tcp_table
from twinsan.ocf import codes, reporter
from twinsan.ocf.agent import Agent
from twinsan.ocf.environment import Environment

EXAMPLES = int(os.environ.get("EXAMPLES", "5200"))

# The processes that run the tests share them out: half of the parts on a resource that is stopped, half on one that
# runs, each with examples of its own.
PARTS = 4
# Of a part, what `make test` looks at: each kind of odd value several times.
FEW = 100

SECRET = "correct-horse-battery"

# What each action may end with (OCF 1.1, "Exit status codes"). A stop and a probe fail for no configuration.
_REFUSED = {codes.ERR_GENERIC, codes.ERR_ARGS, codes.ERR_PERM, codes.ERR_INSTALLED, codes.ERR_CONFIGURED}
_RUNNING = {codes.SUCCESS, codes.RUNNING_PROMOTED, codes.DEGRADED, codes.DEGRADED_PROMOTED}
_PROBED = {*_RUNNING, codes.NOT_RUNNING, codes.ERR_GENERIC, codes.FAILED_PROMOTED}
CODES = {
    "start": {codes.SUCCESS, *_REFUSED},
    "stop": {codes.SUCCESS, codes.ERR_GENERIC},
    "monitor": {*_PROBED, *_REFUSED},
    "probe": _PROBED,
    "reload-agent": {*_RUNNING, codes.NOT_RUNNING, *_REFUSED},
    "promote": {codes.SUCCESS, *_REFUSED},
    "demote": {codes.SUCCESS, codes.NOT_RUNNING, codes.ERR_GENERIC},
    "notify": {codes.SUCCESS, codes.ERR_GENERIC},
    "validate-all": {codes.SUCCESS, *_REFUSED},
}
_LOOKS = ("monitor", "probe")
_WITHOUT_REASON = {codes.SUCCESS, codes.NOT_RUNNING, codes.RUNNING_PROMOTED}


class Syslog:
    """What the module of this name does with what it is given, but for the message itself."""

    LOG_UPTO, LOG_MASK = syslog.LOG_UPTO, syslog.LOG_MASK

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __getattr__(self, name: str) -> object:
        return getattr(syslog, name)

    def syslog(self, priority: int, message: str) -> None:
        assert priority <= syslog.LOG_DEBUG
        message.encode()
        if "\0" in message:
            raise ValueError("embedded null character")
        self.lines.append(message)


def _content(path: Path) -> bytes:
    """What a file holds, or where a link leads; nothing for a folder."""
    if path.is_symlink():
        return os.readlink(path).encode()
    return path.read_bytes() if path.is_file() else b""


class Host:
    """A host on which an agent runs; `running` is whether the resource is up before."""

    identity = frozenset[str]()

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
        self.agent = agents.load(name)
        self.values = values
        self.run_folder = folder / "run"
        self.programs: list[str] = []
        self.told: Mapping[str, object] = {}
        self.syslog = Syslog()
        self.examples = 0
        # As the last example left it; nothing happens between two.
        self.left: tuple[object, ...] | None = None
        patch.setattr(os, "geteuid", lambda: 0)
        patch.setattr(reporter, "syslog", self.syslog)

    def state(self) -> tuple[object, ...]:
        """All that an agent can change: the kernel, its files, what lies beside them, and what the cluster was told."""
        files = {path.name: _content(path) for path in self.run_folder.glob("*") if path.suffix != ".lock"}
        beside = sorted(path.name for path in self.run_folder.parent.iterdir() if path != self.run_folder)
        return self.kernel(), files, beside, dict(self.told)

    def kernel(self) -> object:
        """What there is in the kernel."""
        raise NotImplementedError

    def reset(self, running: bool) -> None:
        """Make all as it was before the first example."""
        raise NotImplementedError

    def call(self, action: str, variables: dict[str, str]) -> tuple[int, str]:
        """Run an action; its exit code and what it wrote to standard error."""
        written = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace", write_through=True)
        before, sys.stderr = sys.stderr, written
        try:
            code = self.agent(Environment(variables), action).run()
        finally:
            sys.stderr = before
        return code, written.buffer.getvalue().decode()


class Lio(Host):
    """On a fake of LIO's tree; a LUN has its target."""

    identity = frozenset(("iqn", "target_iqn", "lun", "path"))

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
        super().__init__(name, folder, patch, values)
        self._kernel = fake_configfs.install(patch, folder)
        self._seen, self._tree = -1, {"": ""}
        self._worlds: dict[bool, Path] = {}
        self._folder = folder.parent
        patch.setattr(listener, "process_on", lambda _address, _port: "")
        patch.setattr(tcp_table, "listeners", list)
        self._attributes: dict[str, str] = {}
        self.told = self._attributes
        patch.setattr(command, "run", self._program)

    def _program(self, *argv: str, **_: object) -> command.Result:
        """Nothing but the cluster may be asked and told."""
        assert argv[0] in ("attrd_updater", "crm_node"), f"{argv} was run"
        self.programs.append(" ".join(argv))
        if "--query" in argv:
            return command.Result(argv, 105, "", "no such attribute")
        if "--update" in argv:
            self._attributes[argv[argv.index("--name") + 1]] = argv[argv.index("--update") + 1]
        return command.Result(argv, 0, "atlas zeus\n" if argv[0] == "crm_node" else "", "")

    def kernel(self) -> object:
        # Each attempt at a change is counted, and without one there is nothing to read.
        if len(self._kernel.changes) != self._seen:
            self._seen = len(self._kernel.changes)
            self._tree = fake_configfs.tree(self._kernel.root)
        return self._tree

    def reset(self, running: bool) -> None:
        if running not in self._worlds:
            self._make(running)
            self._worlds[running] = self._folder / f"world-{running}"
            shutil.copytree(self._kernel.root, self._worlds[running], symlinks=True)
        shutil.rmtree(self._kernel.root)
        shutil.copytree(self._worlds[running], self._kernel.root, symlinks=True)
        self._seen = -1

    def _make(self, running: bool) -> None:
        if self.agent.name == "lio-lun":
            target = {"OCF_RESKEY_iqn": hostile.IQN, "OCF_RESKEY_portals": "10.0.5.50", "PCMK_logfacility": "none"}
            admitted = {"OCF_RESKEY_allowed_initiators": _INITIATOR}
            assert agents.load("lio-iscsi-target")(Environment({**target, **admitted}), "start").run() == 0
        if running:
            assert self.call("start", self.values)[0] == 0


class Drbd(Host):
    """On a host with a DRBD resource, faked below the programs; those that only look may be run for any value."""

    identity = frozenset(("drbd_resource",))

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
        super().__init__(name, folder, patch, values)
        self._host = FakeHost(folder, patch)
        self.values = {**values, "OCF_RESKEY_drbdconf": self._host.configuration}
        self.programs = self._host.calls
        self.told = self._host.attributes
        patch.setattr(drbd_role, "_SECONDS_FOR_HOLDERS", 0.1)

    def kernel(self) -> object:
        return self._host.up, self._host.role

    def reset(self, running: bool) -> None:
        self._host.attributes.clear()
        shutil.rmtree(self.run_folder, ignore_errors=True)
        self._host.up, self._host.role = False, "Secondary"
        for device in (self.run_folder.parent / "block").iterdir():
            shutil.rmtree(device)
        (self.run_folder.parent / "module").unlink(missing_ok=True)
        (self.run_folder.parent / "drbd0").unlink(missing_ok=True)
        if running:
            self._host.bring_up()


class Network(Host):
    """On a fake of the host's network."""

    identity = frozenset(("ip",))

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
        super().__init__(name, folder, patch, values)
        self._host = fake_network.install(patch, self.run_folder)
        # What a start waits for does not come here.
        patch.setitem(vars(self.agent)["start"].__globals__, "_SECONDS_TO_BRING_UP", 10**9)
        self.programs = self._host.log
        self.told = self._host.attributes

    def kernel(self) -> object:
        return [(held.address, held.index) for held in self._host.held]

    def reset(self, running: bool) -> None:
        self._host.background.clear()
        self._host.attributes.clear()
        self._host.held[2:] = []
        shutil.rmtree(self.run_folder, ignore_errors=True)
        self.run_folder.mkdir()
        if running:
            assert self.call("start", self.values)[0] == 0


_INITIATOR = "iqn.1998-01.com.vmware:esx1"
HOSTS: dict[str, tuple[type[Host], dict[str, str]]] = {
    "drbd-vaai": (Drbd, {"drbd_resource": "san", "wfc_timeout": "0"}),
    "lio-iscsi-target": (
        Lio,
        {
            "iqn": hostile.IQN,
            "portals": "10.0.5.50 [2001:db8::50]:3261",
            "allowed_initiators": _INITIATOR,
            "incoming_username": "esx",
            "incoming_password": SECRET,
        },
    ),
    "lio-lun": (Lio, {"target_iqn": hostile.IQN, "lun": "1", "path": "/dev/drbd0"}),
    "portal-ip": (Network, {"ip": "10.0.5.50", "nic": "eth0", "cidr_netmask": "24"}),
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, where there is one: thousands of times all is put back as it was."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None) as path:
        yield Path(path)


@pytest.fixture(params=agents.NAMES)
def host(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    kind, values = HOSTS[request.param]
    (folder / "host").mkdir()
    variables = {f"OCF_RESKEY_{name}": value for name, value in values.items()}
    return kind(request.param, folder / "host", monkeypatch, variables)


def judge(host: Host, action: str, odd: dict[str, str], told: dict[str, str], *, running: bool) -> None:
    """Run an action with odd values and an odd environment, and see that it did what it may do."""
    host.examples += 1
    host.programs.clear()
    host.syslog.lines.clear()
    interval = {"OCF_RESKEY_CRM_meta_interval": "0" if action == "probe" else "10000"} if action in _LOOKS else {}
    given = {f"OCF_RESKEY_{name}": value for name, value in odd.items()}
    variables = {"OCF_RESKEY_CRM_meta_timeout": "2000", **host.values, **interval, **told, **given}
    before = host.left or host.state()
    code, said = host.call("monitor" if action == "probe" else action, variables)
    after = host.left = host.state()
    if action in _LOOKS:
        action = "probe" if Environment(variables).is_probe else "monitor"
    known = {listed.name for listed, _ in [*Agent.actions(), *host.agent.actions()]} | {"probe"}
    assert code in (CODES[action] if action in known else {codes.ERR_UNIMPLEMENTED}), said
    assert "defect" not in said
    _judge_words(host, code, said, variables)
    refused = code in (codes.ERR_CONFIGURED, codes.ERR_UNIMPLEMENTED)
    impossible = {name for name, value in odd.items() if hostile.impossible(host.agent, name, value)}
    if action == "start":
        impossible -= set(host.agent.dispensable)
    if impossible and action in ("start", "validate-all") and action in known:
        assert refused, "a value that nothing may have was taken"
    if impossible & host.identity and action == "promote" and action in known:
        assert refused, "what is promoted is named by a value that nothing may have"
    # A stop and a probe go by what names the resource, and ask for nothing else. What runs goes on,
    # whatever else is wrong, so a monitor and a reload look for it.
    looking = action in ("monitor", "reload-agent", "demote", "notify")
    looks = [program for program in host.programs if " events2 " in program and looking]
    if refused or impossible & host.identity:
        assert host.programs == ([] if impossible & host.identity else looks)
    if action == "reload-agent" and code != codes.SUCCESS:
        assert after[0] == before[0]
    if refused or code in (codes.ERR_ARGS, codes.ERR_INSTALLED) or impossible & host.identity:
        assert after == before
    if action in ("probe", "validate-all"):
        assert after[0] == before[0]
    if after != before:
        host.left = None
        host.reset(running)


def _judge_words(host: Host, code: int, said: str, variables: dict[str, str]) -> None:
    if code in _WITHOUT_REASON:
        assert said == ""
    else:
        assert said.endswith("\n")
        assert said[:-1].isprintable(), "one line, and no control characters in it"
        prefix = variables.get("OCF_EXIT_REASON_PREFIX", "ocf-exit-reason:")
        assert said.startswith(prefix if prefix.isprintable() else "ocf-exit-reason:")
    secret = variables.get("OCF_RESKEY_incoming_password", "")
    # Where it was given for something else as well, that may be told.
    given = sum(secret in value for value in variables.values())
    for line in [said, *host.syslog.lines]:
        assert SECRET not in line
        assert len(secret) < 12 or given > 1 or secret not in line
    assert all(line.isprintable() for line in host.syslog.lines)


# What was wrong once, for every agent: action, parameters and environment.
FOUND: tuple[hostile.Call, ...] = (
    ("start", {}, {"PCMK_logfacility": "upto"}),
    ("start", {}, {"OCF_RESOURCE_INSTANCE": "\udcff", "PCMK_logfacility": "daemon"}),
    ("stop", {}, {"OCF_RESKEY_CRM_meta_timeout": "9" * 400}),
    ("monitor", {}, {"OCF_RESKEY_CRM_meta_timeout": "9" * 5000}),
    ("stop", {}, {"OCF_RESKEY_CRM_meta_timeout": "9" * 25}),
    ("monitor", {}, {"OCF_CHECK_LEVEL": "9" * 5000}),
    ("monitor", {}, {"OCF_RESKEY_crm_feature_set": "9" * 5000}),
    ("\x1b[2J", {}, {"OCF_EXIT_REASON_PREFIX": "a\nb"}),
    ("start", {}, {"OCF_RESKEY_CRM_meta_promoted_max": "\x1b[2J"}),
    *(
        ("start", {}, {"OCF_RESOURCE_INSTANCE": name, "OCF_RESKEY_crm_feature_set": "3.20.0"})
        for name in hostile.RESOURCES
    ),
)


@pytest.mark.parametrize(
    ("seed", "examples"),
    [
        pytest.param(0, FEW, id="few", marks=pytest.mark.long),
        *(pytest.param(seed, EXAMPLES // PARTS, id=str(seed), marks=pytest.mark.soak) for seed in range(PARTS // 2)),
    ],
)
@pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])
def test_odd_values_and_environments(host: Host, seed: int, examples: int, running: bool) -> None:
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile.calls(host.agent))
    def all_is_well(call: hostile.Call) -> None:
        judge(host, *call, running=running)

    for found in FOUND:
        all_is_well = example(found)(all_is_well)
    if "EXAMPLES" not in os.environ:
        all_is_well = hypothesis.seed(seed)(all_is_well)
    host.reset(running)
    all_is_well()
    assert host.examples >= examples


@pytest.mark.parametrize("name", hostile.RESOURCES)
def test_no_name_leaves_its_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rundir, "DIRECTORY", str(tmp_path / "run"))
    monkeypatch.setattr(command, "run", lambda *_, **__: None)
    (tmp_path / "run" / "promotion-score.").mkdir(parents=True)
    (tmp_path / "run" / "promotion-score...").mkdir()
    before = sorted(tmp_path.rglob("*"))
    try:
        set_promotion_score(name, 1, Deadline(1), always=True)
    except (Failure, IsADirectoryError):
        assert sorted(tmp_path.rglob("*")) == before
    else:
        (made,) = set(tmp_path.rglob("*")) - set(before)
        assert made.parent == tmp_path / "run"
    with pytest.raises(Misconfigured):
        configfs.place("iscsi", f"../{name}")


@pytest.mark.parametrize("name", ["all", "minor-0"])
def test_what_drbdadm_takes_for_other_resources_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    host = FakeHost(tmp_path, monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert agents.Runner("drbd-vaai", drbd_resource=name, drbdconf=host.configuration)("start") == 6
    assert f"may not be {name}" in agents.reason(capsys)
    assert host.calls == []


def test_a_secret_in_a_pipe_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_configfs.install(monkeypatch, tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    os.mkfifo(tmp_path / "secret", 0o600)
    chap = {"incoming_username": "esx", "incoming_password_file": str(tmp_path / "secret")}
    assert agents.Runner("lio-iscsi-target", iqn=hostile.IQN, portals="10.0.5.50", **chap)("start") == 2
    assert "is no file" in agents.reason(capsys)


@pytest.mark.parametrize("values", [{"vendor_id": " LIO"}, {"product_id": "twinsan "}], ids=["vendor", "product"])
def test_what_the_kernel_would_change_is_refused(
    values: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_configfs.install(monkeypatch, tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    lun = {"target_iqn": hostile.IQN, "lun": "1", "path": "/dev/drbd0"}
    assert agents.Runner("lio-lun", **lun, **values)("start") == 6
    assert "begins or ends with a space" in agents.reason(capsys)


def test_a_stop_opens_nothing_but_a_block_device(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(os, "open", lambda path, _flags: opened.append(path))
    # As a watchdog is: to open one starts it.
    assert block_device.is_free("/dev/zero")
    assert opened == []


@pytest.mark.runs_programs
@pytest.mark.long
@pytest.mark.parametrize("name", agents.NAMES)
def test_a_process_with_odd_bytes_in_its_environment(name: str) -> None:
    """As the kernel starts it: bytes that are no text, for a resource that cannot be."""
    declared = agents.load(name).parameters()
    needed = next(parameter.name for parameter in declared if parameter.required)
    # The kernel takes 2 MiB of environment and arguments, a quarter of the usual stack, and 128 KiB of each.
    longest = b"x" * min(100000, 1900000 // len(declared)) + b"\xff"
    odd = (b"\xff\xfe", b"\x1b[2J\n", b"$(reboot)`reboot`;'\"", "\u00e9\u202e".encode(), longest)
    for number, (action, value) in enumerate(itertools.product(("start", "stop", "monitor", "notify", "\udcff"), odd)):
        told = hostile.told(number)
        variables = {f"OCF_RESKEY_{parameter.name}": value for parameter in declared}
        environment = {**told, **variables, f"OCF_RESKEY_{needed}": value + b"\x01", "PATH": b"/usr/sbin:/usr/bin"}
        ended = subprocess.run(
            [sys.executable, "-IS", str(agents.FOLDER / name), action],
            env={**environment, "PCMK_logfacility": b"none"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        said = ended.stderr.decode()
        assert ended.returncode in {*CODES.get(action, ()), codes.ERR_UNIMPLEMENTED, codes.ERR_PERM}, said
        assert "Traceback" not in said
        assert said.count("\n") == (0 if ended.returncode in _WITHOUT_REASON else 1), said
        assert said.rstrip("\n").isprintable()
