# SPDX-License-Identifier: GPL-2.0-or-later
"""The running cluster of `twinsan apply`, in a file: Pacemaker's own tools change it, and its simulator carries out the
scheduler's plans.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

from lab import pacemaker_tools
from tests.unit.site.pair import Pair
from twinsan.deadline import Deadline
from twinsan.host import command
from twinsan.site import cib, declarations
from twinsan.site.model import Site

# Clusters that serve, by their configuration: a start that a test has seen is not simulated for the next one.
_SERVING: dict[str, str] = {}
# What programs did, by all that they were given: how they ended, and what was in the files that they write then.
_DONE: dict[str, tuple[subprocess.CompletedProcess[str], list[str | None]]] = {}


class Running(Pair):
    """A pair that runs a site, in a file. `done` has what was started, stopped and reloaded, for each wait in turn."""

    def __init__(self, folder: Path, site: Site) -> None:
        template = folder / "of-site.xml"
        template.write_text(cib.text(site))
        # What is tested may start the programs of this machine with the same file.
        self.file = folder / "cib.xml"
        super().__init__(folder, template, site, pacemaker_tools.installed())
        self._settled = ""
        self.done: list[list[str]] = []
        self.patches: list[str] = []
        self.before_patch: Callable[[], None] = lambda: None
        if self.template in _SERVING:
            self.load(_SERVING[self.template])
        else:
            self.settle()
            _SERVING[self.template] = self.saved()
        self.done.clear()

    def _start(self, argv: list[str], variables: dict[str, str], given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program to its end. What it did with the same words, files and cluster it has not to do again."""
        outputs = [word for option, word in zip(argv, argv[1:]) if option in ("--save-output", "--save-graph")]
        read = [Path(word).read_bytes() if os.path.isfile(word) and word not in outputs else b"" for word in argv]
        words = [Path(word).name if os.path.isabs(word) else word for word in argv]
        schemas = Path(variables["PCMK_schema_directory"]).name
        key = repr((words, read, schemas, given, self.text()))
        written = [*map(Path, outputs), self.file]
        if key not in _DONE:
            ended = super()._start(argv, variables, given)
            _DONE[key] = ended, [file.read_text() if file.exists() else None for file in written]
        ended, contents = _DONE[key]
        for file, content in zip(written, contents):
            if content is not None:
                file.write_text(content)
        return ended

    def settle(self) -> list[str]:
        """Carry out plans until there is none. Returns what was done."""
        done: list[str] = []
        if self.saved() == self._settled:
            return done
        for _ in range(6):
            # The simulator does not forget the history of what is removed.
            now = [action for action in self.go() if " delete " not in action]
            self.remember()
            if not now:
                break
            done += now
        self.done.append(done)
        self._settled = self.saved()
        return done

    def remember(self) -> None:
        """Write into the history what the controller knows from the metadata: which parameters need a restart."""
        tree = ET.parse(self.file)
        for primitive in tree.iter("primitive"):
            if primitive.get("provider") != "twinsan":
                continue
            declared = declarations.parameters(primitive.get("type", ""))
            fixed = [name for name, parameter in declared.items() if not parameter.reloadable]
            values = {
                pair.get("name", ""): pair.get("value", "") for pair in primitive.findall("instance_attributes/*")
            }
            digest = _digest({name: value for name, value in values.items() if name in fixed})
            for history in tree.iter("lrm_resource"):
                if history.get("id", "").partition(":")[0] == primitive.get("id"):
                    for operation in history.findall("lrm_rsc_op"):
                        if operation.get("operation") in ("start", "promote", "reload", "reload-agent"):
                            operation.set("op-force-restart", f" {' '.join(fixed)} ")
                            operation.set("op-restart-digest", digest)
        tree.write(self.file)

    def run(
        self,
        *argv: str,
        deadline: Deadline,
        input: str = "",  # noqa: A002
        check: bool = True,
    ) -> command.Result:
        """In place of `command.run`: the tools of Pacemaker with this file for the cluster."""
        if argv[:2] == ("crmadmin", "--dc_lookup"):
            # By the time that somebody asks.
            self.settle()
            return command.Result(argv, 0, "Designated Controller is: atlas\n", "")
        if argv[0] == "crmadmin":
            return command.Result(argv, 0, "Status of crmd@atlas: S_IDLE (ok)\n", "")
        if argv[:2] == ("crm_resource", "--locate"):
            return command.Result(argv, 0, self._located(argv[-1]), "")
        if argv[0] == "cibadmin" and "--patch" in argv:
            self.before_patch()
            self.patches.append(input)
        variables = self.variables
        if argv[0] != "cibadmin" or "--query" in argv:
            # Only what changes the cluster is validated, see simulation.
            variables["PCMK_schema_directory"] = str(self.anything)
        ended = self._start(self.words(*argv), variables, input)
        result = command.Result(argv, ended.returncode, ended.stdout, ended.stderr)
        if check and not result.ok:
            raise command.CommandFailed(result)
        return result

    def _located(self, name: str) -> str:
        printed = self._run("crm_simulate", "--xml-file", str(self.file))
        nodes = re.findall(rf"\* {name}\s+\(ocf:\S+\):\s+(?:Started|FAILED|Promoted|Unpromoted) (\w+)", printed)
        return "".join(f"resource {name} is running on: {node}\n" for node in nodes)

    def change_status(self) -> None:
        """Let the status change, as it does all the time."""
        tree = ET.parse(self.file)
        root = tree.getroot()
        root.set("num_updates", str(int(root.get("num_updates", "0")) + 1))
        tree.write(self.file)

    def find_running(self, resource: str) -> None:
        """Let a probe find a resource where the cluster has started it, as after `crm_resource --refresh`: Pacemaker
        3.0.0 keeps the result as the last one, with the digest for a reload, and as a failure without it.
        """
        tree = ET.parse(self.file)
        for history in tree.iter("lrm_resource"):
            started = history.find("lrm_rsc_op[@operation='start'][@rc-code='0']")
            if history.get("id") != resource or started is None:
                continue
            history.remove(started)
            key = f"{resource}_monitor_0"
            started.attrib.update({"operation": "monitor", "operation_key": key, "id": f"{resource}_last_0"})
            magic = started.get("transition-key", "").split(":")
            magic[2] = "7"
            started.set("transition-key", ":".join(magic))
            started.set("transition-magic", f"0:0;{':'.join(magic)}")
            without = {name: value for name, value in started.attrib.items() if "restart" not in name}
            history.extend([started, ET.Element("lrm_rsc_op", {**without, "id": f"{resource}_last_failure_0"})])
        tree.write(self.file)

    def change_configuration(self, xml: str, scope: str) -> None:
        """Let somebody else change the configuration."""
        words = self.words("cibadmin", "--create", "--scope", scope, "--xml-text", xml)
        subprocess.run(words, env=self.variables, check=True, timeout=60, capture_output=True)

    def text(self) -> str:
        """The cluster as it is."""
        return self.file.read_text()


def _digest(values: dict[str, str]) -> str:
    """The scheduler's digest of parameters."""
    listed = " ".join(f"{name}={quoteattr(value)}" for name, value in sorted(values.items()))
    return hashlib.md5(f" <parameters {listed}/>\n".encode()).hexdigest()
