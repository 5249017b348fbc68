# SPDX-License-Identifier: GPL-2.0-or-later
"""A cluster of atlas (this node) and zeus, as cibadmin and crmadmin would show it."""

from __future__ import annotations

import os
from xml.etree import ElementTree as ET

import pytest

from tests.unit.fake_drbd import FakeHost
from twinsan.deadline import Deadline
from twinsan.host import command

MEMBER = {"in_ccm": "1763800000", "crmd": "1763800001", "join": "member", "expected": "member"}
MEMBER_OLD = {"in_ccm": "true", "crmd": "online", "join": "member", "expected": "member"}
LOST = {"in_ccm": "0", "crmd": "0", "join": "down", "expected": "member"}
LOST_OLD = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "member"}
DOWN = {"in_ccm": "0", "crmd": "0", "join": "down", "expected": "down"}
DOWN_OLD = {"in_ccm": "false", "crmd": "offline", "join": "down", "expected": "down"}
JOINING = {"in_ccm": "1763800000", "crmd": "0", "join": "down", "expected": "down"}

RESOURCES = """
<clone id="ms_drbd"><primitive id="p_drbd" class="ocf" provider="twinsan" type="drbd-vaai">
<instance_attributes id="p_drbd-parameters">
<nvpair id="p_drbd-drbd_resource" name="drbd_resource" value="san"/>
</instance_attributes></primitive></clone>
"""


class FakeCluster:
    """What the CIB holds, and what was done to it."""

    def __init__(self, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.host = host
        self.running = True
        self.quorum = True
        self.schema = "pacemaker-3.9"
        self.peer = dict(MEMBER)
        # Further members.
        self.others: list[str] = []
        self.resources = RESOURCES
        self.constraints: list[str] = []
        # Whether the peer's controller answers, one value for each question; the last one stays.
        self.answers = [True]
        # What happens to the peer before each query of the CIB.
        self.future: list[dict[str, str]] = []
        self.calls: list[str] = []
        monkeypatch.setattr(command, "run", self.run)
        real = os.uname()
        fake = os.uname_result((real.sysname, "atlas", real.release, real.version, real.machine))
        monkeypatch.setattr(os, "uname", lambda: fake)

    def constraint(self, owner: str, role: str = "Promoted") -> str:
        return (
            f'<rsc_location rsc="ms_drbd" id="drbd-fence-by-handler-san-ms_drbd"><rule role="{role}" score="-INFINITY" '
            f'id="drbd-fence-by-handler-san-rule-ms_drbd"><expression attribute="#uname" operation="ne" '
            f'value="{owner}" id="drbd-fence-by-handler-san-expr-1-ms_drbd"/></rule></rsc_location>'
        )

    def cib(self) -> str:
        states = {"atlas": MEMBER, "zeus": self.peer, **dict.fromkeys(self.others, MEMBER)}
        nodes = "".join(f'<node id="{number}" uname="{name}"/>' for number, name in enumerate(states))
        status = "".join(
            f'<node_state uname="{name}" {" ".join(f"{key}={value!r}" for key, value in state.items())}/>'
            for name, state in states.items()
            if state
        )
        return (
            f'<cib have-quorum="{int(self.quorum)}" validate-with="{self.schema}"><configuration><nodes>{nodes}</nodes>'
            f"<resources>{self.resources}</resources><constraints>{''.join(self.constraints)}</constraints>"
            f"</configuration><status>{status}</status></cib>"
        )

    def run(self, *argv: str, deadline: Deadline, input: str = "", check: bool = True) -> command.Result:  # noqa: A002
        if argv[0] not in ("cibadmin", "crmadmin"):
            return self.host.run(*argv, deadline=deadline, input=input, check=check)
        self.calls.append(" ".join(argv[:2]))
        status, stdout = self._answer(list(argv)) if self.running else (102, "")
        result = command.Result(argv, status, stdout, "" if status == 0 else "Transport endpoint is not connected")
        if check and status:
            raise command.CommandFailed(result)
        return result

    def _answer(self, argv: list[str]) -> tuple[int, str]:
        if argv[0] == "crmadmin":
            answered = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            return (0, f"Controller on {argv[-1]} in state S_NOT_DC: ok\n") if answered else (124, "")
        if "--query" in argv:
            if self.future:
                self.peer = self.future.pop(0)
            return 0, self.cib()
        element = ET.fromstring(argv[argv.index("--xml-text") + 1])
        names = [ET.fromstring(text).get("id") for text in self.constraints]
        if "--create" in argv:
            if element.get("id") in names:
                return 108, ""
            self.constraints.append(ET.tostring(element, encoding="unicode"))
        elif "--modify" in argv:
            assert element.get("id") in names
            self.constraints = [_merged(text, element) for text in self.constraints]
        elif element.tag == "expression":
            self.constraints = [_without(text, element.get("id", "")) for text in self.constraints]
            if any("<expression" not in text for text in self.constraints):
                return 78, ""
        else:
            assert "--delete" in argv
            self.constraints = [text for text, name in zip(self.constraints, names) if name != element.get("id")]
        return 0, ""

    @property
    def allowed(self) -> list[str]:
        """Who may be promoted, of each constraint."""
        expressions = [ET.fromstring(text).find("./rule/expression") for text in self.constraints]
        return [expression.get("value", "") for expression in expressions if expression is not None]

    @property
    def allowed_nodes(self) -> set[str]:
        """Who may be promoted by the one constraint."""
        (text,) = self.constraints
        return {expression.get("value", "") for expression in ET.fromstring(text).iter("expression")}


def _without(text: str, identifier: str) -> str:
    whole = ET.fromstring(text)
    for rule in whole.iter("rule"):
        for expression in [each for each in rule if each.get("id") == identifier]:
            rule.remove(expression)
    return ET.tostring(whole, encoding="unicode")


def _merged(text: str, more: ET.Element) -> str:
    """As --modify does: by the ids of the parts."""
    whole = ET.fromstring(text)
    if whole.get("id") == more.get("id"):
        known = {expression.get("id") for expression in whole.iter("expression")}
        for rule, added in zip(whole.iter("rule"), more.iter("rule")):
            rule.extend(each for each in added if each.get("id") not in known)
    return ET.tostring(whole, encoding="unicode")
