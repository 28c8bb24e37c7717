"""Targets that stall, err or answer other pictures are never reported as fast, and the exit code says so."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litho.benchmarks import bench, read_result
from litho.benchmarks.load.session import Stopped
from litho.cli import main
from litho.errors import EndpointError

from ...papers import make_papers
from ..planted_triton import PlantedTriton

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def litho_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    """Call `litho bench` in this process: exit code, standard output and standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["litho", "bench", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with pytest.raises(SystemExit) as ended:
            main()
        for number, handler in before.items():
            signal.signal(number, handler)
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        assert "Traceback" not in printed.err
        return ended.value.code, printed.out, printed.err

    return call


SHORT = ("--concurrency", "4", "--seconds", "1")


def test_a_good_server_passes_and_its_pictures_were_checked(litho_here: Called, tmp_path: Path) -> None:
    with PlantedTriton() as server:
        code, said, errors = litho_here(
            server.url, *SHORT, "--slo-ms", 60_000, "--price", 3.6, "-o", tmp_path
        )
    assert code == 0, errors
    result = read_result(tmp_path / "bench.json")
    (point,) = result.points
    assert result.complete
    assert result.problems == ()
    assert point.quality is not None
    assert (point.quality.wrong, point.quality.worst_difference) == (0, 0)
    assert point.quality.pictures > 0
    assert point.goodput is not None
    assert point.goodput.share == 1
    assert point.resources is not None
    assert point.resources.client.cpu_seconds > 0
    assert result.cost is not None
    assert result.cost.per_1000_images == pytest.approx(1 / point.images_per_second)
    assert result.environment is not None
    assert "not a result" not in said


def test_a_server_of_three_percent_errors_counts_for_nothing(litho_here: Called) -> None:
    # Long enough for some hundred requests on a busy machine, so that some of them fail.
    with PlantedTriton(fail_every=33) as server:
        code, said, errors = litho_here(server.url, "--concurrency", "4", "--seconds", "3")
        result = bench(server.url, concurrency=[4], seconds=3)
    assert code == 1, errors
    first = said.splitlines()[0]
    found = r"not a result: concurrency 4, batch 1: [1-9]\d*(\.\d)?% of the requests failed; at most 1% may"
    assert re.fullmatch(found, first)
    assert first in errors
    assert result.best is None
    assert result.points[0].stable is False


@pytest.mark.parametrize("wrong_every", [1, 3])
def test_a_fast_server_of_wrong_pictures_counts_for_nothing(litho_here: Called, wrong_every: int) -> None:
    with PlantedTriton() as server:
        # It answers rightly what it is asked alone, and otherwise what comes easy.
        server.wrong_every, server.wrong_from = wrong_every, 65
        code, said, _ = litho_here(server.url, *SHORT)
    assert code == 1
    assert re.match(
        r"not a result: concurrency 4, batch 1: wrong pictures came back under load \(\d+ of", said
    )
    assert "grey levels off" in said.splitlines()[0]


@pytest.mark.slow
def test_a_server_that_was_always_wrong_is_found_by_its_bundle(bundle: Path) -> None:
    from litho.bundle import Bundle

    manifest = Bundle.load(bundle).manifest
    facts = {"signature": manifest.signature, "checkpoint_sha256": manifest.checkpoint_sha256}
    with PlantedTriton(**facts) as server:
        result = bench(server.url, concurrency=[4], seconds=1.0, bundle=bundle)
    assert "against the probes of bundle tiny" in result.problems[0]
    assert result.best is None


def test_a_server_that_stalls_is_given_up_and_the_part_before_is_kept() -> None:
    with PlantedTriton() as server:

        def stall(step: str, share: float) -> None:
            server.silent_after = server.asked if share > 0.3 else None

        # Longer than a machine may stall by itself.
        with pytest.raises(Stopped, match=r"any of 2 requests for 2 s") as caught:
            bench(server.url, concurrency=[2], seconds=1.5, stall_seconds=2, progress=stall)
    assert caught.value.exit_code == 1
    result = caught.value.result
    assert result is not None
    assert not result.complete
    assert result.problems[0].startswith("stopped before it was complete: planted at 127.0.0.1")
    assert len(result.points[0].windows) == 1


@pytest.mark.parametrize("http", [False, True])
@pytest.mark.parametrize(
    ("served", "reason"),
    [
        ({}, "certificate signature failure|self-signed certificate|unable to get local issuer certificate"),
        ({"days": -1}, "certificate has expired"),
        ({"host": "127.0.0.9"}, "hostname verification check failed|IP address mismatch.*"),
    ],
)
def test_a_certificate_that_is_not_right_is_one_line(
    litho_here: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, http: bool, served: dict, reason: str
) -> None:
    right, wrong = make_papers(tmp_path / "right"), make_papers(tmp_path / "wrong", **served)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(right.ca.read_bytes() + (wrong.ca.read_bytes() if served else b""))
    monkeypatch.setenv("LITHO_TLS_CA", str(trusted))
    with PlantedTriton(papers=right if http else wrong, http_papers=wrong) as server:
        words = ("--http", server.http) if http else ()
        code, said, errors = litho_here(server.url, *SHORT, *words)
    assert (code, said) == (1, "")
    assert re.search(rf"do not agree on TLS \(({reason})\); check the certificates of both\n$", errors), (
        errors
    )


def test_a_server_that_only_fails_leaves_nothing(litho_here: Called, tmp_path: Path) -> None:
    with PlantedTriton(fail_every=1) as server:
        code, said, errors = litho_here(server.url, *SHORT, "-o", tmp_path / "out")
    assert code == 1
    assert "asked alone, before any load: " in errors
    assert "a planted failure" in errors
    assert said == ""
    assert not (tmp_path / "out").exists()
    with PlantedTriton(fail_every=1) as server, pytest.raises(EndpointError, match=r"none of \d+ requests"):
        bench(server.url, concurrency=[4], seconds=1.0, quality=False)


def test_a_rate_beyond_reach_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litho.benchmarks.load.measuring.meter.DRAIN_SECONDS", 0.1)
    with PlantedTriton(seconds=0.2) as server:
        # One window, so long that a machine that stalls leaves some of it.
        result = bench(server.url, scenario="constant", rate=[900], seconds=2.5, rounds=1)
    # On a machine that is too slow even for the end of it, requests fail.
    found = r"900 requests/s, batch 1: (\d+ requests/s are beyond reach: \d+|\d.*% of the requests failed)"
    assert re.match(found, result.problems[0]), result.problems
    assert result.best is None


def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    words = ["--concurrency", "2", "--seconds", "12", "--output", str(tmp_path / "out")]
    with PlantedTriton(seconds=0.002) as server:
        running = subprocess.Popen(
            [sys.executable, "-m", "litho", "bench", server.url, *words, "--log-file", str(tmp_path / "log")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        log = tmp_path / "log"
        # A third of the time is the first window of three.
        while running.poll() is None and not (log.exists() and "\n" in log.read_text().partition(" 33%")[2]):
            time.sleep(0.01)
        os.killpg(running.pid, signal.SIGINT)
        said, errors = running.communicate(timeout=300)
    assert running.returncode == 130, errors
    assert "Traceback" not in errors
    assert (
        errors.strip()
        .splitlines()[-1]
        .startswith("litho: error: interrupted; what was measured before is in")
    )
    assert said.startswith("not a result: stopped before it was complete: interrupted")
    document = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert document["complete"] is False
    assert len(document["points"][0]["windows"]) == 1


def test_an_error_in_a_later_window_has_the_result_with_it() -> None:
    with PlantedTriton(seconds=0.001) as server:

        def fail(step: str, share: float) -> None:
            server.fail_every = 1 if share > 0.3 else 0

        with pytest.raises(Stopped, match="planted failure") as caught:
            bench(server.url, concurrency=[2], seconds=1.5, progress=fail)
    assert caught.value.result is not None
    assert caught.value.exit_code == 1
    assert len(caught.value.result.points[0].windows) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--at-least 2", "--at-least needs --against"),
        ("--against-variant int8", "--against-variant needs --against"),
        ("--variant int8", "variant was given 'int8', but .* is no bundle and has only one; leave it out"),
        ("--rate 50", "--rate was given .* ignores; use --concurrency"),
        ("--scenario constant", "needs --rate"),
        ("--scenario poisson --rate 5 --concurrency 4", "--concurrency was given .* ignores; give --rate"),
        ("--scenario constant --rate 5 --against {url}", "--against compares throughput"),
        ("--trace {url}", "--trace"),
        ("--preview-every 2", "does not stream"),
        ("--slo-ms 0", "--slo-ms was given 0; expected a number above 0"),
        ("--price cheap", "--price was given 'cheap'; it takes a price per hour above 0"),
        ("--stall-seconds 0", "--stall-seconds was given 0"),
        ("--bundle absent", "no bundle at 'absent'"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    good: PlantedTriton, litho_here: Called, words: str, message: str
) -> None:
    asked = good.asked
    code, said, errors = litho_here(good.url, *words.format(url=good.url).split())
    assert (code, said) == (2, ""), errors
    assert re.search(message, errors), errors
    assert good.asked == asked


@pytest.fixture(scope="module")
def good():
    """A server without faults."""
    with PlantedTriton() as server:
        yield server
