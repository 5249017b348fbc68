# SPDX-License-Identifier: GPL-2.0-or-later
"""Remove from below a prefix what packaging/install.py of this checkout puts there, and nothing else. `make uninstall`
calls this. Site files, secrets, DRBD's files, the cluster's configuration and all data stay.
"""

import argparse
import contextlib
import os
import subprocess
import sys

# The checkout stays as it is.
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import install  # type: ignore[import-not-found]  # noqa: E402


def main() -> int:
    """Parse the command line and remove. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="uninstall")
    parser.add_argument("--destdir", default="", help="the folder that it was staged in")
    parser.add_argument("--prefix", default="/usr")
    arguments = parser.parse_args()
    # Without its agent a resource cannot be stopped, and its node is fenced for that.
    if not arguments.destdir and cluster_needs_agents():
        sys.stderr.write(
            "make uninstall: the cluster has resources of twinsan; take them out first: twinsan remove SITE.toml\n"
        )
        return 1
    remove(arguments.destdir, arguments.prefix)
    return 0


def cluster_needs_agents() -> bool:
    """Whether a cluster runs here that has resources of ours."""
    try:
        words = ["cibadmin", "--query", "--local"]
        return b'provider="twinsan"' in subprocess.check_output(words, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return False


def remove(destdir: str, prefix: str) -> None:
    """Remove all that an installation has put below `prefix`, staged in `destdir` ("" for the system itself)."""
    root = destdir + prefix
    if os.path.normpath(prefix) != "/usr":
        for place, target in install.links(destdir, prefix):
            if install.leads_to(place) == target:
                os.unlink(place)
    agents = [os.path.join(install.AGENTS, name) for name in os.listdir(os.path.join(install.ROOT, "agents"))]
    programs = [os.path.join(root, name) for name in (*agents, install.ALERT, install.COMMAND)]
    for place in [*programs, *(place for place, _ in install.data(root))]:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(place)
    # The library goes after all that uses it.
    link = os.path.join(root, "lib", "twinsan")
    if os.path.islink(link):
        os.unlink(link)
    if os.path.isdir(os.path.dirname(link)):
        install.forget(root, set())
    for each in (destdir + "/usr", root):
        remove_empty(os.path.join(each, install.AGENTS))
        remove_empty(os.path.join(each, "share", "twinsan"))


def remove_empty(folder: str) -> None:
    """Remove a folder and those below it, but for those that hold something of others."""
    for place, _, _ in os.walk(folder, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(place)


if __name__ == "__main__":
    sys.exit(main())
