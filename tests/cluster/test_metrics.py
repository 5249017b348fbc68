# SPDX-License-Identifier: GPL-2.0-or-later
"""A Prometheus scrapes what both servers print while the SAN moves and a server dies; every panel of the dashboard has
data, and the alerts of the rules fire.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import dashboard, namespace, prometheus
from lab.host import build_folder
from lab.machine import Machine, wait_until
from lab.pair import IQN, Pair
from lab.prometheus import Numbers, Prometheus
from tests.cluster.test_alerts import alerted  # noqa: F401  a fixture
from tests.cluster.test_failover import Load
from twinsan.operate.metrics import families
from twinsan.operate.metrics.text import Samples

pytestmark = pytest.mark.procedure

RULES = Path(__file__).resolve().parents[2] / "packaging" / "prometheus" / "rules.yml"
_SECONDS = 5.0
_PORTS = {"atlas": 9101, "zeus": 9102}
# The guests have no dmsetup.
_QUIET = {"Thin pools"}


@pytest.fixture
def numbers(alerted: Pair, tmp_path: Path) -> Iterator[Numbers]:  # noqa: F811
    """Both servers, asked every few seconds, as the timer and node_exporter would; also as files for node_exporter."""
    folders = {server.name: tmp_path / server.name for server in alerted.servers}
    for folder in folders.values():
        folder.mkdir()

    def ask(server: Machine) -> str:
        place = folders[server.name] / "twinsan.prom"
        try:
            text = server.run("twinsan metrics", timeout=20).stdout if server.is_on else ""
        except Exception:
            place.unlink(missing_ok=True)
            raise
        if text.endswith("# EOF\n"):
            new = place.with_suffix(".new")
            new.write_text(text)
            os.rename(new, place)
            return text
        place.unlink(missing_ok=True)
        return ""

    found = Numbers({server.name: lambda server=server: ask(server) for server in alerted.servers}, _SECONDS)  # type: ignore[misc]
    found.start()
    with prometheus.exporter(folders["atlas"], _PORTS["atlas"]), prometheus.exporter(folders["zeus"], _PORTS["zeus"]):
        yield found
    found.stop()


@pytest.fixture
def scraping(numbers: Numbers, tmp_path: Path) -> Iterator[Prometheus]:
    """A Prometheus that asks both."""
    with prometheus.running(tmp_path, _jobs(numbers.port), RULES, _SECONDS) as found:
        yield found


def _jobs(port: int) -> list[dict[str, Any]]:
    """For OpenMetrics as it is printed, and for what node_exporter makes of the files."""
    printed = [
        {
            # A job needs a name of its own; the label is the same.
            "job_name": f"san-{name}",
            "relabel_configs": [{"target_label": "job", "replacement": "san"}],
            "metrics_path": f"/{name}",
            "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}}],
        }
        for name in _PORTS
    ]
    files = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"instance": f"{name}-file"}} for name, port in _PORTS.items()
    ]
    return [*printed, {"job_name": "node", "static_configs": files}]


def test_promtool_accepts_the_rules() -> None:
    status, said = prometheus.check("check", "rules", str(RULES))
    assert status == 0, said


# What two servers report, and which alert fires 15 minutes later, about what.
_SERVES = {'twinsan_serves{instance="atlas",drbd="san"}': "1x20", 'twinsan_serves{instance="zeus",drbd="san"}': "0x20"}
_FIRING: list[tuple[dict[str, str], str, dict[str, str]]] = [
    ({**_SERVES, 'twinsan_serves{instance="atlas",drbd="san"}': "1x10 0x20"}, "NotServed", {"drbd": "san"}),
    ({'twinsan_collected_timestamp_seconds{instance="zeus"}': "60x20"}, "NoNumbers", {"instance": "zeus"}),
    ({'twinsan_unseen_sources{instance="zeus"}': "1x20"}, "Unseen", {"instance": "zeus"}),
    ({'twinsan_drbd_split_brain{drbd="san"}': "0x10 1x10"}, "SplitBrain", {"drbd": "san"}),
    ({'twinsan_drbd_suspended{drbd="san"}': "1x20"}, "Frozen", {"drbd": "san"}),
    (
        {**_SERVES, 'twinsan_standby_ready{instance="atlas",drbd="san"}': "0x20"},
        "StandbyNotReady",
        {"drbd": "san", "instance": "atlas"},
    ),
    (
        {**_SERVES, 'twinsan_standby_known{instance="atlas",drbd="san"}': "0x20"},
        "StandbyUnknown",
        {"drbd": "san", "instance": "atlas"},
    ),
    ({'twinsan_drbd_disk_uptodate{drbd="san",volume="0"}': "0x20"}, "DiskLost", {"drbd": "san", "volume": "0"}),
    ({'twinsan_drbd_connected{drbd="san",peer="zeus"}': "0x20"}, "ReplicationDown", {"drbd": "san", "peer": "zeus"}),
    ({'twinsan_node_online{on="zeus"}': "0x20"}, "NodeOffline", {"on": "zeus"}),
    ({'twinsan_cluster_quorum{instance="zeus"}': "0x20"}, "NoQuorum", {"instance": "zeus"}),
    ({'twinsan_cluster_maintenance{instance="zeus"}': "1x80"}, "Maintenance", {"instance": "zeus"}),
    ({'twinsan_resource_degraded{resource="p_x",on="zeus"}': "1x20"}, "Degraded", {"resource": "p_x", "on": "zeus"}),
    ({'twinsan_resource_failed{resource="p_x",on="zeus"}': "1x20"}, "Failed", {"resource": "p_x", "on": "zeus"}),
    ({'twinsan_fence_device_answers{resource="fence_zeus"}': "0x20"}, "FenceDevice", {"resource": "fence_zeus"}),
    ({'twinsan_last_fencing_timestamp_seconds{on="zeus"}': "600x20"}, "Fenced", {"on": "zeus"}),
    ({'twinsan_last_fencing_success{on="zeus"}': "0x20"}, "FencingFailed", {"on": "zeus"}),
    ({'twinsan_last_failover_timestamp_seconds{resource="p_portal"}': "600x20"}, "Failover", {"resource": "p_portal"}),
    (
        {'twinsan_target_sessions{target="iqn"}': "0x20", 'twinsan_target_enabled{target="iqn"}': "1x20"},
        "NoSession",
        {"target": "iqn"},
    ),
    ({'twinsan_thin_pool_data_used_ratio{pool="vg/p"}': "0.85x20"}, "ThinPool", {"pool": "vg/p"}),
    ({'twinsan_thin_pool_metadata_used_ratio{pool="vg/p"}': "0.96x20"}, "ThinPoolFull", {"pool": "vg/p"}),
]
# A pair that is well, and a standby that does not ready itself: nothing fires.
_WELL = {
    **_SERVES,
    'twinsan_standby_ready{instance="atlas",drbd="san"}': "1x20",
    'twinsan_standby_ready{instance="zeus",drbd="san"}': "0x20",
    'twinsan_collected_timestamp_seconds{instance="atlas"}': "0+60x20",
    'twinsan_drbd_disk_uptodate{instance="zeus",drbd="san",volume="0"}': "0x20",
    'twinsan_drbd_resync_running{instance="zeus",drbd="san",volume="0"}': "1x20",
    'twinsan_last_fencing_timestamp_seconds{on="zeus"}': "1x20",
    'twinsan_target_sessions{instance="zeus",target="iqn"}': "0x20",
    'twinsan_target_enabled{instance="zeus",target="iqn"}': "0x20",
    'twinsan_thin_pool_data_used_ratio{pool="vg/p"}': "0.5x20",
}


def test_each_rule_fires(tmp_path: Path) -> None:
    """By promtool, which lets time pass at once."""
    names = [rule.split()[0] for rule in RULES.read_text().split("- alert: ")[1:]]
    assert sorted(names) == sorted(f"Twinsan{name}" for _, name, _ in _FIRING)
    tests = []
    for series, name, labels in _FIRING:
        at = "75m" if name == "Maintenance" else "15m"
        tests.append(_promtool_test(series, at, f"Twinsan{name}", [labels]))
    tests += [_promtool_test(_WELL, "15m", name, []) for name in names]
    place = tmp_path / "tests.yml"
    place.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": tests}))
    status, said = prometheus.check("test", "rules", str(place))
    assert status == 0, said


def _promtool_test(series: dict[str, str], at: str, name: str, expected: list[dict[str, str]]) -> dict[str, Any]:
    fires = f'ALERTS{{alertname="{name}",alertstate="firing"}}'
    samples = [{"labels": "{" + ",".join(f'{n}="{v}"' for n, v in sorted(each.items())) + "}"} for each in expected]
    labels = ",".join(sorted({name for each in expected for name in each}))
    test = {"expr": f"sum by ({labels}) ({fires})", "eval_time": at}
    return {
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "promql_expr_test": [{**test, "exp_samples": [{**sample, "value": 1} for sample in samples]}],
    }


def test_both_parsers_read_every_metric(tmp_path: Path) -> None:
    """That of Prometheus for OpenMetrics, which is strict, and the older one of node_exporter. Needs no guests."""
    namespace.require_own()
    samples = Samples()
    for family in families.ALL:
        samples.add(family, 1, *('a "b" \\ c' for _ in family.labels))
    names = {family.sample for family in families.ALL}
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "twinsan.prom").write_text(samples.text())
    numbers = Numbers(dict.fromkeys(_PORTS, samples.text), 1.0)
    numbers.start()
    port = next(iter(_PORTS.values()))
    with prometheus.exporter(folder, port), prometheus.running(tmp_path, _jobs(numbers.port), RULES, 1.0) as found:
        for job in ("san", "node"):
            wait_until(lambda job=job: _names(found, job) == names, f"{job} brings every metric", 60)  # type: ignore[misc]
        wait_until(lambda: not _empty(found, time.time() - 5, 1.0), "every panel has data", 60)
        assert [rule["lastError"] for rule in found.rules() if rule["health"] not in ("ok", "unknown")] == []
    numbers.stop()


def _empty(scraping: Prometheus, begin: float, step: float) -> set[str]:
    """The panels without data."""
    answers = dashboard.ask(scraping, "san", begin, time.time(), step)
    return {answer.panel.title for answer in answers if not any(values for _, values in answer.series)}


def _names(scraping: Prometheus, job: str) -> set[str]:
    return {labels["__name__"] for labels, _ in scraping.instant(f'{{__name__=~"twinsan_.+",job="{job}"}}')}


def test_prometheus_scrapes_a_pair(
    recovering: Pair,
    scraping: Prometheus,
    numbers: Numbers,
    active: Machine,
    passive: Machine,
) -> None:
    begin = time.time()
    load = Load(recovering, rate=20)
    _wait_for(scraping, f'twinsan_target_sessions{{job="san",instance="{active}",target="{IQN}"}} == 1')
    _wait_for(scraping, f'twinsan_standby_ready{{job="san",instance="{active}"}} == 1')
    # One that has not been asked yet is neither up nor down.
    wait_until(lambda: all(target["health"] != "unknown" for target in scraping.targets()), "each was asked once", 60)
    for target in scraping.targets():
        assert target["health"] == "up", target["lastError"]
    _same_in_both_formats(scraping, active)
    time_to_look(30)
    recovering.move(passive)
    load.wait_for_writes()
    _wait_for(scraping, f'twinsan_serves{{job="san",instance="{passive}"}} == 1')
    _wait_for(scraping, f'twinsan_failovers_total{{job="san",instance="{passive}"}} > 0')
    time_to_look(20)
    passive.power_off()
    recovering.wait_until_serving(on=active)
    load.wait_for_writes()
    _wait_for(scraping, f'twinsan_serves{{job="san",instance="{active}"}} == 1')
    _wait_for(scraping, f'time() - twinsan_last_fencing_timestamp_seconds{{job="san",on="{passive}"}} < 300')
    for name in ("TwinsanFailover", "TwinsanFenced"):
        _wait_for(scraping, f'ALERTS{{alertname="{name}",alertstate="firing"}}')
    recovering.recover()
    _wait_for(scraping, f'twinsan_standby_ready{{job="san",instance="{active}"}} == 1')
    time_to_look(30)
    load.judge()
    assert [rule["lastError"] for rule in scraping.rules() if rule["health"] != "ok"] == []
    end = time.time()
    answers = dashboard.ask(scraping, "san", begin, end, _SECONDS)
    folder = build_folder("dashboard")
    dashboard.save(answers, begin, end, folder / "answers.json")
    caption = (
        "drawn by matplotlib from what Prometheus answered to the dashboard's queries (no screenshot of Grafana): "
        "a lab pair under a write load, a switchover, and a power cut of the server that serves"
    )
    dashboard.draw(answers, begin, end, caption, folder / "dashboard.png")
    empty = {answer.panel.title for answer in answers if not any(values for _, values in answer.series)}
    assert empty - _QUIET == set()


def _wait_for(scraping: Prometheus, expression: str, timeout: float = 90) -> None:
    wait_until(lambda: bool(scraping.instant(expression)), f"Prometheus has: {expression}", timeout, interval=1.0)


def _same_in_both_formats(scraping: Prometheus, active: Machine) -> None:
    """What node_exporter made of the file: the same metrics, with the same labels."""

    def names(job: str, instance: str) -> set[tuple[tuple[str, str], ...]]:
        found = scraping.instant(f'{{__name__=~"twinsan_.+",job="{job}",instance="{instance}"}}')
        return {
            tuple(sorted((name, value) for name, value in labels.items() if name not in ("job", "instance")))
            for labels, _ in found
        }

    wait_until(
        lambda: len(names("san", str(active))) > 30 and names("san", str(active)) == names("node", f"{active}-file"),
        "both formats bring the same metrics",
        60,
        interval=2.0,
    )


def time_to_look(seconds: float) -> None:
    """Let the pair run, so that there is something to see in a rate over time."""
    time.sleep(seconds)


def test_the_service_writes_the_file(pair: Pair, active: Machine) -> None:
    """As systemd runs it."""
    place = "/var/lib/prometheus/node-exporter"
    active.succeed(f"mkdir -p {place} && systemctl daemon-reload && systemctl start twinsan-metrics.service")
    text = active.read(f"{place}/twinsan.prom")
    assert text.endswith("# EOF\n")
    assert "twinsan_serves" in text
    assert active.run("systemctl is-enabled twinsan-metrics.timer").stdout.strip() == "disabled"
    active.succeed("systemctl start twinsan-metrics.timer && systemctl stop twinsan-metrics.timer")
    active.succeed(f"rm -r {place}")
