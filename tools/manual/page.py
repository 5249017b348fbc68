# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent's class as a manual page, ``ocf_twinsan_AGENT.7``.

What the class does not tell comes from where it is decided: the example from the shipped configuration, the reasons of
failures from the source (see `example` and `diagnostics`).
"""

from __future__ import annotations

from tools.manual import agent_class, example, migration, reasons
from tools.manual.roff import escape, verbatim
from twinsan import __version__, errors
from twinsan.ocf import codes, metadata
from twinsan.ocf.agent import Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tools.manual.example import Example
    from twinsan.errors import Reason
    from twinsan.ocf.agent import Action
    from twinsan.ocf.parameter import Parameter

_FOLDER = "/usr/lib/ocf/resource.d/twinsan"
_TEMPLATE = agent_class.ROOT / "cib-templates" / "san.xml"

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
        (errors.Degraded.__name__, errors.Drifted.__name__),
        "The resource works, but is not well (190, 191)",
        "Nothing is restarted for it. Mend the cause; the next monitor sees it. While it stays so, the cluster shows "
        "the reason that it had first, and the log the present one. Do not clean up what is promoted: until it is "
        "looked at again, the cluster stops what depends on it.",
        "See the log.",
    ),
    (
        (errors.Failure.__name__, errors.Passing.__name__, errors.Broken.__name__),
        "The action failed (1, or 9 of a promoted resource; 3 for an unknown action)",
        "The cluster tries again by itself, here or on the other node, until migration-threshold is reached. When the "
        "cause is mended, let it forget the failures: crm_resource --cleanup --resource RESOURCE --node NODE",
        "See the log and 'dmesg'.",
    ),
    (
        (errors.DeadlinePassed.__name__, errors.TooSlow.__name__),
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


# What the frame adds to a reason of these kinds.
_REMEDIES = {
    errors.Drifted: "To repair it with a pause: crm_resource --restart --resource RESOURCE",
    errors.Broken: "Where it stays so: crm_resource --cleanup --resource RESOURCE",
}


def render(agent: type[Agent], template: str = "") -> str:
    """The page, in roff; the example is taken from `template`, or else from the shipped configuration."""
    page = f"ocf_twinsan_{agent.name}"
    short, long = metadata.descriptions(agent)
    shown = example.of(template or str(_TEMPLATE), "twinsan", agent.name)
    lines = [
        '.\\" Generated from the agent by "make man".',
        f'.TH {escape(page.upper())} 7 "" "twinsan {__version__}" "OCF resource agents"',
        ".SH NAME",
        f"{escape(page)} \\- {escape(short.rstrip('.'))}",
        ".SH SYNOPSIS",
        f"\\fB{escape(agent.name)}\\fR \\fIaction\\fR",
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
        lines += [".TP", f"\\fB{code}\\fR", escape(meaning)]
    lines += [".SH FILES"]
    for path, meaning in agent.files:
        lines += [".TP", f"\\fI{escape(path)}\\fR", escape(meaning)]
    lines += [".SH EXAMPLE", *_example(agent, shown)]
    lines += _migration(agent)
    lines += [".SH DIAGNOSTICS", *_diagnostics(agent, shown)]
    lines += [".SH SEE ALSO", *_see_also(agent)]
    return "\n".join(lines) + "\n"


def _text(text: str) -> list[str]:
    """Paragraphs, with empty lines between them."""
    return [escape(line) if line else ".PP" for line in text.split("\n")]


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
    name = f"\\fB{escape(parameter.name)}\\fR ({escape(', '.join(traits))})"
    shortdesc = parameter.shortdesc.rstrip(".") + "."
    longdesc = " ".join(parameter.longdesc.split())
    return [".TP", name, escape(shortdesc), *([".br", escape(longdesc)] if longdesc else [])]


def _action(listed: Action) -> list[str]:
    advice = f"Advised timeout {listed.timeout} s"
    if listed.interval is not None:
        advice += f", interval {listed.interval} s"
    if listed.depth:
        advice += f", depth {listed.depth}"
    role = f" ({listed.role})" if listed.role else ""
    return [".TP", f"\\fB{escape(listed.name)}\\fR{escape(role)}", escape(advice + ".")]


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
    lines = [escape(about), *verbatim(shown.crmsh())]
    lines += [".PP", "The same with pcs:", *verbatim(shown.pcs())]
    deep = [
        f"monitor interval={listed.interval}s timeout={listed.timeout}s OCF_CHECK_LEVEL={listed.depth}"
        for listed, _ in agent.actions()
        if listed.name == "monitor" and listed.depth
    ]
    further = [f"op {words}" for words in deep if not shown.has(words)]
    if further:
        lines += [".PP", "A further operation looks more closely, though less often:", *verbatim(further)]
    return [*lines, ".PP", *_by_hand(agent, shown.parameters)]


def _by_hand(agent: type[Agent], given: list[str]) -> list[str]:
    lines = [*(f"OCF_RESKEY_{word} \\" for word in given), f"{_FOLDER}/{agent.name} monitor; echo $?"]
    return ["By hand, to see what it says:", *verbatim(lines)]


def _migration(agent: type[Agent]) -> list[str]:
    """What the agent has in the place of each parameter of the agents that it replaces, and how a disk moves."""
    replaced = migration.REPLACED.get(agent.name, {})
    lines = [".SH COMING FROM OTHER AGENTS"] if replaced else []
    for other, rows in replaced.items():
        lines += [f".SS Parameters of {escape(other)}", "Each one, and what is in its place:"]
        for theirs, ours, remark in rows:
            place = "the same" if ours == theirs else " or ".join(ours.split()) or "none"
            shown = ", ".join(theirs.split())
            lines += [".TP", f"\\fB{escape(shown)}\\fR: {escape(place)}", escape(remark or "With the same values.")]
    if agent.name == migration.TOLD_BY:
        lines += [".SS Moving a disk that its hosts know"]
        for step, (advice, commands) in enumerate(migration.STEPS, 1):
            lines += [".PP", escape(f"{step}. {advice}"), *verbatim(list(commands))]
        lines += [".PP", escape(migration.KEPT)]
    elif replaced:
        lines += [".PP", f"How a disk moves, step by step, is in ocf_twinsan_{escape(migration.TOLD_BY)}(7)."]
    return lines


def _diagnostics(agent: type[Agent], shown: Example | None) -> list[str]:
    """Every reason that the agent's source can give, by what the cluster does about it."""
    declared = reasons.of(agent, str(agent_class.ROOT / "lib"))
    name = shown.name if shown is not None else "RESOURCE"
    log = f"journalctl -t '{agent.name}({name})'"
    # Pacemaker keeps no more of a reason (EXIT_REASON_MAX_LEN in its services library).
    about = (
        "A failure has one line as its reason. It says what, why, and after a semicolon what to type. The log has it "
        f"whole ({log}); 'crm_mon -1' shows its first 128 characters beside the failed action. What is in capitals "
        "here stands for a value."
    )
    lines = [escape(about)]
    for kinds, title, advice, else_ in _DIAGNOSED:
        found = [reason for reason in declared if _party(reason.kind) in kinds]
        if found:
            lines += [f".SS {escape(title)}", escape(advice.replace("RESOURCE", name))]
            for reason in found:
                lines += [".TP", *_reason(reason, else_)]
    return lines


def _party(kind: type[Exception]) -> str:
    """The name of the class of ``twinsan.errors`` that a kind of failure is, or is made of."""
    return next((each.__name__ for each in kind.__mro__ if each.__module__ == errors.__name__), "")


def _reason(reason: Reason, else_: str) -> list[str]:
    """A declared reason, and what to type."""
    prefix = reasons.WAITING if reason.kind is errors.DeadlinePassed else ""
    remedy = reason.remedy or _REMEDIES.get(reason.kind, else_)
    return [_set(prefix + reason.what), _set(remedy[0].upper() + remedy[1:])]


def _set(template: str) -> str:
    """A template with its values in italics."""
    text = "".join(
        f"\\fI{escape(piece.upper())}\\fR" if is_value else escape(piece)
        for piece, is_value in reasons.pieces(template)
    )
    return f"\\&{text}" if text.startswith((".", "'")) else text


def _see_also(agent: type[Agent]) -> list[str]:
    """The other pages, and those that the agent names."""
    others = [f"ocf_twinsan_{name}(7)" for name in agent_class.NAMES if name != agent.name]
    pages = [*others, *agent.see_also, "crm(8)", "pcs(8)", "crm_mon(8)", "crm_resource(8)"]
    names = [page.rstrip(")").split("(") for page in pages]
    comma = [","] * (len(names) - 1) + [""]
    return [f".BR {escape(name)} ({section}){end}" for (name, section), end in zip(names, comma)]


def _promotes(agent: type[Agent]) -> bool:
    return any(listed.name == "promote" for listed, _ in agent.actions())
