"""A Prometheus of this machine, with rules and targets of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from ...errors import LithoError
from ..shared.command import find_program

__all__ = ["PROMETHEUS", "Labels", "Prometheus", "find_prometheus"]

PROMETHEUS = "PROMETHEUS"
"""Variable of the environment that names the program."""

START_SECONDS = 60.0
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05

Labels = tuple[tuple[str, str], ...]
"""Labels of a series, sorted by name, without its name."""


def find_prometheus() -> str:
    """The program: PROMETHEUS's, or the one on PATH.

    Raises:
        UsageError: there is none.
    """
    advice = f"install your distribution's package prometheus, or name the program in {PROMETHEUS}"
    return find_program("prometheus", PROMETHEUS, advice)


class Prometheus:
    """Prometheus while the `with` block runs.

    Args:
        folder: for its files.
        targets: job -> HOST:PORT of what it scrapes.
        rules: text of a file of rules.
        interval: seconds between two scrapes, and two evaluations of the rules.

    Raises:
        UsageError: Prometheus is not installed.
        LithoError: on entry: it ended, or was not ready for a minute.
    """

    def __init__(self, folder: Path, targets: Mapping[str, str], rules: str, interval: float) -> None:
        self._program = find_prometheus()
        self.interval, self._targets = interval, len(targets)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._log = folder, folder / "log"
        (folder / "rules.yaml").write_text(rules, encoding="utf-8")
        every = f"{round(interval * 1000)}ms"
        jobs = [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in targets.items()
        ]
        times = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
        # JSON is YAML, too.
        config = {"global": times, "rule_files": ["rules.yaml"], "scrape_configs": jobs}
        (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")

    def __enter__(self) -> Self:
        options = (
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._address}",
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._program, *options], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            self.until(self._ready, "get ready", START_SECONDS)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def values(self, expression: str, at: float | None = None) -> dict[Labels, float]:
        """Value of each series of a query.

        Args:
            expression: of PromQL, which gives an instant vector or a scalar.
            at: seconds since the epoch; by default now.

        Raises:
            LithoError: Prometheus refuses the query.
        """
        found = self._ask("query", {"query": expression, **({} if at is None else {"time": f"{at:.3f}"})})
        if found["resultType"] == "scalar":
            return {(): float(found["result"][1])}
        return {_labels(one["metric"]): float(one["value"][1]) for one in found["result"]}

    def samples(self, selector: str) -> dict[Labels, list[tuple[float, float]]]:
        """Times in seconds since the epoch and values of the series of a range selector, such as `up[1m]`."""
        found = self._ask("query", {"query": selector})
        return {
            _labels(one["metric"]): [(float(at), float(value)) for at, value in one["values"]]
            for one in found["result"]
        }

    def alerts(self, state: str = "firing") -> set[str]:
        """Names of the alerts in a state."""
        return {
            one["labels"]["alertname"] for one in self._ask("alerts", {})["alerts"] if one["state"] == state
        }

    def wait_for_scrapes(self, count: int = 2, since: float | None = None) -> None:
        """Until every target was asked so many times, and the rules were evaluated after that.

        Args:
            count: of scrapes.
            since: from when they count, in seconds since the epoch; by default from now.
        """
        begun = time.time() if since is None else since
        least = f"count_over_time(up[{{}}ms]) >= {count}"

        def done() -> bool:
            passed = max(1, round((time.time() - begun) * 1000))
            return len(self.values(least.format(passed))) == self._targets

        self.until(done, f"ask its targets {count} times", 60 + 10 * count * self.interval)
        time.sleep(self.interval)  # one more evaluation of the rules, which come at this interval

    def until(self, condition: Callable[[], bool], what: str, seconds: float) -> None:
        """Wait for a condition.

        Args:
            condition: is asked again and again.
            what: Prometheus should do, for the message.
            seconds: longest wait.

        Raises:
            LithoError: it ended, or the condition did not come true in time.
        """
        until = time.monotonic() + seconds
        while not condition():
            if self._process.poll() is not None or time.monotonic() > until:
                said = self._log.read_text(errors="replace").strip().splitlines()
                raise LithoError(
                    f"Prometheus did not {what} within {seconds:.0f} s: {' '.join(said[-1:]) or 'it said nothing'}"
                )
            time.sleep(_POLL_SECONDS)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self._address}/-/ready", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def _ask(self, what: str, fields: Mapping[str, str]) -> Any:
        url = f"http://{self._address}/api/v1/{what}?{urllib.parse.urlencode(fields)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            reason = json.load(error).get("error", error.reason)
            raise LithoError(f"Prometheus refuses {fields.get('query', what)}: {reason}") from None

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _labels(metric: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in metric.items() if name != "__name__"))
