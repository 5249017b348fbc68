# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``twinsan check`` finds, for its manual page: every fault, by subject."""

from __future__ import annotations

from tools.manual import page
from tools.manual.roff import escape
from twinsan.operate.checks import catalogue

_ABOUT = (
    "All that 'twinsan check' looks for: the name of the fault for programs and its severity, what is wrong, why it "
    "matters, and what to type. A word in capitals stands for a value here; WHERE is the place of the fault."
)


def section() -> list[str]:
    """Return the roff of the section."""
    lines = [".SH FINDINGS", escape(_ABOUT)]
    for subject, faults in catalogue.SUBJECTS:
        lines += [".PP", escape(f"{subject[0].upper()}{subject[1:]}:")]
        for fault in faults:
            what, why, mend = (_set(text) for text in (fault.what, fault.why, fault.mend))
            head = f"\\fB{escape(fault.key)}\\fR ({fault.severity})"
            lines += [".TP", head, what, ".br", why, ".br", mend]
    return lines


def _set(text: str) -> str:
    """The roff of a template of str.format, in which a brace is written twice."""
    return page.template(text).replace("{{", "{").replace("}}", "}")
