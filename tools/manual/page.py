# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent's class as a manual page, ``ocf_twinsan_AGENT.7``.

The rest comes from other sources: the example from the shipped configuration (see `example`), the reasons of failures
from the source code (see `reasons`), and the parameters of other agents from `migration`.
"""

from __future__ import annotations

from tools.manual import agent_class, example, reasons
from tools.manual.roff import escape, verbatim
from twinsan import __version__, errors
from twinsan.ocf import codes, metadata
from twinsan.ocf.agent import Agent
from twinsan.operate.adoption import migration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tools.manual.example import Example
    from twinsan.errors import Reason
    from twinsan.ocf.agent import Action
    from twinsan.ocf.parameter import Parameter

_FOLDER = "/usr/lib/ocf/resource.d/twinsan"
_TEMPLATE = agent_class.ROOT / "cib-templates" / "san.xml"

_STATUS = (
    (codes.SUCCESS, "The action succeeded. For monitor: the resource runs; one that can be promoted runs unpromoted."),
    (codes.ERR_GENERIC, "The action failed. Another try may succeed."),
    (codes.ERR_ARGS, "A parameter cannot be used on this host."),
    (codes.ERR_UNIMPLEMENTED, "The action does not exist."),
    (codes.ERR_PERM, "The action needs root."),
    (codes.ERR_INSTALLED, "A program or kernel module is missing."),
    (codes.ERR_CONFIGURED, "A parameter is wrong, on every host."),
    (codes.NOT_RUNNING, "The resource does not run here."),
    (codes.RUNNING_PROMOTED, "The resource runs and is promoted."),
    (codes.FAILED_PROMOTED, "The resource is promoted and has failed."),
    (codes.DEGRADED, "Degraded: the resource works, with a fault that the exit reason names."),
    (codes.DEGRADED_PROMOTED, "Degraded and promoted."),
)


# Each kind of failure: its classes, its title, the advice, and the remedy of a reason that has none of its own.
_DIAGNOSED = (
    (
        (errors.Degraded.__name__, errors.Drifted.__name__),
        "Degraded: the resource works, with a fault (190, 191)",
        "The cluster restarts nothing for it. Repair the cause: the next monitor finds it repaired. A reason that "
        "replaces another one is in the log at once, and in crm_mon within three monitors. Do not clean up a resource "
        "that runs: the cluster takes a promoted one for stopped until its next monitor, and stops what depends on it; "
        "any other one it restarts once, instead of a reload, when a parameter changes.",
        "See the log.",
    ),
    (
        (errors.Failure.__name__, errors.Passing.__name__, errors.Broken.__name__),
        "The action failed (1, or 9 of a promoted resource; 3 for an unknown action)",
        "The cluster tries again by itself, here or on the other node, until migration-threshold is reached. When the "
        "cause is repaired, clear the failures: crm_resource --cleanup --resource RESOURCE --node NODE",
        "See the log and 'dmesg'.",
    ),
    (
        (errors.DeadlinePassed.__name__, errors.TooSlow.__name__),
        "The action did not end in time (1)",
        "It gave up shortly before the cluster would have killed it. Repair what it waited for, then: crm_resource "
        "--cleanup --resource RESOURCE --node NODE",
        "See what is slow or hangs: 'dmesg' and the log.",
    ),
    (
        (errors.NotHere.__name__,),
        "A parameter cannot be used on this host (2)",
        "The cluster does not try this node again. Repair it here, then: crm_resource --cleanup --resource RESOURCE "
        "--node NODE",
        "Correct it on this host.",
    ),
    (
        (errors.Misconfigured.__name__,),
        "A parameter is wrong, on every host (6; 2 of an instance of a clone)",
        "The cluster tries no node. A resource that already runs goes on, as degraded (190, 191). Correct the value "
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


# The remedies that the frame adds to a reason of these kinds.
_REMEDIES = {
    errors.Drifted: "To repair it with a pause: crm_resource --restart --resource RESOURCE",
    errors.Broken: "Where it stays so: crm_resource --cleanup --resource RESOURCE",
}


def render(agent: type[Agent], template: str = "") -> str:
    """Return the page, in roff. The example comes from the file `template`, by default the shipped configuration."""
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
    """Return the roff of paragraphs that empty lines separate."""
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
    """Return the exit codes of the agent, without those of the promoted role if it has no such role."""
    promoted = (codes.RUNNING_PROMOTED, codes.FAILED_PROMOTED, codes.DEGRADED_PROMOTED)
    return [(code, meaning) for code, meaning in _STATUS if _promotes(agent) or code not in promoted]


def _example(agent: type[Agent], shown: Example | None) -> list[str]:
    """Return the example: the agent in a configuration, and run by hand."""
    if shown is None:
        given = [f"{parameter.name}={parameter.name.upper()}" for parameter in agent.parameters() if parameter.required]
        return _by_hand(agent, given)
    about = (
        "The commands in the manual pages of drbd-vaai, lio-iscsi-target, lio-lun and portal-ip, in this order, create "
        "the configuration of cib-templates/san.xml, without its fencing and its properties: configure these first. "
        "With crmsh:"
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
        lines += [".PP", "An optional operation checks more closely, and less often:", *verbatim(further)]
    return [*lines, ".PP", *_by_hand(agent, shown.parameters)]


def _by_hand(agent: type[Agent], given: list[str]) -> list[str]:
    lines = [*(f"OCF_RESKEY_{word} \\" for word in given), f"{_FOLDER}/{agent.name} monitor; echo $?"]
    return ["By hand, to see its reason and exit status:", *verbatim(lines)]


def _migration(agent: type[Agent]) -> list[str]:
    """Return what replaces each parameter of the agents that this one replaces, and how to move a disk."""
    replaced = migration.REPLACED.get(agent.name, {})
    lines = [".SH COMING FROM OTHER AGENTS"] if replaced else []
    for other, rows in replaced.items():
        lines += [f".SS Parameters of {escape(other)}", "Each one, and the parameter that replaces it:"]
        for theirs, ours, remark in rows:
            place = "the same" if ours == theirs else " or ".join(ours.split()) or "none"
            shown = ", ".join(theirs.split())
            lines += [".TP", f"\\fB{escape(shown)}\\fR: {escape(place)}", escape(remark or "With the same values.")]
    if agent.name == migration.TOLD_BY:
        lines += [".SS Moving a disk that its hosts know", escape(migration.BY_COMMAND)]
        for step, (advice, commands) in enumerate(migration.STEPS, 1):
            lines += [".PP", escape(f"{step}. {advice}"), *verbatim(list(commands))]
        lines += [".PP", escape(migration.KEPT)]
    elif replaced:
        lines += [".PP", f"How a disk moves, step by step, is in ocf_twinsan_{escape(migration.TOLD_BY)}(7)."]
    return lines


def _diagnostics(agent: type[Agent], shown: Example | None) -> list[str]:
    """Return every reason that the agent can give, grouped by what the cluster does about it."""
    declared = reasons.of(agent, str(agent_class.ROOT / "lib"))
    name = shown.name if shown is not None else "RESOURCE"
    log = f"journalctl -t '{agent.name}({name})'"
    # Pacemaker keeps no more than that of a reason (EXIT_REASON_MAX_LEN in its services library).
    about = (
        "The reason of a failure is one line: what failed and why, then, after a semicolon, what to type. The log has "
        f"the whole line ({log}); 'crm_mon -1' shows its first 128 characters beside the failed action. A word in "
        "capitals stands for a value here."
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
    """Return the name of the class of ``twinsan.errors`` that `kind` is or derives from."""
    return next((each.__name__ for each in kind.__mro__ if each.__module__ == errors.__name__), "")


def _reason(reason: Reason, else_: str) -> list[str]:
    """Return the roff of a reason and its remedy. `else_` is the remedy if it has none."""
    prefix = reasons.WAITING if reason.kind is errors.DeadlinePassed else ""
    remedy = reason.remedy or _REMEDIES.get(reason.kind, else_)
    return [template(prefix + reason.what), template(remedy[0].upper() + remedy[1:])]


def template(text: str) -> str:
    """Return the roff of a template, with its values in italics."""
    set_ = "".join(
        f"\\fI{escape(piece.upper())}\\fR" if is_value else escape(piece) for piece, is_value in reasons.pieces(text)
    )
    return f"\\&{set_}" if set_.startswith((".", "'")) else set_


def _see_also(agent: type[Agent]) -> list[str]:
    """Return the roff of references to the other pages, and to those that the agent names."""
    others = [f"ocf_twinsan_{name}(7)" for name in agent_class.NAMES if name != agent.name]
    pages = [*others, *agent.see_also, "crm(8)", "pcs(8)", "crm_mon(8)", "crm_resource(8)"]
    names = [page.rstrip(")").split("(") for page in pages]
    comma = [","] * (len(names) - 1) + [""]
    return [f".BR {escape(name)} ({section}){end}" for (name, section), end in zip(names, comma)]


def _promotes(agent: type[Agent]) -> bool:
    return any(listed.name == "promote" for listed, _ in agent.actions())
