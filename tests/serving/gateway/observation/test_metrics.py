"""Figures: counted once, and never in more series than there are routes."""

import contextlib
import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from litho.serving.gateway.observation.metrics import Metrics
from litho.serving.gateway.program import Program


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    content, _ = metrics.text()
    return {
        tuple(text for _, text in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
        if sample.name == name
    }


def counted(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples that are not 0."""
    return {labels: value for labels, value in samples(metrics, name).items() if value}


def test_requests_are_counted_with_their_time_and_their_refusal() -> None:
    up = True
    metrics = Metrics(lambda: up)
    for method, status, error in (
        ("GET", 200, ""),
        ("GET", 200, ""),
        ("BREW", 429, ""),
        ("GET", 400, "no_model"),
    ):
        metrics.begin()
        assert samples(metrics, "litho_gateway_requests_in_flight") == {(): 1}
        metrics.end("/v1/models", method, status, 0.02, error)
    assert counted(metrics, "litho_gateway_requests_total") == {
        ("GET", "/v1/models", "200"): 2,
        ("other", "/v1/models", "429"): 1,
        ("GET", "/v1/models", "400"): 1,
    }
    assert counted(metrics, "litho_gateway_rejected_total") == {("rate_limit_exceeded",): 1, ("no_model",): 1}
    assert samples(metrics, "litho_gateway_request_seconds_count") == {("/v1/models",): 4}
    assert samples(metrics, "litho_gateway_requests_in_flight") == {(): 0}
    metrics.made("digits", 3)
    assert samples(metrics, "litho_gateway_pictures_total") == {("digits",): 3}
    assert samples(metrics, "litho_gateway_triton_up") == {(): 1}
    up = False
    assert samples(metrics, "litho_gateway_triton_up") == {(): 0}


def test_failures_begin_at_zero_so_that_the_first_one_is_an_increase() -> None:
    metrics = Metrics(lambda: True)
    assert set(samples(metrics, "litho_gateway_rejected_total").values()) == {0}
    metrics.begin()
    metrics.end("/v1/images/generations", "POST", 200, 0.02)
    before = samples(metrics, "litho_gateway_requests_total")
    assert before["POST", "/v1/images/generations", "503"] == 0
    metrics.begin()
    metrics.end("/v1/images/generations", "POST", 503, 0.02)
    after = samples(metrics, "litho_gateway_requests_total")
    assert after == {**before, ("POST", "/v1/images/generations", "503"): 1}


def test_two_gateways_in_one_process_count_apart() -> None:
    one, other = Metrics(lambda: True), Metrics(lambda: True)
    one.made("digits", 1)
    assert samples(other, "litho_gateway_pictures_total") == {}


def test_openmetrics_is_given_to_who_asks_for_it() -> None:
    content, media_type = Metrics(lambda: True).text("application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert content.endswith(b"# EOF\n")


PROMETHEUS = os.environ.get("PROMETHEUS") or shutil.which("prometheus")
"""Prometheus itself, from the distribution's package of that name, with promtool beside it."""


@pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed, and PROMETHEUS does not name it")
def test_prometheus_scrapes_a_running_gateway(gateway: Program, tmp_path: Path, free_port: int) -> None:
    assert PROMETHEUS is not None
    with urllib.request.urlopen(f"{gateway.url}/metrics") as answer:
        content = answer.read()
    tool = Path(PROMETHEUS).with_name("promtool")
    checked = subprocess.run([tool, "check", "metrics"], input=content, capture_output=True)
    assert checked.returncode == 0, checked.stderr
    config = tmp_path / "prometheus.yml"
    address = gateway.url.removeprefix("http://")
    config.write_text(
        "scrape_configs: [{job_name: litho, scrape_interval: 1s, scrape_timeout: 1s,"
        f" static_configs: [{{targets: ['{address}']}}]}}]\n"
    )
    options = [f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(
            [PROMETHEUS, *options, f"--web.listen-address=127.0.0.1:{free_port}"], stdout=log, stderr=log
        )
    try:
        for query in ('up{job="litho"}', "litho_gateway_triton_up", "litho_gateway_requests_in_flight"):
            _asked(free_port, query, running, "1")
        quantile = 'histogram_quantile(0.5, litho_gateway_request_seconds_bucket{route="/metrics"})'
        assert 0 < float(_asked(free_port, quantile, running)) < 60
    finally:
        running.terminate()
        running.wait(120)


def _asked(port: int, query: str, running: subprocess.Popen[bytes], expected: str | None = None) -> str:
    """Prometheus' value of a query, once it has one, or the expected one: a scrape may have come too late."""
    url = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    deadline = time.monotonic() + 120
    while running.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:
            found = [one["value"][1] for one in json.load(answer)["data"]["result"]]
            if found and expected in (None, found[0]):
                return found[0]
        time.sleep(0.2)
    raise AssertionError(f"Prometheus has no value of {query}")
