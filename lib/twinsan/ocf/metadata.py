# SPDX-License-Identifier: GPL-2.0-or-later
"""An agent's class as OCF 1.1 metadata."""

from __future__ import annotations

from twinsan import __version__
from twinsan.ocf.agent import STOPPED, Action, Agent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from twinsan.ocf.parameter import Parameter

# ra-api-1.dtd, which ocf-tester checks against, knows neither `unique-group` nor `reloadable` nor action names beyond
# its list. The internal subset adds them: of two declarations of one attribute XML takes the first. Pacemaker 3.0
# meets a fatal assertion (lib/common/xml.c, new_private_data) on such declarations and dumps a core for each; it names
# the version of the API when it asks, ocf-tester does not.
_SUBSET = """ [
<!ATTLIST parameter unique-group CDATA #IMPLIED reloadable (0|1) #IMPLIED>
<!ATTLIST action name CDATA #REQUIRED>
]"""


def render(agent: type[Agent], *, declared: bool = True) -> str:
    """Return the metadata document; with `declared` it declares the attributes of OCF 1.1, for checks by the DTD."""
    lines = [f"<resource-agent name={quoteattr(agent.name)} version={quoteattr(__version__)}>"]
    lines += ["<version>1.1</version>"]
    lines += describe(*descriptions(agent))
    lines += ["<parameters>"]
    groups = [parameter.unique_group for parameter in agent.parameters()]
    for parameter in agent.parameters():
        lines += _parameter(parameter, alone=groups.count(parameter.unique_group) == 1)
    lines += ["</parameters>", "<actions>"]
    # OCF 1.1 knows only the roles of a promotable resource; a monitor of role Stopped is an extension of Pacemaker.
    listed = [listed for listed, _ in [*agent.actions(), *Agent.actions()] if listed.role != STOPPED]
    lines += [_action(each) for each in listed]
    lines += ['<action name="meta-data" timeout="5s"/>', "</actions>", "</resource-agent>"]
    subset = _SUBSET if declared else ""
    head = f'<?xml version="1.0"?>\n<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd"{subset}>\n'
    return head + "\n".join(lines) + "\n"


def descriptions(agent: type[Agent]) -> tuple[str, str]:
    """Short and long description from the docstring of the class."""
    short, _, long = (agent.__doc__ or "").partition("\n")
    return short.strip(), "\n".join(line.strip() for line in long.strip().splitlines())


def escape(text: str) -> str:
    """Return `text` escaped for XML. xml.sax would import an HTTP client, and a switchover waits for this."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def quoteattr(text: str) -> str:
    """An attribute's value, quoted."""
    return '"' + escape(text).replace('"', "&quot;") + '"'


def describe(short: str, long: str) -> list[str]:
    """The two description elements, in the order that the DTD wants."""
    return [f'<longdesc lang="en">{escape(long)}</longdesc>', f'<shortdesc lang="en">{escape(short)}</shortdesc>']


def _parameter(parameter: Parameter, *, alone: bool) -> list[str]:
    """The element of a parameter; `alone` says that no other is in its unique group. crmsh knows no groups: it reads
    `unique`, as "no other resource may have this value". That is wrong for one of several parameters in a group.
    """
    attributes = f'name="{parameter.name}" required="{int(parameter.required)}"'
    attributes += f' unique="{int(bool(parameter.unique_group) and alone)}"'
    if parameter.unique_group:
        attributes += f' unique-group="{parameter.unique_group}"'
    if parameter.reloadable:
        attributes += ' reloadable="1"'
    content = f'<content type="{parameter.kind}"'
    if parameter.default is not None:
        content += f" default={quoteattr(parameter.default)}"
    described = describe(parameter.shortdesc, " ".join(parameter.longdesc.split()))
    return [f"<parameter {attributes}>", *described, content + "/>", "</parameter>"]


def _action(listed: Action) -> str:
    text = f'<action name="{listed.name}" timeout="{listed.timeout}s"'
    if listed.interval is not None:
        text += f' interval="{listed.interval}s"'
    if listed.depth is not None:
        text += f' depth="{listed.depth}"'
    if listed.role:
        text += f' role="{listed.role}"'
    return text + "/>"
