# SPDX-License-Identifier: GPL-2.0-or-later
"""Read a site file: TOML to the model, with all mistakes at once."""

from __future__ import annotations

import re

from twinsan.errors import Failure, Misconfigured, Reason
from twinsan.site import model, resource_reader, rules, toml
from twinsan.site.mistakes import Mistake, Mistakes
from twinsan.site.places import Places
from twinsan.site.table import Table

# More than any pair needs, and little enough to be read at once.
LARGEST = 1 << 20

NOT_TOML = Reason(Misconfigured, "this is no TOML: {error}", "see toml.io for how it is written")
NOT_TEXT = Reason(Misconfigured, "byte {number} is no UTF-8", "save the file as UTF-8")
TOO_LARGE = Reason(Misconfigured, "the file has more than {most} bytes", "a site needs a hundredth of it")
TOO_DEEP = Reason(Misconfigured, "tables or lists are nested too deeply", "a site needs four levels")
NO_FILE = Reason(Failure, "{name} cannot be read: {error}", "name a site file, such as examples/san.toml")

_NODE = r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?"
_LABEL = r"[A-Za-z][A-Za-z0-9_-]{0,31}"
_WITNESS = "10.0.6.14"


def load(name: str) -> tuple[model.Site | None, list[Mistake]]:
    """Return the site that the file `name` describes, and its mistakes: None if there are any. Raises Failure for a
    file that cannot be read.
    """
    try:
        with open(name, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        raise NO_FILE(name=name, error=getattr(error, "strerror", None) or error) from None
    return parse(content)


def parse(content: bytes) -> tuple[model.Site | None, list[Mistake]]:
    """Return the site that `content` describes, and its mistakes: None if there are any."""
    if len(content) > LARGEST:
        return None, [_mistake(1, TOO_LARGE, most=LARGEST)]
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        return None, [_mistake(content.count(b"\n", 0, error.start) + 1, NOT_TEXT, number=error.start)]
    try:
        return _site(text)
    except RecursionError:
        return None, [_mistake(1, TOO_DEEP)]
    except ValueError as error:
        line = re.search(r"at line (\d+)", str(error))
        told = ascii(str(error))[1:-1][:200]
        return None, [_mistake(int(line[1]) if line else 1, NOT_TOML, error=told)]


def _mistake(line: int, reason: Reason, **values: object) -> Mistake:
    return Mistake(line, "", reason.what.format(**values), reason.remedy.format(**values))


def _site(text: str) -> tuple[model.Site | None, list[Mistake]]:
    """Raises ValueError for what is no TOML."""
    value = toml.loads(text)
    found = Mistakes(Places(text.replace("\r\n", "\n")))
    site = _read(Table(value, (), found))
    rules.check(site, found)
    return (None if found else site), list(found)


def _read(table: Table) -> model.Site:
    allowed = "letters, digits, _ and -, a letter first, at most 32"
    name = table.name("name", _LABEL, what="name of a cluster", allowed=allowed, example='name = "san"')
    description = table.prose("description")
    networks = table.networks("networks", example='networks = { storage = "10.0.5.0/24" }')
    nodes = _nodes(table)
    names = tuple(node.name for node in nodes)
    fencing = _fencing(table)
    witness = ""
    if table.has("witness"):
        inner = table.table("witness", example="")
        witness = inner.address("host", example=f'host = "{_WITNESS}"')
        inner.finish()
    policy = _policy(table.table("policy", example="", needed=False))
    alerts = _alerts(table.table("alerts", example="", needed=False)) if table.has("alerts") else None
    tables = table.table("resources", example="[resources.data0]")
    read = [
        resource_reader.read(each, tables.table(each, example="[resources.data0]"), names, networks)
        for each in tables.names()
    ]
    table.finish()
    return model.Site(name, description, networks, nodes, fencing, witness, policy, tuple(read), alerts)


def _nodes(table: Table) -> tuple[model.Node, ...]:
    tables = table.table("nodes", example='[nodes.atlas], and in it: links = ["10.0.5.2", "10.0.6.12"]')
    found = []
    for name in tables.names():
        tables.name_of_key(name, _NODE, what="name of a node", allowed="what uname -n prints there")
        inner = tables.table(name, example="")
        links = inner.addresses("links", example='links = ["10.0.5.2", "10.0.6.12"]')
        replication = inner.address("replication", example="", default=links[0] if links else "")
        bmc = inner.address("bmc", example="", default="")
        inner.finish()
        found.append(model.Node(name, links, replication, bmc, inner.path))
    return tuple(found)


def _fencing(table: Table) -> model.Fencing:
    inner = table.table("fencing", example='fencing = { by = "ipmi", username = "twinsan" }')
    by = inner.choice("by", (model.IPMI, model.SBD, model.WATCHDOG), model.IPMI)
    devices: list[str] = []
    watchdog = "/dev/watchdog"
    parameters = {}
    if by == model.IPMI:
        parameters["username"] = inner.text("username", example='username = "twinsan"')
        parameters["cipher"] = str(inner.number("cipher", 0, 17, default=3))
        parameters["power_wait"] = str(inner.number("power_wait", 0, 60, default=1))
        if inner.has("password_script"):
            parameters["password_script"] = inner.device("password_script", example='"/etc/twinsan/bmc-password"')
        parameters["password"] = inner.secret("password")
    if by == model.SBD:
        devices = inner.paths("devices", example='devices = ["/dev/disk/by-id/ID"]')
    if by != model.IPMI:
        watchdog = inner.device("watchdog", example='"/dev/watchdog"', default=watchdog)
    inner.finish()
    return model.Fencing(by, tuple(devices), watchdog, parameters, inner.path)


def _alerts(table: Table) -> model.Alerts:
    command = table.text("command", example='command = "/usr/local/sbin/page"', default="")
    if command:
        table.checked_path(command.split()[0] if command.split() else "?", (*table.path, "command"))
    table.finish()
    return model.Alerts(" ".join(command.split()))


def _policy(table: Table) -> model.Policy:
    sane = model.Policy()
    delay = table.number("priority_fencing_delay", 0, 60, default=3)
    stickiness = table.number("stickiness", 1, 10000, default=model.STICKINESS)
    policy = model.Policy(
        priority_fencing_delay=delay if table.has("priority_fencing_delay") else None,
        recheck_interval=table.number("recheck_interval", 10, 900, default=sane.recheck_interval),
        failure_timeout=table.number("failure_timeout", 60, 86400, default=sane.failure_timeout),
        migration_threshold=table.number("migration_threshold", 1, 1000, default=sane.migration_threshold),
        stickiness=stickiness if table.has("stickiness") else None,
        load_threshold=table.number("load_threshold", 80, 10000, default=sane.load_threshold),
        token_ms=table.number("token_ms", 1000, 30000, default=sane.token_ms),
        consensus_ms=table.number("consensus_ms", 100, 30000, default=sane.consensus_ms),
    )
    table.finish()
    return policy
