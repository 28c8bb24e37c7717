"""What an engine did is among the metrics of a real Triton, which knows nothing of it by itself."""

import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from litho.serving.server.embedded import EmbeddedServer

from .conftest import SECONDS, Stream, inputs, served_in_flight


@pytest.fixture(scope="module")
def in_flight_server(flow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of its own: figures come late, so that requests of other tests would be counted with those of these."""
    with served_in_flight(flow_bundle, tmp_path_factory.mktemp("counted")) as server:
        yield server


def figures(server: EmbeddedServer) -> dict[str, float]:
    """Metric -> its value of the model "flow"; a failure's name ends with its reason."""
    with urllib.request.urlopen(server.metrics_url) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        sample.name.removeprefix("litho_in_flight_") + sample.labels.get("reason", ""): sample.value
        for family in families
        for sample in family.samples
        if sample.name.startswith("litho_in_flight_")
        and (sample.labels["model"], sample.labels["version"]) == ("flow", "1")
    }


def ended(now: dict[str, float]) -> float:
    """Requests that have ended, in any way."""
    return sum(value for name, value in now.items() if name.startswith(("requests_total", "failures_total")))


def settled(server: EmbeddedServer, endings: float) -> dict[str, float]:
    """The figures, once so many requests have ended in any way and nothing is in flight."""
    deadline = time.monotonic() + SECONDS
    while True:
        now = figures(server)
        if ended(now) >= endings and not now["live_rows"] and not now["waiting_rows"]:
            return now
        assert time.monotonic() < deadline, now
        time.sleep(0.05)


def test_pictures_steps_and_times_of_requests_are_counted(in_flight_server: EmbeddedServer) -> None:
    warm = settled(in_flight_server, 1)
    asked = [inputs(1 + number % 3, 10 * number) for number in range(20)]
    began = time.monotonic()
    with Stream(in_flight_server) as stream:
        for number, fields in enumerate(asked):
            stream.ask(fields, str(number))
        rows = sum(len(fields["seed"]) for fields in asked)
        for _ in range(rows):
            stream.take()
    elapsed = time.monotonic() - began
    now = settled(in_flight_server, ended(warm) + len(asked))
    more = {name: now[name] - warm[name] for name in now}
    assert (more["requests_total"], more["pictures_total"], more["admitted_rows_total"]) == (20, rows, rows)
    assert more["moved_rows_total"] == sum(fields["steps"].sum() for fields in asked)
    assert 0 < more["steps_total"] < more["moved_rows_total"]
    # Of the 39 pictures only a few find room at once, and the last waits for nearly all others.
    assert 0 < more["queue_seconds_total"] < rows * elapsed
    assert 0 < more["request_seconds_total"] < len(asked) * elapsed
    assert not any(value for name, value in more.items() if name.startswith("failures_total"))


def test_whoever_reads_meanwhile_sees_no_request_without_its_pictures(
    in_flight_server: EmbeddedServer,
) -> None:
    warm = settled(in_flight_server, 1)
    with Stream(in_flight_server) as stream:
        for number in range(40):
            stream.ask(inputs(2, number), str(number))
        more, deadline = dict.fromkeys(warm, 0.0), time.monotonic() + SECONDS
        while more["requests_total"] < 40:
            assert time.monotonic() < deadline, more
            now = figures(in_flight_server)
            more = {name: now[name] - warm[name] for name in now}
            assert more["pictures_total"] >= 2 * more["requests_total"]
            assert more["admitted_rows_total"] >= more["pictures_total"]


def test_a_request_that_ran_out_of_time_is_a_failure_with_its_reason(
    in_flight_server: EmbeddedServer,
) -> None:
    before = settled(in_flight_server, 1)
    with Stream(in_flight_server) as stream:
        stream.ask({**inputs(1), "steps": np.array([64])}, parameters={"deadline_ms": 1})
        assert "deadline exceeded" in stream.refusal()
    now = settled(in_flight_server, ended(before) + 1)
    assert now["failures_totalexpired"] == before["failures_totalexpired"] + 1
    assert now["requests_total"] == before["requests_total"]
