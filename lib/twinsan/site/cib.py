# SPDX-License-Identifier: GPL-2.0-or-later
"""The cluster's configuration of a site, as a tree of XML: the one that crmsh, cibadmin and pcs load."""

from __future__ import annotations

from twinsan.errors import NotInstalled, Reason
from twinsan.site import cib_constraints, cib_resources, head, model, reasons
from twinsan.site.elements import add, pairs

try:
    from lxml import etree
except ImportError:
    etree = None  # type: ignore[assignment]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lxml.etree import _Element

    from twinsan.site.model import Alerts, Site

NO_LXML = Reason(NotInstalled, "lxml is not installed, and makes the XML", "install python3-lxml")

# The name of the set with the cluster's options.
OPTIONS = "san-cluster-options"

# What `make install` puts there calls `twinsan alert` for what an operator wants to know.
ALERT_AGENT = "/usr/share/twinsan/alert"
ALERT = "twinsan-alert"


def tree(site: Site) -> _Element:
    """Return the configuration of a site. Raises NotInstalled without lxml."""
    if etree is None:
        raise NO_LXML()  # noqa: RSE102  a Reason, which makes the exception
    cib = etree.Element("cib")
    configuration = add(cib, "configuration")
    configuration.append(etree.Comment(_comment(site)))
    _add_options(add(configuration, "crm_config"), site)
    resources = add(configuration, "resources")
    cib_resources.add_fencing(resources, site)
    for resource in site.resources:
        cib_resources.add_all(resources, resource, site)
    constraints = add(configuration, "constraints")
    cib_constraints.add_fencing(constraints, site)
    for resource in site.resources:
        cib_constraints.add_all(constraints, resource, site)
    if site.alerts is not None:
        _add_alert(add(configuration, "alerts"), site.alerts)
    return cib


def text(site: Site, name: str = "cib.xml") -> str:
    """Return the configuration as the text of a file `name`, with what it is at its head."""
    cib = tree(site)
    etree.indent(cib)
    comment = etree.tostring(etree.Comment(head.text(site, name)), encoding="unicode")
    return f'<?xml version="1.0"?>\n{comment}\n{etree.tostring(cib, encoding="unicode")}\n'


def _comment(site: Site) -> str:
    """The reasons, as the comment of the configuration."""
    indented = [head.wrapped(paragraph, " " * 9) for paragraph in reasons.paragraphs(site)]
    return " " + "\n".join(indented).strip() + " "


def _add_alert(alerts: _Element, wanted: Alerts) -> None:
    alert = add(alerts, "alert", id=ALERT, path=ALERT_AGENT, description="Events for syslog and the operator")
    parameters = {"command": wanted.command} if wanted.command else {}
    pairs(alert, "instance_attributes", f"{ALERT}-parameters", ALERT, parameters)


def _add_options(crm_config: _Element, site: Site) -> None:
    policy = site.policy
    values = {"priority-fencing-delay": f"{site.priority_fencing_delay}s"}
    if site.witness:
        values["no-quorum-policy"] = "freeze"
    if site.fencing.by == model.WATCHDOG:
        values["stonith-watchdog-timeout"] = f"{2 * site.watchdog_seconds}s"
    values["load-threshold"] = f"{policy.load_threshold}%"
    values["start-failure-is-fatal"] = "false"
    values["cluster-recheck-interval"] = f"{policy.recheck_interval}s"
    values["pe-error-series-max"] = "4000"
    pairs(crm_config, "cluster_property_set", OPTIONS, OPTIONS, values)
