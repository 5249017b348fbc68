# SPDX-License-Identifier: GPL-2.0-or-later
"""docs/day-two.md is followed, command by command, on a pair that `twinsan init` has made, under a verifying load."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import bare, evidence, operations, procedures, report
from lab.errors import MachineLost
from lab.host import now
from lab.machine import Machine, wait_until
from lab.pair import PORTAL, Pair
from lab.procedures import NOTHING, PAUSE, Block
from lab.report import Phase
from lab.served import Served
from tests.cluster import hand
from tests.cluster.test_failover import LOG, Load

pytestmark = pytest.mark.procedure

PAGE = procedures.read()
_SOURCE = "/root/twinsan"
_PARTS = ("agents", "bin", "cib-templates", "drbd", "examples", "lib", "man", "packaging", "Makefile")
_TARGET = f"{hand.CONFIGFS}/iscsi/{bare.IQN}/tpgt_1"

# What stands for the words of the page. What asks is told the answer beforehand, as there is no terminal; the guests
# have one folder for every version of twinsan.
_WORDS = {
    r"\bsan\.toml\b": bare.SITE,
    r"iqn\.2003-01\.org\.example:san\b": bare.IQN,
    r"^twinsan init .*": bare.INIT,
    r"^twinsan (apply|remove|stop)\b": r"twinsan \1 --yes",
    r"^make\b": f"make --directory={_SOURCE}",
}
_TYPED = "/root/typed.log"

# These have tests of their own.
_ELSEWHERE = {
    "Add a LUN": "test_apply.py",
    "Remove a LUN": "test_apply.py",
    "Grow a LUN": "test_day_disk.py",
    "Replace a disk": "test_day_disk.py",
}

# ssh-copy-id asks for a password; the keys are in place (lab.bare).
_NOT_TYPED = re.compile(r"ssh-copy-id .*")

# No write may wait longer where the page says "nothing". The guests' host is busy: while a guest compiles a program, a
# write may wait for seconds.
_MOST_SECONDS = 10.0


class Operator:
    """Follows the page. `atlas` of the page is the server that serves, `zeus` the other one."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.site = bare.site()

    def follow(
        self,
        title: str,
        *,
        active: Machine | None = None,
        secret: str = "",
        unmount: Callable[[], None] = lambda: None,
    ) -> None:
        """Do what a procedure says. `active` is the server that the page calls atlas, if none serves; `unmount` is done
        before anything is typed on a host.
        """
        active = active or self.pair.wait_until_serving()
        for block in PAGE[title].blocks:
            if block.of_site:
                self._edit(block)
                continue
            if block.place == procedures.HOST:
                unmount()
            # The site file is where the page has it.
            active.copy({bare.SITE: self.site.encode()})
            self._type(block, active, secret)

    def _edit(self, block: Block) -> None:
        """Give the target of the site file these lines, each in place of the one with its key."""
        for line in block.lines:
            self.forget(line.partition(" ")[0])
            self.site = self.site.replace("[resources.data0.target]\n", f"[resources.data0.target]\n{line}\n")

    def forget(self, key: str) -> None:
        """Take a line out of the site file."""
        self.site = re.sub(rf"^{key} = .*\n", "", self.site, flags=re.MULTILINE)

    def _type(self, block: Block, active: Machine, secret: str) -> None:
        passive = self.pair.peer_of(active)
        places = {
            procedures.ACTIVE: [active],
            procedures.PASSIVE: [passive],
            procedures.BOTH: [passive, active],
            procedures.HOST: [self.pair.esx],
        }
        for guest in places[block.place]:
            lines = [self.words(line, active, passive, secret) for line in block.lines]
            if block.again:
                guest.wait_until(" && ".join(lines), f"this succeeds: {'; '.join(lines)}", 300, interval=2)
                continue
            for line in lines:
                _run(guest, line, secret)

    @staticmethod
    def words(line: str, active: Machine, passive: Machine, secret: str) -> str:
        """A line of the page, with the names of this pair."""
        names = {"atlas": active.name, "zeus": passive.name, "NEW-SECRET": secret}
        line = re.sub(r"\b(atlas|zeus|NEW-SECRET)\b", lambda found: names[found[0]], line)
        for pattern, words in _WORDS.items():
            line = re.sub(pattern, words, line)
        return line


def _run(guest: Machine, line: str, secret: str) -> None:
    """Type one line, which must succeed."""
    if _NOT_TYPED.fullmatch(line):
        return
    print(f"{guest}# {line if not secret else line.replace(secret, '(the secret)')}")
    if line == "reboot":
        _power_cycle(guest)
    elif "--power-off" in line:
        # The guest that it is typed on goes off as well, and may do so before it has told all.
        try:
            result = guest.run(f"{line} >{_TYPED} 2>&1; status=$?; cat {_TYPED}; exit $status", timeout=900)
        except MachineLost:
            return
        assert result.status == 0, result.stdout
    else:
        result = guest.run(f"{line} 2>&1", stdin=f"{secret}\n".encode() if "cat >" in line else b"", timeout=900)
        print(result.stdout)
        assert result.status == 0, f"{guest}: {line}: {result.stdout}"


def _power_cycle(guest: Machine) -> None:
    """What a reboot is in the lab: the guest ends its services and powers itself off, and somebody powers it on."""
    try:
        guest.run("systemctl --no-block poweroff")
    except MachineLost:
        # It was off before it could tell how that command ended.
        pass
    _wait_until_off(guest)
    guest.start()
    guest.wait_for_boot()


def _wait_until_off(guest: Machine) -> None:
    wait_until(lambda: not guest.is_on, f"{guest} has powered itself off", 300)


@pytest.fixture(scope="module")
def operator(whole_pair: Pair) -> Iterator[Operator]:
    """A pair as README.md makes it, with ssh, and with the folder of twinsan on both servers."""
    pair = whole_pair
    bare.make(pair)
    pair.served = (Served(name="data0", iqn=bare.IQN),)
    try:
        for server in pair.servers:
            _give_source(server)
        print(pair.atlas.succeed(f"{bare.INIT} 2>&1", timeout=600))
        password = pair.atlas.read("/root/bmc-password").encode()
        pair.zeus.copy({"/root/bmc-password": password})
        pair.zeus.succeed("chmod 600 /root/bmc-password")
        pair.disk = pair.log_in(bare.IQN)
        pair.recover()
        yield Operator(pair)
    except BaseException:
        print(f"the state of all guests is in {pair.collect(evidence.new_folder('day-two'))}")
        raise
    finally:
        for server in pair.servers:
            server.start()
            server.wait_for_boot()
        del pair.served
        bare.configure(pair)


def _give_source(server: Machine) -> None:
    project = Path(__file__).resolve().parents[2]
    # The image has no make, and needs none for anything else.
    server.copy({"/usr/bin/make": Path("/usr/bin/make"), **{f"{_SOURCE}/{part}": project / part for part in _PARTS}})


@pytest.fixture
def following(operator: Operator) -> Iterator[Operator]:
    """The pair is well before and after, and no guest tells of a defect."""
    operator.pair.recover()
    yield operator
    found = [f"{guest}: {line}" for guest in operator.pair.guests for line in evidence.defects(guest)]
    assert not found, "\n".join(found)


@pytest.fixture
def load(following: Operator) -> Iterator[Load]:
    running = Load(following.pair)
    yield running
    running.judge()


class Watch:
    """What the initiator and the cluster notice from now on."""

    def __init__(self, operator: Operator, load: Load) -> None:
        self._operator, self._load, self._begin = operator, load, now()

    def judge(self, *titles: str) -> None:
        """It is what the page says of each of these procedures, which were followed."""
        self._load.wait_for_writes()
        figures = report.figures(self._load.writes(), Phase("", "", self._begin, now()))
        print(f"{', '.join(titles)}: the longest stall was {figures.stall_ms / 1000:.2f} s, errors {figures.io_errors}")
        assert figures.io_errors == 0
        done = [
            f"{each.action} {each.resource} on {each.node}"
            for each in operations.read([each for each in self._operator.pair.servers if each.is_on], self._begin)
            if re.match("p_lun|p_portal", each.resource) and each.action in ("start", "stop")
        ]
        said = {PAGE[title].interrupts for title in titles}
        if said == {NOTHING}:
            assert done == []
            assert figures.stall_ms < _MOST_SECONDS * 1000
        else:
            assert said == {PAUSE}
            # Each once: one went down there, and came up here.
            assert len(done) == 4, done


def _session(pair: Pair) -> str:
    """The number of the initiator's session."""
    listed = pair.esx.succeed("iscsiadm -m session")
    return next(line.split()[1] for line in listed.splitlines() if f" {bare.IQN} " in line)


def test_an_initiator_is_added_and_removed(following: Operator, load: Load) -> None:
    pair, esx, session = following.pair, following.pair.esx, _session(following.pair)
    name = "iqn.1998-01.com.vmware:esx2"
    interface, node = "iscsiadm -m iface -I second -o", f"iscsiadm -m node -T {bare.IQN} -p {PORTAL} -I second"
    esx.succeed(f"{interface} new && {interface} update -n iface.initiatorname -v {name} && {node} -o new")
    esx.succeed(f"{node} -o update -n node.session.initial_login_retry_max -v 1")
    try:
        esx.fail(f"{node} --login")
        watch = Watch(following, load)
        following.follow("Add an initiator")
        esx.succeed(f"{node} --login")
        status = json.loads(pair.wait_until_serving().run("twinsan status --json --timeout 20").stdout)
        sessions = [each for target in status["facts"]["targets"] for each in target["sessions"]]
        assert [each["logged_in"] for each in sessions if each["initiator"] == name] == [True]
        esx.succeed(f"{node} --logout")
        following.follow("Remove an initiator")
        esx.fail(f"{node} --login")
        watch.judge("Add an initiator", "Remove an initiator")
        # What is the same already is left alone.
        following.follow("Remove an initiator")
    finally:
        esx.run(f"{node} --logout; {node} -o delete; {interface} delete")
    assert _session(pair) == session


def _disk(pair: Pair) -> str:
    """The path of the disk that the initiator has after a login."""
    pair.esx.wait_until("ls /sys/class/block | grep -q '^sd'", "a disk is seen", 30)
    return "/dev/" + pair.esx.succeed("ls /sys/class/block | grep -m1 '^sd[a-z]*$'").strip()


def test_a_chap_secret_is_changed(following: Operator) -> None:
    """Twice: the first time the site names the file as well. No session notices; a new one needs the new secret."""
    pair, title = following.pair, "Change a CHAP secret"
    for secret in ("firstsecret123", "secondsecret456"):
        load, session = Load(pair), _session(pair)
        watch = Watch(following, load)

        def unmount(load: Load = load, session: str = session, watch: Watch = watch) -> None:
            watch.judge(title)
            assert _session(pair) == session
            load.judge()

        following.follow(title, secret=secret, unmount=unmount)
        pair.disk = _disk(pair)
        for server in pair.servers:
            assert server.read("/etc/twinsan/chap") == f"{secret}\n"
            assert server.succeed("stat -c %a%U /etc/twinsan/chap") == "600root\n"
            assert server.read(f"{_TARGET}/acls/iqn.1998-01.com.vmware:esx/auth/password").strip() == secret
            # Neither log nor configuration has it.
            server.fail(f"cibadmin --query --local | grep -q {secret}")
            server.fail(f"journalctl --boot | grep -q {secret}")
    # A host with the new one comes back after a switchover.
    load = Load(pair)
    pair.move(pair.peer_of(pair.wait_until_serving()))
    load.wait_for_writes()
    for key in ("incoming_username", "incoming_password_file"):
        following.forget(key)
    active = pair.wait_until_serving()
    active.copy({bare.SITE: following.site.encode()})
    print(active.succeed(f"twinsan apply --yes {bare.SITE} 2>&1", timeout=300))
    active.wait_until(f"grep -qx 0 {_TARGET}/attrib/authentication", "CHAP is off again", 60)
    load.wait_for_writes()
    load.judge()
    pair.log_out()
    pair.disk = pair.log_in(bare.IQN)


def test_twinsan_is_updated(following: Operator, load: Load) -> None:
    """To another version, and back to this one."""
    before = following.pair.atlas.succeed("twinsan --version")
    for server in following.pair.servers:
        server.succeed(f"""sed -i 's/^__version__ = .*/__version__ = "9.9"/' {_SOURCE}/lib/twinsan/__init__.py""")
    watch = Watch(following, load)
    for wanted in ("twinsan 9.9\n", before):
        following.follow("Update twinsan")
        for server in following.pair.servers:
            assert server.succeed("twinsan --version") == wanted
            _give_source(server)
    watch.judge("Update twinsan")


def test_the_kernel_is_updated(following: Operator, load: Load) -> None:
    """On one server after the other."""
    pair, title = following.pair, "Update the kernel, or the distribution"
    for _ in pair.servers:
        active, boots = pair.wait_until_serving(), [server.boots for server in pair.servers]
        watch = Watch(following, load)
        following.follow(title)
        watch.judge(title)
        assert pair.wait_until_serving() is pair.peer_of(active)
        assert [server.boots - before for server, before in zip(pair.servers, boots)] == [
            int(server is not active) for server in pair.servers
        ]


def _verified(pair: Pair) -> None:
    """What the load has written before is there."""
    verdict = json.loads(pair.esx.run(f"/usr/local/lib/lab/load verify --disk {pair.disk} --log {LOG}").stdout)
    assert verdict["lost_writes"] == 0, verdict
    assert verdict["acknowledged_writes"] > 0


def test_both_are_shut_down_and_started_again(following: Operator) -> None:
    pair = following.pair
    load = Load(pair)
    active = pair.wait_until_serving()
    refused = active.run("twinsan stop --yes 2>&1")
    assert refused.status == 1
    assert "logged in on" in refused.stdout, refused.stdout
    assert "nothing was stopped" in refused.stdout
    load.wait_for_writes()
    load.judge()
    pair.log_out()
    following.follow("Shut both servers down")
    for server in pair.servers:
        _wait_until_off(server)
    begin = now()
    for server in pair.servers:
        server.start()
    for server in pair.servers:
        server.wait_for_boot()
    print(active.read(_TYPED))
    following.follow("Start again", active=active)
    pair.wait_until_serving()
    print(f"a cold start: the SAN serves {now() - begin:.0f} s after the power")
    assert [event for event in pair.power_events if event[0] >= begin] == [], "a server was fenced"
    pair.disk = pair.log_in(bare.IQN)
    _verified(pair)
    pair.recover()


def test_only_one_server_comes_up(following: Operator) -> None:
    """The one that was the last to serve. The other one lost its power supply, which its BMC needs as well."""
    pair = following.pair
    before = Load(pair)
    active = pair.wait_until_serving()
    passive = pair.peer_of(active)
    before.judge()
    pair.log_out()
    following.follow("Shut both servers down")
    for server in pair.servers:
        _wait_until_off(server)
    pair.bmc_of(passive).unplug()
    try:
        active.start()
        active.wait_for_boot()
        print(active.read(_TYPED))
        active.wait_until("crm_mon -1 | grep -q 'WITHOUT quorum'", "it waits for the other one", 120)
        assert pair.serving() is None
        begin = now()
        following.follow("Only one server comes up", active=active)
        pair.wait_until_serving(on=active)
        print(f"alone, the SAN serves {now() - begin:.0f} s after the commands")
        pair.disk = pair.log_in(bare.IQN)
        _verified(pair)
        load = Load(pair)
    finally:
        pair.bmc_of(passive).plug()
    passive.start()
    pair.recover()
    load.wait_for_writes()
    load.judge()
    assert pair.verify_replicas() == 0


def test_a_server_is_replaced(following: Operator, load: Load) -> None:
    pair = following.pair
    active = pair.wait_until_serving()
    passive = pair.peer_of(active)
    bare.replace(pair, passive)
    _give_source(passive)
    # What comes before is the death of a server, and its fencing.
    load.wait_for_writes()
    watch = Watch(following, load)
    following.follow("Replace a server")
    pair.wait_until_in_sync()
    watch.judge("Replace a server")
    pair.recover()
    assert pair.verify_replicas() == 0


def test_it_is_uninstalled(following: Operator) -> None:
    """The last: afterwards the servers are renewed. The data stay."""
    pair = following.pair
    load = Load(pair)
    active = pair.wait_until_serving()
    load.wait_for_writes()
    active.copy({bare.SITE: following.site.encode()})
    refused = active.run(f"twinsan remove --yes {bare.SITE} 2>&1; make --directory={_SOURCE} uninstall 2>&1")
    assert "logged in on" in refused.stdout, refused.stdout
    assert "the cluster has resources of twinsan" in refused.stdout, refused.stdout
    load.judge()
    written = pair.esx.succeed(f"dd if={pair.disk} bs=64k count=64 iflag=direct status=none | sha256sum")
    pair.log_out()
    following.follow("Uninstall")
    for server in pair.servers:
        assert server.succeed("find /usr -name '*twinsan*'") == ""
        server.succeed("drbdadm up data0")
    left = active.succeed("cibadmin --query --local --scope configuration")
    assert re.findall(r'provider="twinsan"|"(?:p_|ms_|g_|c_)\w+"', left) == []
    assert "fence_atlas" in left
    active.wait_until("grep -q 'cs:Connected' /proc/drbd", "the replicas are connected", 60)
    active.succeed("drbdadm primary data0")
    assert active.succeed("dd if=/dev/drbd0 bs=64k count=64 iflag=direct status=none | sha256sum") == written
