# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent's class as a manual page, ``ocf_twinsan_AGENT.7``."""

from __future__ import annotations

from twinsan import __version__
from twinsan.ocf import codes, metadata
from twinsan.ocf.agent import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.ocf.agent import Action
    from twinsan.ocf.parameter import Parameter

_FOLDER = "/usr/lib/ocf/resource.d/twinsan"

# The operations that a configuration names.
_CONFIGURED = ("start", "stop", "monitor", "promote", "demote")

_STATUS = (
    (codes.SUCCESS, "The action succeeded; for monitor: the resource runs, unpromoted where it can be promoted."),
    (codes.ERR_GENERIC, "The action failed; trying again may help."),
    (codes.ERR_ARGS, "A parameter does not hold on this host."),
    (codes.ERR_UNIMPLEMENTED, "The action does not exist."),
    (codes.ERR_PERM, "The action needs root."),
    (codes.ERR_INSTALLED, "A program or kernel module is missing."),
    (codes.ERR_CONFIGURED, "A parameter is wrong on every host."),
    (codes.NOT_RUNNING, "The resource does not run here."),
    (codes.RUNNING_PROMOTED, "The resource runs and is promoted."),
    (codes.FAILED_PROMOTED, "The resource is promoted and has failed."),
    (codes.DEGRADED, "The resource works, but is not well; the exit reason says why."),
    (codes.DEGRADED_PROMOTED, "The same, promoted."),
)


def render(agent: type[Agent]) -> str:
    """The page, in roff."""
    page = f"ocf_twinsan_{agent.name}"
    short, long = metadata.descriptions(agent)
    lines = [
        '.\\" Generated from the agent by "make man".',
        f'.TH {_escape(page.upper())} 7 "" "twinsan {__version__}" "OCF resource agents"',
        ".SH NAME",
        f"{_escape(page)} \\- {_escape(short.rstrip('.'))}",
        ".SH SYNOPSIS",
        f"\\fB{_escape(agent.name)}\\fR \\fIaction\\fR",
        ".SH DESCRIPTION",
        *_text(long),
        ".SH PARAMETERS",
    ]
    for parameter in agent.parameters():
        lines += _parameter(parameter)
    lines += [".SH ACTIONS"]
    for listed, _ in [*agent.actions(), *Agent.actions()]:
        lines += _action(listed)
    lines += [".SH EXIT STATUS"]
    for code, meaning in _statuses(agent):
        lines += [".TP", f"\\fB{code}\\fR", _escape(meaning)]
    lines += [".SH EXAMPLE", *_example(agent)]
    lines += [".SH SEE ALSO", ".BR crm (8),", ".BR pcs (8),", ".BR crm_mon (8)"]
    return "\n".join(lines) + "\n"


def _text(text: str) -> list[str]:
    """Paragraphs, with empty lines between them."""
    return [_escape(line) if line else ".PP" for line in text.split("\n")]


def _parameter(parameter: Parameter) -> list[str]:
    traits = [parameter.kind]
    if parameter.required:
        traits.append("required")
    if parameter.default:
        traits.append(f"default {parameter.default}")
    if parameter.unique_group:
        traits.append(f"unique within {parameter.unique_group}")
    if parameter.reloadable:
        traits.append("changes without a restart")
    name = f"\\fB{_escape(parameter.name)}\\fR ({_escape(', '.join(traits))})"
    shortdesc = parameter.shortdesc.rstrip(".") + "."
    longdesc = " ".join(parameter.longdesc.split())
    return [".TP", name, _escape(shortdesc), *([".br", _escape(longdesc)] if longdesc else [])]


def _action(listed: Action) -> list[str]:
    advice = f"Advised timeout {listed.timeout} s"
    if listed.interval is not None:
        advice += f", interval {listed.interval} s"
    if listed.depth:
        advice += f", depth {listed.depth}"
    role = f" ({listed.role})" if listed.role else ""
    return [".TP", f"\\fB{_escape(listed.name)}\\fR{_escape(role)}", _escape(advice + ".")]


def _statuses(agent: type[Agent]) -> list[tuple[int, str]]:
    """The codes that the agent can give: one that cannot be promoted has none of a promoted one."""
    promoted = (codes.RUNNING_PROMOTED, codes.FAILED_PROMOTED, codes.DEGRADED_PROMOTED)
    return [(code, meaning) for code, meaning in _STATUS if _promotes(agent) or code not in promoted]


def _example(agent: type[Agent]) -> list[str]:
    """The agent in a configuration, and by hand; required parameters in capitals."""
    resource = f"p_{agent.name.replace('-', '_')}"
    given = [f"{parameter.name}={parameter.name.upper()}" for parameter in agent.parameters() if parameter.required]
    operations = [_operation(listed) for listed, _ in agent.actions() if listed.name in _CONFIGURED]
    clone = f"ms_{resource[2:]}"
    crm = [f"crm configure primitive {resource} ocf:twinsan:{agent.name}", f"    params {' '.join(given)}", *operations]
    pcs = [f"pcs resource create {resource} ocf:twinsan:{agent.name}", f"    {' '.join(given)}", *operations]
    lines = ["In the cluster, with crmsh:", *_command(crm)]
    if _promotes(agent):
        lines += _command([f"crm configure clone {clone} {resource}", "    meta promotable=true interleave=true"])
        pcs.append(f"    promotable {clone}")
    lines += [".PP", "The same with pcs:", *_command(pcs)]
    by_hand = [*(f"OCF_RESKEY_{word}" for word in given), f"{_FOLDER}/{agent.name} monitor; echo $?"]
    return [*lines, ".PP", "By hand, to see what it says:", *_command(by_hand)]


def _promotes(agent: type[Agent]) -> bool:
    return any(listed.name == "promote" for listed, _ in agent.actions())


def _operation(listed: Action) -> str:
    text = f"    op {listed.name} timeout={listed.timeout}s"
    if listed.interval is not None:
        text += f" interval={listed.interval}s"
    text += f" OCF_CHECK_LEVEL={listed.depth}" if listed.depth else ""
    return text + (f" role={listed.role}" if listed.role else "")


def _command(lines: list[str]) -> list[str]:
    """A command over several lines."""
    continued = [*(f"{line} \\" for line in lines[:-1]), lines[-1]]
    return [".PP", ".RS 4", ".nf", *(_escape(line) for line in continued), ".fi", ".RE"]


def _escape(text: str) -> str:
    """Text that roff prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
