# SPDX-License-Identifier: GPL-2.0-or-later
"""A manual page from a class."""

from __future__ import annotations

import subprocess

import pytest

from tools.manual import page
from twinsan.errors import Failure, Reason
from twinsan.ocf import network_parameter, parameter
from twinsan.ocf.agent import Agent, action

ODD = Reason(Failure, "{name} is odd", "make it even: {name}")


class Odd(Agent):
    r"""Do what roff would trip over.

    A paragraph with a back\slash and - hyphens.
    .A line that begins with a dot.

    Then
    'and that.
    """

    name = "odd-agent"
    files = (("/etc/odd", "What it is."),)
    see_also = ("other(8)",)
    needed = network_parameter.Iqn("The name.", "How it is\n    called.", required=True, unique_group="name")
    optional = parameter.Integer("Number", "", least=0, most=9, default="0", reloadable=True)

    @action("start", timeout=30)
    def start(self) -> None:
        """Not called."""
        raise ODD(name=self.name)

    @action("monitor", timeout=20, interval=10)
    def monitor(self) -> None:
        """Not called."""


def test_every_section_is_there() -> None:
    headings = [line[4:] for line in page.render(Odd).splitlines() if line.startswith(".SH ")]
    assert headings == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "PARAMETERS",
        "ACTIONS",
        "EXIT STATUS",
        "FILES",
        "EXAMPLE",
        "DIAGNOSTICS",
        "SEE ALSO",
    ]


@pytest.mark.runs_programs
def test_it_reads_as_it_was_written() -> None:
    formatted = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-c", "-rLL=100n"],
        input=page.render(Odd),
        capture_output=True,
        text=True,
        check=True,
    )
    assert formatted.stderr == ""
    text = _plain(formatted.stdout)
    assert "ocf_twinsan_odd-agent - Do what roff would trip over\n" in text
    assert "back\\slash and - hyphens.  .A line that begins with a dot." in text
    assert "\n\n       Then 'and that.\n" in text
    assert "needed (string, required, unique within name)\n" in text
    assert "The name.\n" in text
    assert "How it is called.\n" in text
    assert "optional (integer, default 0, changes without a restart)\n" in text
    assert "Advised timeout 20 s, interval 10 s.\n" in text
    assert "\n       /etc/odd\n              What it is.\n" in text
    assert "OCF_RESKEY_needed=NEEDED \\\n" in text
    assert "\n       NAME is odd\n              Make it even: NAME\n" in text
    assert "other(8), crm(8)" in text


def test_an_agent_without_a_promoted_role_has_no_codes_of_one() -> None:
    assert "promoted and has failed" not in page.render(Odd)


def _plain(text: str) -> str:
    """Formatted text without the overstrikes that make bold and underline."""
    while "\b" in text:
        at = text.index("\b")
        text = text[: at - 1] + text[at + 1 :]
    return text
