# SPDX-License-Identifier: GPL-2.0-or-later
"""A Prometheus and a node_exporter on the lab's side, which listen on the loopback device of the lab's network alone.

Both are Debian's packages, unpacked below build/: nothing is installed, and no service starts.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.host import PROJECT
from lab.machine import wait_until

# See lab.bootstrap.
UNPACKED = PROJECT / "build" / "unpacked"
_PROMETHEUS = UNPACKED / "prometheus" / "usr" / "bin" / "prometheus"
PROMTOOL = UNPACKED / "prometheus" / "usr" / "bin" / "promtool"
_EXPORTER = UNPACKED / "prometheus-node-exporter" / "usr" / "bin" / "prometheus-node-exporter"

_PORT = 9090
_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_SECONDS_TO_START = 60.0
# Whatever proxy there is, it does not reach the lab.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Series = list[tuple[dict[str, str], list[tuple[float, float]]]]


class Numbers:
    """What servers print, asked for again and again, and given to whoever asks by HTTP: at /NAME, as OpenMetrics."""

    def __init__(self, sources: dict[str, Callable[[], str]], seconds: float) -> None:
        self._sources = sources
        self._seconds = seconds
        self._texts: dict[str, str] = {}
        self._ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self._texts))
        self.port = self._server.server_port
        self._threads = [threading.Thread(target=self._ask, args=(name,), daemon=True) for name in sources]
        self._threads.append(threading.Thread(target=self._server.serve_forever, daemon=True))

    def start(self) -> None:
        """Begin to ask and to answer."""
        for thread in self._threads:
            thread.start()

    def text(self, name: str) -> str:
        """What a server printed last; "" if it does not answer."""
        return self._texts.get(name, "")

    def stop(self) -> None:
        """Ask and answer no more."""
        self._ended.set()
        self._server.shutdown()
        for thread in self._threads:
            thread.join()
        self._server.server_close()

    def _ask(self, name: str) -> None:
        while not self._ended.is_set():
            begin = time.monotonic()
            try:
                self._texts[name] = self._sources[name]()
            except Exception:  # noqa: BLE001  a server without power, or one that boots
                self._texts.pop(name, None)
            self._ended.wait(max(0.1, self._seconds - (time.monotonic() - begin)))


def _handler(texts: dict[str, str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = texts.get(self.path.strip("/"))
            self.send_response(200 if text else 503)
            self.send_header("Content-Type", _OPENMETRICS)
            self.end_headers()
            self.wfile.write((text or "").encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


class Prometheus:
    """A Prometheus that runs, by its HTTP interface."""

    def instant(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """The values of an expression at a time, by default now, with their labels."""
        data = self._get("query", query=expression, time=time.time() if at is None else at)
        return [(each["metric"], float(each["value"][1])) for each in data["result"]]

    def over_time(self, expression: str, begin: float, end: float, step: float) -> Series:
        """The values of an expression over time."""
        data = self._get("query_range", query=expression, start=begin, end=end, step=step)
        return [
            (each["metric"], [(float(moment), float(value)) for moment, value in each["values"]])
            for each in data["result"]
        ]

    def targets(self) -> list[dict[str, Any]]:
        """What it scrapes, with the last error of each."""
        found: list[dict[str, Any]] = self._get("targets")["activeTargets"]
        return found

    def rules(self) -> list[dict[str, Any]]:
        """The rules for alerts, with their state and health."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def ready(self) -> bool:
        """Whether it answers."""
        try:
            with _DIRECT.open(f"http://127.0.0.1:{_PORT}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, what: str, **parameters: object) -> dict[str, Any]:
        words = urllib.parse.urlencode({name: str(value) for name, value in parameters.items()})
        try:
            with _DIRECT.open(f"http://127.0.0.1:{_PORT}/api/v1/{what}?{words}", timeout=30) as answer:
                read = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{what} {parameters}: {error.read().decode()}") from None
        assert read["status"] == "success", read
        data: dict[str, Any] = read["data"]
        return data


@contextmanager
def running(folder: Path, jobs: Sequence[dict[str, Any]], rules: Path, seconds: float) -> Iterator[Prometheus]:
    """A Prometheus that scrapes `jobs` every so many seconds; its data is in `folder`."""
    configuration = {
        "global": {"scrape_interval": f"{seconds:g}s", "evaluation_interval": f"{seconds:g}s"},
        "rule_files": [str(rules)],
        "scrape_configs": list(jobs),
    }
    # JSON is YAML as well.
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    argv = [
        str(_PROMETHEUS),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{_PORT}",
        "--log.level=warn",
    ]
    found = Prometheus()
    log = folder / "prometheus.log"
    with _program(argv, log) as process:

        def ready() -> bool:
            if process.poll() is not None:
                raise LabError(f"Prometheus has ended: {log.read_text()}")
            return found.ready()

        wait_until(ready, f"Prometheus answers (see {log})", _SECONDS_TO_START)
        yield found


@contextmanager
def exporter(folder: Path, port: int) -> Iterator[None]:
    """A node_exporter that has nothing but the files in `folder`."""
    argv = [
        str(_EXPORTER),
        "--collector.disable-defaults",
        "--collector.textfile",
        f"--collector.textfile.directory={folder}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with _program(argv, folder / "exporter.log"):
        yield


@contextmanager
def _program(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def check(*words: str, text: str = "") -> tuple[int, str]:
    """Run promtool; returns its exit status and what it said."""
    ended = subprocess.run([PROMTOOL, *words], input=text, capture_output=True, text=True, check=False, timeout=60)
    return ended.returncode, ended.stdout + ended.stderr
