# SPDX-License-Identifier: GPL-2.0-or-later
"""Install twinsan below a prefix, even while an earlier version runs there. `make install` calls this.

The library of each version has its own folder, and each agent names the folder of its version. So a running agent keeps
the modules that it started with, and an agent that starts during an installation is the old one with the old library or
the new one with the new library. The library is installed first, then each agent atomically, by a rename. The previous
version stays until the next installation, long after its last agent has ended.

Pacemaker waits for an agent's metadata before each start. So the cluster's folder of agents has shell scripts with the
metadata in them; each starts the agent itself, which lies with its library and is compiled like it.

It also runs on Python 3.6, to report a system Python that is too old.
"""

import argparse
import contextlib
import hashlib
import os
import shutil
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AGENTS = os.path.join("lib", "ocf", "resource.d", "twinsan")
ALERT = os.path.join("share", "twinsan", "alert")
COMMAND = os.path.join("sbin", "twinsan")

# The interpreter in the first line of the agents and the command, and the expression by which they find the library.
INTERPRETER = "/usr/bin/python3"
FOUND_BY = '+ "/lib"'

# Files of packaging/, and where other programs look for them.
FILES = (
    ("lib/modules-load.d/twinsan.conf", "modules-load.d/twinsan.conf"),
    ("share/bash-completion/completions/twinsan", "bash-completion/twinsan"),
    ("lib/systemd/system/twinsan-metrics.service", "systemd/twinsan-metrics.service"),
    ("lib/systemd/system/twinsan-metrics.timer", "systemd/twinsan-metrics.timer"),
    ("share/twinsan/prometheus/dashboard.json", "prometheus/dashboard.json"),
    ("share/twinsan/prometheus/rules.yml", "prometheus/rules.yml"),
)

# How an agent finds its library: from here to the end of the statement.
FINDS_LIBRARY = "# The library is in lib/ of the checkout"

# For what Pacemaker asks: it names the version of the API, others do not, and get other metadata. The shell starts in a
# twentieth of the time of a Python. A link to this comes from another prefix (see _link).
SCRIPT = """\
#!/bin/sh
# The agent {name} of twinsan. Its metadata is here, because Pacemaker waits for it before each start; all else is done
# by lib/{library}/agents/{name}, which is compiled from lib/{library}/twinsan/agents/{module}.py.
case "$1:$OCF_RA_VERSION_MAJOR" in
meta-data:?*)
printf %s '{metadata}'
exit
;;
esac
if [ -L "$0" ]; then place=$(readlink "$0"); else place=$0; fi
exec "${{place%/*}}/../../../{library}/agents/{name}" "$@"
"""

LAUNCHER = """\
{head}# Compiled once, by the installation, instead of at each start.
sys.path.append(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))

from twinsan.agents.{module} import {class_name}
from twinsan.ocf import program

sys.exit(program.main({class_name}))
"""

OLDEST = (3, 9)
NEWEST = (3, 20)


class Refused(Exception):
    """Why the installation was refused."""


def main() -> int:
    """Parse the command line and install. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="install")
    parser.add_argument("--destdir", default="", help="a folder to stage it in")
    parser.add_argument("--prefix", default="/usr")
    parser.add_argument(
        "--interpreter", default="", help="the Python to run with (default: the first that is new enough)"
    )
    arguments = parser.parse_args()
    try:
        interpreter = choose(arguments.interpreter)
        install(arguments.destdir, arguments.prefix, interpreter)
    except Refused as reason:
        sys.stderr.write(f"make install: {reason}\n")
        return 1
    if interpreter != INTERPRETER:
        sys.stdout.write(f"twinsan runs with {interpreter}\n")
    return 0


def choose(named: str) -> str:
    """Return the path of the Python to run with: `named`, or that of the system, or a newer one beside it. Raises
    Refused if none is new enough.
    """
    names = [f"python3.{minor}" for minor in range(NEWEST[1], OLDEST[1] - 1, -1)]
    beside = filter(None, map(shutil.which, names))
    candidates = [named] if named else [INTERPRETER, *beside]
    for candidate in candidates:
        if version(candidate) >= OLDEST:
            return candidate
    found = ".".join(map(str, version(candidates[0]))) or "not there"
    raise Refused(
        f"{candidates[0]} is {found} and twinsan needs 3.9; install a newer Python (SLES and Leap 15: zypper install "
        "python311), then again: make install"
    )


def version(interpreter: str) -> "tuple[int, ...]":
    """Return the version of a Python as two numbers; () if it does not run."""
    ask = "import sys; print(sys.version_info[0], sys.version_info[1])"
    try:
        printed = subprocess.check_output([interpreter, "-ISc", ask], stderr=subprocess.DEVNULL)
        return tuple(int(word) for word in printed.split())
    except (OSError, ValueError, subprocess.CalledProcessError):
        return ()


def install(destdir: str, prefix: str, interpreter: str) -> None:
    """Install everything below `prefix`, staged in `destdir` ("" for the system itself). Raises Refused."""
    root = destdir + prefix
    kept = _in_use(root)
    library = _put_library(root, interpreter, destdir)
    programs = list(_programs(root, library, interpreter))
    for place, text in programs:
        _replace(place, text, 0o755)
    for place, source in data(root):
        with open(source, "rb") as file:
            _replace(place, file.read(), 0o644)
    _point(os.path.join(root, "lib", "twinsan"), os.path.join(library, "twinsan"))
    forget(root, {library, kept})
    if os.path.normpath(prefix) != "/usr":
        for link, place in links(destdir, prefix):
            os.makedirs(os.path.dirname(link), exist_ok=True)
            _point(link, place)


def _put_library(root: str, interpreter: str, destdir: str) -> str:
    """Install the library of this version, and return the name of its folder in lib. The folder gets its name when it
    is complete.
    """
    sources = _below("lib/twinsan", ".py")
    digest = hashlib.sha256()
    for source in [*sources, *_below("agents", "")]:
        digest.update(source.encode() + b"\0" + _read(source) + b"\0")
    # The library is compiled for this Python, so another one needs another folder.
    digest.update(interpreter.encode())
    digest.update(LAUNCHER.encode())
    name = f"twinsan-{digest.hexdigest()[:12]}"
    complete = os.path.join(root, "lib", name)
    if os.path.isdir(complete):
        return name
    building = complete + ".new"
    shutil.rmtree(building, ignore_errors=True)
    for source in sources:
        place = os.path.join(building, os.path.relpath(source, "lib"))
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copyfile(os.path.join(ROOT, source), place)
        os.chmod(place, 0o644)
    _put_agents(building, interpreter)
    shown = complete[len(destdir) :]
    words = [interpreter, "-IS", "-m", "compileall", "-q", "-f", "-d", shown, building]
    subprocess.check_call(words)
    os.rename(building, complete)
    return name


def _put_agents(library: str, interpreter: str) -> None:
    """Put each agent into the folder of its library: the module, and a short program that starts it."""
    _replace(os.path.join(library, "twinsan", "agents", "__init__.py"), b"", 0o644)
    for name in os.listdir(os.path.join(ROOT, "agents")):
        text, module = _program("agents/" + name, interpreter), name.replace("-", "_")
        begin = text.index(FINDS_LIBRARY)
        end = text.index("\n)\n", begin) + len("\n)\n")
        class_name = text.rpartition("program.main(")[2].partition(")")[0]
        launcher = LAUNCHER.format(head=text[:begin], module=module, class_name=class_name)
        _replace(os.path.join(library, "agents", name), launcher.encode(), 0o755)
        compiled = (text[:begin] + text[end:]).partition("\n")[2]
        _replace(os.path.join(library, "twinsan", "agents", module + ".py"), compiled.encode(), 0o644)


def _programs(root: str, library: str, interpreter: str) -> "Iterator[tuple[str, bytes]]":
    """Yield the path and the text of each program below the prefix."""
    for name in os.listdir(os.path.join(ROOT, "agents")):
        agent = os.path.join(root, "lib", library, "agents", name)
        variables = {"PATH": os.defpath, "OCF_RA_VERSION_MAJOR": "1"}
        metadata = subprocess.check_output([interpreter, "-IS", agent, "meta-data"], env=variables).decode()
        script = SCRIPT.format(
            name=name, library=library, module=name.replace("-", "_"), metadata=metadata.replace("'", "'\\''")
        )
        yield os.path.join(root, AGENTS, name), script.encode()
    yield os.path.join(root, ALERT), _read("packaging/alert")
    command = _program("bin/twinsan", interpreter).replace(FOUND_BY, f'+ "/lib/{library}"')
    yield os.path.join(root, COMMAND), command.encode()


def _program(source: str, interpreter: str) -> str:
    """The text of a program of the checkout, for another Python. Raises Refused for one that is not as it should be."""
    text = _read(source).decode()
    if text.count(FOUND_BY) != 1 or not text.startswith(f"#!{INTERPRETER} "):
        raise Refused(f"{source} does not begin as it should; install from a whole copy")
    return text.replace(INTERPRETER, interpreter, 1)


def data(root: str) -> "Iterator[tuple[str, str]]":
    """Yield path and source of each file that is no program."""
    for folder in ("cib-templates", "drbd", "examples"):
        for source in _below(folder, ""):
            yield os.path.join(root, "share", "twinsan", source), os.path.join(ROOT, source)
    for section in ("7", "8"):
        for source in _below("man", "." + section):
            place = os.path.join(root, "share", "man", "man" + section, os.path.basename(source))
            yield place, os.path.join(ROOT, source)
    for place, source in FILES:
        yield os.path.join(root, place), os.path.join(ROOT, "packaging", source)


def _in_use(root: str) -> str:
    """Return the library folder of the installed agents; "" if there is none of ours."""
    return os.path.dirname(leads_to(os.path.join(root, "lib", "twinsan")))


def forget(root: str, kept: "set[str]") -> None:
    """Remove the library folders of all versions but `kept`."""
    lib = os.path.join(root, "lib")
    for name in os.listdir(lib):
        if name.startswith("twinsan-") and name not in kept:
            shutil.rmtree(os.path.join(lib, name), ignore_errors=True)


def _point(link: str, target: str) -> None:
    """Point a link to `target`, atomically. A folder in its place, made by pip or an earlier `make install`, is moved
    aside: no link can be renamed over a folder.
    """
    if leads_to(link) == target:
        return
    if os.path.isdir(link) and not os.path.islink(link):
        before = link + "-before"
        shutil.rmtree(before, ignore_errors=True)
        os.rename(link, before)
    new = link + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    os.symlink(target, new)
    os.rename(new, link)


def links(destdir: str, prefix: str) -> "Iterator[tuple[str, str]]":
    """Yield the links to the agents, the command and the alert agent in /usr, each with its target: Pacemaker, the
    handlers of DRBD and what is made of a site file look only there.
    """
    agents = [os.path.join(AGENTS, name) for name in os.listdir(os.path.join(ROOT, "agents"))]
    for name in [*agents, COMMAND, ALERT]:
        yield os.path.join(destdir + "/usr", name), os.path.join(prefix, name)


def _replace(place: str, content: bytes, mode: int) -> None:
    """Write a file in place of another one, or of a link, atomically."""
    os.makedirs(os.path.dirname(place), exist_ok=True)
    new = os.path.join(os.path.dirname(place), "." + os.path.basename(place) + ".new")
    with open(new, "wb") as file:
        file.write(content)
    os.chmod(new, mode)
    os.rename(new, place)


def _below(folder: str, suffix: str) -> "list[str]":
    """Return the files below a folder of the checkout that end with `suffix`, by their paths in the checkout."""
    found: list[str] = []
    for place, _, names in os.walk(os.path.join(ROOT, folder)):
        found += [os.path.relpath(os.path.join(place, name), ROOT) for name in names if name.endswith(suffix)]
    return sorted(path for path in found if "__pycache__" not in path and ".egg-info" not in path)


def _read(source: str) -> bytes:
    with open(os.path.join(ROOT, source), "rb") as file:
        return file.read()


def leads_to(link: str) -> str:
    """Return the target of a link; "" if `link` is no link."""
    try:
        return os.readlink(link)
    except OSError:
        return ""


if __name__ == "__main__":
    sys.exit(main())
