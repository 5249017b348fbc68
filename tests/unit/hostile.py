# SPDX-License-Identifier: GPL-2.0-or-later
"""Values and environments that no agent should be given, for hypothesis.

A process can be started with any bytes in its environment but NUL. Python gives what is no UTF-8 as lone surrogates.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

from twinsan.ocf.agent import Agent

Choice = TypeVar("Choice")

IQN = "iqn.2003-01.org.example:san"

# fmt: off
_LINES = (
    "\n", "\r\n", "a\nocf-exit-reason:forged", "\x1b[2J\x1b[31m", "\x00", "a\x00b", "\x7f", "\x85", "\u2028", "\t",
)
_FOREIGN = (
    "\udcff\udcfe", "caf\u00e9", "\u0661\u0662", "\u00b2", "\uff11", "\U0001f4be", "\u202eevil", "\ufeff1", "\u0130",
)
_SHELL = (
    "$(reboot)", "`reboot`", "; reboot", "| reboot", "&& reboot", "'", '"', "\\", "${IFS}", "*", "~root", "%s%n", "!!",
)
_XML = ("<!--", "&lt;", "]]>", '"/><x y="', "<!ENTITY a SYSTEM 'file:///etc/shadow'>")
_PATHS = (
    "../../etc/passwd", "/../../etc/passwd", "..", ".", "/", "//", "/dev/../etc/shadow", "/proc/self/mem",
    "/dev/drbd0\x00.txt", "/dev/drbd0%00", "/dev/drbd0,readonly=1", "/dev/drbd0 /dev/drbd1", "/" + "a" * 300,
)
_NUMBERS = (
    "-1", "0", "-0", "+1", "1.5", "1e3", "0x10", "0b1", "1_000", " 1", "1 ", "NaN", "inf", "4294967296", "\u0663", "00",
    "9" * 25, "9" * 400, "9" * 5000, "1" + "0" * 18, "2147483648", "16384", "65536",
)
_ADDRESSES = (
    "0.0.0.0", "::", "127.0.0.1", "::1", "::ffff:10.0.5.50", "::ffff:0.0.0.0", "fe80::1%eth0", "fe80::1", "[::]:3260",
    "10.0.5.50/24", "10.0.5", "010.000.005.050", "167773490", "10.0.5.50:3260:1", "[::1", "::]", "[10.0.5.50]:3260",
    "[fe80::1%eth0]:3260", "10.0.5.50:-1", "10.0.5.50:99999", "[2001:db8::1]3260", ":3260", "224.0.0.1", "ff02::1",
    "255.255.255.255", "2001:db8:::1", "1::2::3", "2001:db8::1:3260", "san.example.org",
)
_NAMES = (
    "all", "-rf", "--help", ".hidden", "minor-0", "san/0", "a" * 129, "iqn.", "iqn.2003-01.", "iqn.2003-01.a/b",
    "iqn.2003-01." + "a" * 230, "eui.0", "naa.", "iqn.2003-13-32.x", "iqn.2003-01.a:..", "IQN.2003-01.A:B",
)
_PAIRS = (
    "=", "a=", "=b", "a=b", "MaxBurstLength", "MaxBurstLength=x", "MaxBurstLength=-1", "../enable=1", "enable=1",
    "InitialR2T=Perhaps", "AuthMethod=None", "MaxBurstLength=" + "9" * 5000, "TargetAlias=" + "a" * 5000,
)
_LONG = ("x" * 5000, "a b " * 2000, " ".join(f"{IQN}{n}" for n in range(300)) + " iqn.x", "10.0.5.50 " * 500 + "x")
_WORDS = ("", " ", "yes", "no", "maybe", "None", "null", "NULL", "NULLnullNULL", "secret", "short")
# fmt: on

_KNOWN = (*_LINES, *_FOREIGN, *_SHELL, *_XML, *_PATHS, *_NUMBERS, *_ADDRESSES, *_NAMES, *_PAIRS, *_LONG, *_WORDS)
# As the environment gives them, and NUL, which could come from elsewhere.
_CHARACTERS = tuple(map(chr, (*range(0x3000), *range(0xDC80, 0xDD00))))

# Names of resources as no cluster would make them.
RESOURCES = (
    "", ".", "..", "/", "../../etc/passwd", "/etc/passwd", "a/../../b", "p:0", ":", "p:../x:1", "a\x00b", "a\nb",
    "x" * 5000, "-x", "p drbd", "\udcff", "\u00e9", "'\"<&>`$(x)", "]]>", "%s%n", "\x1b[2J",
)  # fmt: skip

_VARIABLES: dict[str, tuple[str, ...]] = {
    "OCF_RESOURCE_INSTANCE": RESOURCES,
    "OCF_EXIT_REASON_PREFIX": ("", "x", "\n", "a\nb", "\x1b", "\udcff", "p" * 5000),
    "OCF_CHECK_LEVEL": ("0", "10", "20", "5", "-1", "1e9", "\u00b2", "\u0661", "9" * 5000, "ten", "\udcff"),
    "OCF_RESKEY_OCF_CHECK_LEVEL": ("10", "9" * 5000, "x"),
    "OCF_RESKEY_crm_feature_set": ("", "3.20.0", "3.0.0", "3", "x.y", "9" * 5000, "3..1", ".", "-1.2", "\u00b2"),
    "OCF_RESKEY_CRM_meta_interval": ("0", "10000", "-1", "", "00", "zero", "9" * 5000),
    "OCF_RESKEY_CRM_meta_timeout": ("0", "1", "-1", "20000", "9" * 25, "9" * 400, "9" * 5000, "\u0661", "1e3", "never"),
    "OCF_RESKEY_CRM_meta_promoted_max": ("", "0", "1", "2", "01", "9" * 5000, "two\nlines", "\x1b", "\udcff"),
    "OCF_RESKEY_CRM_meta_master_max": ("1", "2", "x"),
    "OCF_RESKEY_CRM_meta_notify_type": ("pre", "post", "\n", "x" * 5000),
    "OCF_RESKEY_CRM_meta_notify_operation": ("start", "\udcff"),
    "PCMK_logfacility": (
        "none", "daemon", "local0", "emerg", "upto", "mask", "pid", "perror", "\u0131", "x" * 5000, "\udcff", "a\nb",
    ),
    "HA_LOGFACILITY": ("upto", "none"),
    "OCF_RA_VERSION_MAJOR": ("9", ""),
    "LC_ALL": ("tr_TR.UTF-8", "\udcff"),
}  # fmt: skip

ACTIONS = ("start", "stop", "monitor", "probe", "promote", "demote", "notify", "validate-all", "reload-agent")
FOREIGN_ACTIONS = (
    "",
    "reload",
    "migrate_to",
    "start stop",
    "__init__",
    "START",
    "\n",
    "\udcff",
    "x" * 5000,
)


_ODD = [{name: value} for name, values in _VARIABLES.items() for value in values]
_EITHER: tuple[list[dict[str, str]], ...] = ([{}], _ODD)
_CALLED = (*ACTIONS * 4, *FOREIGN_ACTIONS)

# An action, odd parameters and odd variables.
Call = tuple[str, dict[str, str], dict[str, str]]


class _Dice:
    """Choices, all of them out of one large number: draws of hypothesis are most of what an example costs."""

    BYTES = 40

    def __init__(self, number: bytes) -> None:
        self._number = int.from_bytes(number, "little")

    def pick(self, choices: Sequence[Choice]) -> Choice:
        self._number, index = divmod(self._number, len(choices))
        return choices[index]


def calls(agent: type[Agent]) -> st.SearchStrategy[Call]:
    """Calls of an agent: an action; one or two parameters that are odd, while the rest are right, so that it gets past
    its first check; and what the cluster tells besides, of which up to three variables are odd.
    """
    names = [declared.name for declared in agent.parameters()]

    def call(number: bytes) -> Call:
        dice = _Dice(number)
        action = dice.pick(_CALLED)
        variables = _joined([dice.pick(dice.pick(_EITHER)) for _ in range(3)])
        odd = {dice.pick(names): _value(dice) for _ in range(dice.pick((1, 1, 2)))}
        return action, odd, variables

    return st.binary(min_size=_Dice.BYTES, max_size=_Dice.BYTES).map(call)


def _value(dice: _Dice) -> str:
    """A known value, two of them together, or a short text."""
    kind = dice.pick(("known", "known", "known", "two", "text"))
    if kind == "text":
        return "".join(dice.pick(_CHARACTERS) for _ in range(dice.pick(range(6))))
    return dice.pick(_KNOWN) + (dice.pick(_KNOWN) if kind == "two" else "")


def told(number: int) -> dict[str, bytes]:
    """Some of those variables, others for each number, as a process gets them."""
    parts = [_ODD[(number * step) % len(_ODD)] for step in (7, 13, 29)]
    bare = {name: value.replace("\0", "") for name, value in _joined(parts).items()}
    return {name: os.fsencode(value) for name, value in bare.items()}


def _joined(parts: Sequence[dict[str, str]]) -> dict[str, str]:
    return {name: value for part in parts for name, value in part.items()}


def impossible(agent: type[Agent], name: str, value: str) -> bool:
    """Whether the agent may never take this value, by what holds for every parameter."""
    required = {declared.name for declared in agent.parameters() if declared.required}
    return any(not " " <= character <= "~" for character in value) or (value == "" and name in required)
