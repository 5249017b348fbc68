# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent's class as a manual page, ``ocf_twinsan_AGENT.7``.

What the class does not tell comes from where it is decided: the example from the shipped configuration, the reasons of
failures from the source (see `example` and `diagnostics`).
"""

from __future__ import annotations

import os

from twinsan import __version__, errors, migration
from twinsan.ocf import codes, diagnostics, example, metadata
from twinsan.ocf.agent import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.ocf.agent import Action
    from twinsan.ocf.example import Example
    from twinsan.ocf.parameter import Parameter

_FOLDER = "/usr/lib/ocf/resource.d/twinsan"
_AGENTS = ("drbd-vaai", "lio-iscsi-target", "lio-lun", "portal-ip")

# The library, in a checkout or below the prefix of an installation; and where either keeps the configuration.
_LIBRARY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_TEMPLATES = (
    "../cib-templates/san.xml",
    "../share/twinsan/cib-templates/san.xml",
    "../../share/twinsan/cib-templates/san.xml",
)

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


# Each kind of failure: what it is called, what to do about it, and about a reason that does not say it by itself.
_DIAGNOSED = (
    (
        (diagnostics.DEGRADED,),
        "The resource works, but is not well (190, 191)",
        "Nothing is restarted for it. Mend the cause; the next monitor sees it. While it stays so, the cluster shows "
        "the reason that it had first, and the log the present one. Do not clean up what is promoted: until it is "
        "looked at again, the cluster stops what depends on it.",
        "See the log.",
    ),
    (
        (errors.Failure.__name__, errors.Passing.__name__),
        "The action failed (1, or 9 of a promoted resource; 3 for an unknown action)",
        "The cluster tries again by itself, here or on the other node, until migration-threshold is reached. When the "
        "cause is mended, let it forget the failures: crm_resource --cleanup --resource RESOURCE --node NODE",
        "See the log and 'dmesg'.",
    ),
    (
        (errors.DeadlinePassed.__name__,),
        "The action did not end in time (1)",
        "It gave up before the cluster would have killed it. Mend what it waited for, then: crm_resource --cleanup "
        "--resource RESOURCE --node NODE",
        "See what is slow or hangs: 'dmesg' and the log.",
    ),
    (
        (errors.NotHere.__name__,),
        "A parameter does not hold on this host (2)",
        "The cluster does not try this node again. Mend it here, then: crm_resource --cleanup --resource RESOURCE "
        "--node NODE",
        "Correct it on this host.",
    ),
    (
        (errors.Misconfigured.__name__,),
        "A parameter is wrong on every host (6)",
        "The cluster tries no node. What runs already goes on, and is shown as not well (190, 191). Correct the value "
        "with 'crm resource param RESOURCE set NAME VALUE' or 'pcs resource update RESOURCE NAME=VALUE'.",
        "Correct the parameter that it names.",
    ),
    (
        (errors.NotInstalled.__name__, errors.NotPermitted.__name__),
        "Something is missing (5), or not allowed (4)",
        "The cluster does not try this node again. Install it here, then: crm_resource --cleanup --resource RESOURCE "
        "--node NODE",
        "Install it.",
    ),
)


def render(agent: type[Agent], template: str = "") -> str:
    """The page, in roff; the example is taken from `template`, or else from the shipped configuration."""
    page = f"ocf_twinsan_{agent.name}"
    short, long = metadata.descriptions(agent)
    shown = example.of(template or _template(), "twinsan", agent.name)
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
    lines += [".SH FILES"]
    for path, meaning in agent.files:
        lines += [".TP", f"\\fI{_escape(path)}\\fR", _escape(meaning)]
    lines += [".SH EXAMPLE", *_example(agent, shown)]
    lines += _migration(agent)
    lines += [".SH DIAGNOSTICS", *_diagnostics(agent, shown)]
    lines += [".SH SEE ALSO", *_see_also(agent)]
    return "\n".join(lines) + "\n"


def _template() -> str:
    places = [os.path.join(_LIBRARY, place) for place in _TEMPLATES]
    return next(filter(os.path.exists, places), places[0])


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


def _example(agent: type[Agent], shown: Example | None) -> list[str]:
    """The agent in a configuration, and by hand."""
    if shown is None:
        given = [f"{parameter.name}={parameter.name.upper()}" for parameter in agent.parameters() if parameter.required]
        return _by_hand(agent, given)
    about = (
        "The commands of the manual pages of drbd-vaai, lio-iscsi-target, lio-lun and portal-ip, in this order, make "
        "the configuration of cib-templates/san.xml, apart from its fencing and its properties: a cluster must have "
        "those before. With crmsh:"
    )
    lines = [_escape(about), *_verbatim(shown.crmsh())]
    lines += [".PP", "The same with pcs:", *_verbatim(shown.pcs())]
    deep = [
        f"monitor interval={listed.interval}s timeout={listed.timeout}s OCF_CHECK_LEVEL={listed.depth}"
        for listed, _ in agent.actions()
        if listed.name == "monitor" and listed.depth
    ]
    further = [f"op {words}" for words in deep if not shown.has(words)]
    if further:
        lines += [".PP", "A further operation looks more closely, though less often:", *_verbatim(further)]
    return [*lines, ".PP", *_by_hand(agent, shown.parameters)]


def _by_hand(agent: type[Agent], given: list[str]) -> list[str]:
    lines = [*(f"OCF_RESKEY_{word} \\" for word in given), f"{_FOLDER}/{agent.name} monitor; echo $?"]
    return ["By hand, to see what it says:", *_verbatim(lines)]


def _migration(agent: type[Agent]) -> list[str]:
    """What the agent has in the place of each parameter of the agents that it replaces, and how a disk moves."""
    replaced = migration.REPLACED.get(agent.name, {})
    lines = [".SH COMING FROM OTHER AGENTS"] if replaced else []
    for other, rows in replaced.items():
        lines += [f".SS Parameters of {_escape(other)}", "Each one, and what is in its place:"]
        for theirs, ours, remark in rows:
            place = "the same" if ours == theirs else " or ".join(ours.split()) or "none"
            shown = ", ".join(theirs.split())
            lines += [".TP", f"\\fB{_escape(shown)}\\fR: {_escape(place)}", _escape(remark or "With the same values.")]
    if agent.name == migration.TOLD_BY:
        lines += [".SS Moving a disk that its hosts know"]
        for step, (advice, commands) in enumerate(migration.STEPS, 1):
            lines += [".PP", _escape(f"{step}. {advice}"), *_verbatim(list(commands))]
        lines += [".PP", _escape(migration.KEPT)]
    elif replaced:
        lines += [".PP", f"How a disk moves, step by step, is in ocf_twinsan_{_escape(migration.TOLD_BY)}(7)."]
    return lines


def _diagnostics(agent: type[Agent], shown: Example | None) -> list[str]:
    """Every reason that the agent's source can give, by what the cluster does about it."""
    reasons = diagnostics.of(agent.source(), _LIBRARY)
    name = shown.name if shown is not None else "RESOURCE"
    log = f"journalctl -t '{agent.name}({name})'"
    # Pacemaker keeps no more of a reason (EXIT_REASON_MAX_LEN in its services library).
    about = (
        "A failure has one line as its reason. It says what, why, and after a semicolon what to type. The log has it "
        f"whole ({log}); 'crm_mon -1' shows its first 128 characters beside the failed action. What is in capitals "
        "here stands for a value."
    )
    lines = [_escape(about)]
    for kinds, title, advice, else_ in _DIAGNOSED:
        found = [reason for kind in kinds for reason in reasons.get(kind, ())]
        if found:
            lines += [f".SS {_escape(title)}", _escape(advice.replace("RESOURCE", name))]
            for reason in found:
                remedy = reason.remedy or else_
                lines += [".TP", _marked(reason.reason), _marked(remedy[0].upper() + remedy[1:])]
    return lines


def _marked(text: str) -> str:
    """A text whose blanks are set in italics."""
    marked = "".join(
        f"\\fI{_escape(piece)}\\fR" if blank else _escape(piece) for piece, blank in diagnostics.parts(text)
    )
    return f"\\&{marked}" if marked.startswith((".", "'")) else marked


def _see_also(agent: type[Agent]) -> list[str]:
    """The other pages, and those that the agent names."""
    others = [f"ocf_twinsan_{name}(7)" for name in _AGENTS if name != agent.name]
    pages = [*others, *agent.see_also, "crm(8)", "pcs(8)", "crm_mon(8)", "crm_resource(8)"]
    names = [page.rstrip(")").split("(") for page in pages]
    comma = [","] * (len(names) - 1) + [""]
    return [f".BR {_escape(name)} ({section}){end}" for (name, section), end in zip(names, comma)]


def _promotes(agent: type[Agent]) -> bool:
    return any(listed.name == "promote" for listed, _ in agent.actions())


def _verbatim(lines: list[str]) -> list[str]:
    """What is to be typed as it stands."""
    return [".PP", ".RS 4", ".nf", *map(_escape, lines), ".fi", ".RE"]


def _escape(text: str) -> str:
    """Text that roff prints as it is."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
