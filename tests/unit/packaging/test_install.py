# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make install` and pip install: the same files, where Pacemaker, DRBD and man look for them, and they run."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.unit import agents
from twinsan import __version__
from twinsan.ocf import metadata

pytestmark = [pytest.mark.runs_programs, pytest.mark.long]

RESOURCES = Path("usr/lib/ocf/resource.d/twinsan")
LIBRARY = Path("usr/lib/twinsan")
LEFT_OUT = {"__pycache__"}


def run(*words: str | Path, folder: Path = agents.ROOT, **variables: str) -> str:
    """The output of a program that must succeed without a word on standard error."""
    ended = subprocess.run(
        [str(word) for word in words],
        cwd=folder,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout


def files(root: Path) -> dict[str, tuple[bool, str]]:
    """All files below a folder: whether each can be executed, and its content or the target of the link. What `make
    install` has in a folder of its version is shown as pip has it.
    """
    version = os.path.dirname(os.readlink(root / LIBRARY)) if (root / LIBRARY).is_symlink() else ""

    def plain(text: str) -> str:
        return text.replace(f"/{version}/", "/").replace(f"/{version}", "") if version else text

    return {
        plain(str(path.relative_to(root))): (
            os.access(path, os.X_OK),
            os.readlink(path) if path.is_symlink() else plain(path.read_text()),
        )
        for path in root.rglob("*")
        if (path.is_symlink() or path.is_file()) and not LEFT_OUT.intersection(path.parts) and path.suffix != ".pyc"
        if path != root / LIBRARY
    }


@pytest.fixture(params=["made", "piped"])
def root(request: pytest.FixtureRequest) -> Path:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Path)
    return found


def test_both_install_the_same(made: Path, piped: Path) -> None:
    """But for the agents: pip cannot make their scripts, so it has the agents themselves in their place."""
    ours = {path: found for path, found in files(made).items() if "agents" not in path.split("/")}
    theirs = {path: found for path, found in files(piped).items() if ".dist-info/" not in path}
    for name in agents.NAMES:
        assert theirs.pop(f"{RESOURCES}/{name}") == (True, (agents.FOLDER / name).read_text())
        assert ours.pop(f"{RESOURCES}/{name}")[0]
    assert theirs == ours


def test_everything_is_there(made: Path) -> None:
    found = set(files(made))
    for folder, place in (
        ("lib", "usr/lib"),
        ("agents", RESOURCES),
        ("cib-templates", "usr/share/twinsan/cib-templates"),
        ("drbd", "usr/share/twinsan/drbd"),
    ):
        shipped = {f"{place}/{path}" for path in files(agents.ROOT / folder) if ".egg-info" not in path}
        assert shipped
        assert shipped <= found
    pages = {f"usr/share/man/man{page.suffix[1:]}/{page.name}" for page in (agents.ROOT / "man").iterdir()}
    others = {
        "lib/modules-load.d/twinsan.conf",
        "lib/systemd/system/twinsan-metrics.service",
        "lib/systemd/system/twinsan-metrics.timer",
        "share/bash-completion/completions/twinsan",
        "share/twinsan/alert",
        "share/twinsan/prometheus/dashboard.json",
        "share/twinsan/prometheus/rules.yml",
    }
    assert {"usr/sbin/twinsan", *pages, *(f"usr/{place}" for place in others)} <= found


@pytest.mark.parametrize("name", agents.NAMES)
def test_an_agent_runs_from_there(root: Path, name: str) -> None:
    printed = run(root / RESOURCES / name, "meta-data", folder=Path("/"))
    assert printed == metadata.render(agents.load(name))


@pytest.mark.parametrize("name", agents.NAMES)
def test_pacemaker_waits_for_no_python(made: Path, piped: Path, name: str, tmp_path: Path) -> None:
    """The metadata is the same as the agent itself gives to Pacemaker, which names the version of the API."""
    expected = metadata.render(agents.load(name), declared=False)
    assert run(piped / RESOURCES / name, "meta-data", OCF_RA_VERSION_MAJOR="1") == expected
    alone = shutil.copy(made / RESOURCES / name, tmp_path)
    assert run(alone, "meta-data", OCF_RA_VERSION_MAJOR="1", PATH="/nowhere") == expected


@pytest.mark.parametrize("name", agents.NAMES)
def test_an_agent_is_found_through_a_link(made: Path, name: str, tmp_path: Path) -> None:
    link = tmp_path / name
    link.symlink_to(made / RESOURCES / name)
    assert run(link, "meta-data") == metadata.render(agents.load(name))
    assert "usage" in run(link, "--help")


def test_the_command_runs_from_there(root: Path) -> None:
    assert "reservations" in run(root / "usr/sbin/twinsan", "--help")
    assert run(root / "usr/sbin/twinsan", "--version", folder=Path("/")) == f"twinsan {__version__}\n"


def test_a_site_file_is_rendered_from_there(root: Path) -> None:
    """By the declarations of the agents that were installed, by a Python that has lxml."""
    site = root / "usr/share/twinsan/examples/san.toml"
    printed = run(
        sys.executable, "-IS", root / "usr/sbin/twinsan", "render", site, "--only", "cib.xml", folder=Path("/")
    )
    template = (agents.ROOT / "cib-templates" / "san.xml").read_text()
    assert printed == template.replace("san.xml\n", "cib.xml\n")


def test_an_agent_takes_the_library_that_was_installed_with_it(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root / "usr", tmp_path / "usr", symlinks=True)
    text = tmp_path / "usr/lib/twinsan/__init__.py"
    # Longer than it was: Python takes a compiled module for current by its second and its size.
    text.write_text(text.read_text().replace(f'"{__version__}"', '"9.9.99999"'))
    assert 'version="9.9.99999"' in run(tmp_path / RESOURCES / "lio-lun", "meta-data")


def test_another_prefix_is_linked_to_where_pacemaker_looks(made_elsewhere: Path) -> None:
    root = made_elsewhere
    found = {path: target for path, (_, target) in files(root).items() if (root / path).is_symlink()}
    links = {path: target for path, target in found.items() if path != "opt/twinsan/lib/twinsan"}
    expected = {f"{RESOURCES}/{name}": f"/opt/twinsan/lib/ocf/resource.d/twinsan/{name}" for name in agents.NAMES}
    programs = {f"usr/{place}": f"/opt/twinsan/{place}" for place in ("sbin/twinsan", "share/twinsan/alert")}
    assert links == {**expected, **programs}
    for target in {*links.values()} - {programs["usr/share/twinsan/alert"]}:
        assert run(f"{root}{target}", "meta-data" if "ocf" in target else "--version")


def test_it_can_be_installed_over_itself(tmp_path: Path) -> None:
    """Also over the links of an earlier one, without writing through them, and over what pip has put there."""
    (tmp_path / RESOURCES).mkdir(parents=True)
    (tmp_path / RESOURCES / "lio-lun").symlink_to(tmp_path / "earlier")
    (tmp_path / "earlier").write_text("stays")
    (tmp_path / "usr/lib/twinsan/gone").mkdir(parents=True)
    for _ in range(2):
        run("make", "--silent", "install", f"DESTDIR={tmp_path}")
    assert (tmp_path / "earlier").read_text() == "stays"
    assert not (tmp_path / RESOURCES / "lio-lun").is_symlink()
    assert not (tmp_path / "usr/lib/twinsan/gone").exists()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the checkout, to make other versions of: without much of what only the command needs, as all would be
    compiled for each version.
    """
    place = tmp_path / "copy"
    outside = ("build", ".git", ".hypothesis", "docs", "__pycache__", "tests", "lab")
    left_out = shutil.ignore_patterns(*outside, "operate", "site")
    shutil.copytree(agents.ROOT, place, ignore=left_out)
    return place


def edit(copy: Path, number: int) -> str:
    """Make another version, of all modules and agents."""
    for path in [*(copy / "lib").rglob("*.py"), *(copy / "agents").iterdir()]:
        path.write_text(f"{path.read_text()}\n# {number}\n")
    text = copy / "lib/twinsan/__init__.py"
    text.write_text(re.sub('__version__ = ".*"', f'__version__ = "9.{number}"', text.read_text()))
    return f"9.{number}"


def versions(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "usr/lib").glob("twinsan-*"))


def test_the_version_before_stays_until_the_next_installation(copy: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    seen = []
    for number in range(3):
        version = edit(copy, number)
        run("make", "--silent", "install", f"DESTDIR={root}", folder=copy)
        assert run(root / "usr/sbin/twinsan", "--version") == f"twinsan {version}\n"
        seen.append(os.path.dirname(os.readlink(root / LIBRARY)))
        assert versions(root) == sorted(seen[-2:])
    assert len(set(seen)) == 3


def test_another_way_to_start_an_agent_is_another_version(copy: Path, tmp_path: Path) -> None:
    """The program that starts an agent lies with its library, which is not written anew where it is there already."""
    root = tmp_path / "root"
    run("make", "--silent", "install", f"DESTDIR={root}", folder=copy)
    installer = copy / "packaging/install.py"
    installer.write_text(installer.read_text().replace("# Compiled once", "# Another way: compiled once"))
    run("make", "--silent", "install", f"DESTDIR={root}", folder=copy)
    assert len(versions(root)) == 2
    (library,) = {
        path.parents[1].name
        for path in root.glob("usr/lib/twinsan-*/agents/lio-lun")
        if "Another way" in path.read_text()
    }
    assert library in (root / RESOURCES / "lio-lun").read_text()


def test_an_agent_that_runs_goes_on_with_its_own_library(copy: Path, tmp_path: Path) -> None:
    """It has imported nothing but the beginning when another version is installed."""
    root = tmp_path / "root"
    first = edit(copy, 1)
    run("make", "--silent", "install", f"DESTDIR={root}", folder=copy)
    agent = root / RESOURCES / "lio-lun"
    (waits,) = root.glob("usr/lib/twinsan-*/twinsan/agents/lio_lun.py")
    waits.write_text(waits.read_text().replace("from twinsan.errors", "input()\nfrom twinsan.errors", 1))
    words = [str(agent), "meta-data"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        edit(copy, 2)
        run("make", "--silent", "install", f"DESTDIR={root}", folder=copy)
        printed, _ = running.communicate("\n", timeout=60)
    assert f'version="{first}"' in printed
    assert 'version="9.2"' in run(agent, "meta-data")


@pytest.mark.soak
def test_no_monitor_meets_half_a_library(copy: Path, tmp_path: Path) -> None:
    """Agents are started one after the other while versions replace each other."""
    root = tmp_path / "root"
    edit(copy, 0)
    run("make", "--silent", "install", f"DESTDIR={root}", folder=copy)
    printed: list[str] = []
    failed: list[str] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            try:
                printed.append(run(root / RESOURCES / "lio-lun", "meta-data"))
            except AssertionError as failure:
                failed.append(str(failure))

    watching = threading.Thread(target=look)
    watching.start()
    try:
        for number in range(1, 11):
            edit(copy, number)
            run("make", "--silent", "install", f"DESTDIR={root}", folder=copy)
    finally:
        ended.set()
        watching.join()
    assert failed == []
    assert len(printed) >= 10


def python(folder: Path, version: str) -> Path:
    """A program that says to be a Python."""
    folder.mkdir(exist_ok=True)
    path = folder / f"python{version}"
    major, _, minor = version.partition(".")
    path.write_text(f'#!/bin/sh\ncase "$2" in *compileall*) exec {sys.executable} "$@"; esac\necho {major} {minor}\n')
    path.chmod(0o755)
    return path


def test_a_python_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = python(tmp_path / "bin", "3.6")
    words = ["make", "--silent", "install", f"DESTDIR={tmp_path}/root", f"INTERPRETER={old}"]
    ended = subprocess.run(words, cwd=agents.ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    first = ended.stderr.splitlines()[0]
    assert first.startswith(f"make install: {old} is 3.6 and twinsan needs 3.9; install a newer Python")
    assert not (tmp_path / "root").exists()


def test_a_newer_python_beside_the_old_one_is_named(tmp_path: Path) -> None:
    newer = python(tmp_path / "bin", "3.11")
    old = python(tmp_path / "bin", "3.6")
    text = (agents.ROOT / "packaging/install.py").read_text()
    copy = tmp_path / "install.py"
    copy.write_text(text.replace('INTERPRETER = "/usr/bin/python3"', f'INTERPRETER = "{old}"'))
    path = f"{tmp_path}/bin:/nowhere"
    program = f"import runpy; print(runpy.run_path({str(copy)!r})['choose'](''))"
    assert run(sys.executable, "-c", program, PATH=path) == f"{newer}\n"


def test_the_interpreter_that_was_named_stands_in_every_program(tmp_path: Path) -> None:
    link = tmp_path / "python3.11"
    link.symlink_to(os.path.realpath(sys.executable))
    said = run("make", "--silent", "install", f"DESTDIR={tmp_path}/root", f"INTERPRETER={link}")
    assert said == f"twinsan runs with {link}\n"
    programs = [*(tmp_path / "root").glob("usr/lib/twinsan-*/agents/*"), tmp_path / "root/usr/sbin/twinsan"]
    assert len(programs) == len(agents.NAMES) + 1
    for path in programs:
        assert path.read_text().startswith(f"#!{link} -IS\n")
        assert run(path, "meta-data" if path.name != "twinsan" else "--version")


@pytest.mark.parametrize("name", [*agents.NAMES, "twinsan"])
@pytest.mark.parametrize("version", [(3, 6), (3, 7), (3, 8)])
def test_an_old_python_gets_a_reason(name: str, version: tuple[int, int], tmp_path: Path) -> None:
    """To it all of the program must be valid, and nothing but its first lines may run."""
    source = agents.ROOT / ("bin" if name == "twinsan" else "agents") / name
    text = source.read_text()
    ast.parse(text, feature_version=version)
    # Which 3.6 does not know, and refuses before the first line.
    assert "from __future__ import annotations" not in text
    old = f"import sys; sys.version_info = {(*version, 1)!r}; sys.version = '3.{version[1]}.1 (old)'; sys.path = []\n"
    ended = subprocess.run(
        [sys.executable, "-ISc", f"{old}exec(compile(open({str(source)!r}).read(), 'agent', 'exec'))", "monitor"],
        capture_output=True,
        text=True,
        check=False,
    )
    first = "twinsan: " if name == "twinsan" else "ocf-exit-reason:"
    needs = "is too old; install 3.9 or newer, then twinsan again: make install"
    assert ended.stderr == f"{first}Python 3.{version[1]}.1 {needs}\n"
    # DRBD takes a handler's 5 for a peer that cannot be reached.
    assert ended.returncode == (1 if name == "twinsan" else 5)
    assert len(ended.stderr) <= 128
