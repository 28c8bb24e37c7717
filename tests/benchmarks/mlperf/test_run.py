import signal
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner, Result

from litho.benchmarks.mlperf.documents import read_result
from litho.benchmarks.mlperf.logs import read_summary
from litho.benchmarks.mlperf.run import BOUND_MS, main, measure, table
from litho.errors import EndpointError, UnknownName, UsageError

SINGLE = ("--scenario", "single-stream", "--seconds", "0.2")


def invoke(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(main)
    return CliRunner().invoke(app, list(map(str, arguments)))


@pytest.mark.slow
def test_loadgen_calls_a_real_server_valid_and_its_pictures_are_right(bundle, tmp_path) -> None:
    made = tmp_path / "loadgen.json"
    said = invoke(bundle, "--served", *SINGLE, "--output", made)
    assert said.exit_code == 0, said.output
    result = read_result(made)
    assert result.kind == "endpoint"
    assert (
        result.command
        == "python -m litho.benchmarks.mlperf tiny --served --scenario single-stream --seconds 0.2 --bound-ms 15"
    )
    (one,) = result.scenarios
    assert one.valid
    assert one.loadgen == "VALID"
    assert one.under_load.pictures > 10
    assert one.accuracy.pictures > 64
    assert one.latency_ms["50.00"] <= one.latency_ms["99.00"]
    assert "no official MLPerf result" in result.note
    assert "600 s" in result.note
    assert str(tmp_path) not in made.read_text()
    assert f"| single-stream | VALID | {one.metric} |" in "\n".join(table(result))
    (tmp_path / "loadgen" / one.summary_log).rename(tmp_path / "mlperf_log_summary.txt")
    assert read_summary(tmp_path).valid


def test_wrong_pictures_and_failed_requests_are_never_valid(planted_server, bundle, tmp_path) -> None:
    target = (planted_server.url, "--bundle", bundle, *SINGLE, "--output", tmp_path / "loadgen.json")
    planted_server.wrong_every = 33
    said = invoke(*target)
    assert said.exit_code == 1, said.output
    (one,) = read_result(tmp_path / "loadgen.json").scenarios
    assert one.loadgen == "VALID"
    assert "wrong pictures in accuracy mode" in said.output.splitlines()[1]
    planted_server.healthy().fail_every = 33
    said = invoke(*target)
    assert said.exit_code == 1, said.output
    (one,) = read_result(tmp_path / "loadgen.json").scenarios
    assert "a planted fault" in one.failed
    assert not one.valid


def test_ctrl_c_saves_the_scenarios_that_were_measured(bundle, tmp_path) -> None:
    command = [sys.executable, "-m", "litho.benchmarks.mlperf", bundle, "--scenario", "multi-stream", *SINGLE]
    with subprocess.Popen(
        [*command, "--output", tmp_path / "loadgen.json"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        assert running.stdout is not None
        line = next(line for line in running.stderr if "multi-stream" in line)
        running.send_signal(signal.SIGINT)
        said, rest = running.stdout.read(), running.stderr.read()
    assert running.returncode == 130, line + rest
    assert said.startswith("scenarios are missing: interrupted\n")
    assert [one.scenario for one in read_result(tmp_path / "loadgen.json").scenarios] == ["single-stream"]


def test_what_does_not_fit_is_refused(bundle, planted_server, tmp_path) -> None:
    with pytest.raises(UsageError, match="seconds was given 0"):
        measure(bundle, seconds=0)
    with pytest.raises(UnknownName, match="did you mean 'offline'"):
        measure(bundle, scenarios=["ofline"])
    with pytest.raises(UsageError, match="--bundle was given for a target that is a bundle"):
        measure(bundle, bundle=bundle)
    with pytest.raises(UsageError, match="name the bundle"):
        measure(planted_server.url)
    with pytest.raises(UsageError, match="a variant was given for an endpoint"):
        measure(planted_server.url, bundle=bundle, variant="fp32")
    with pytest.raises(UsageError, match="bound_ms -1"):
        measure(bundle, bound_ms=-1)
    with pytest.raises(UsageError, match="only a bundle can be"):
        measure(planted_server.url, served=True)
    planted_server.caches = True
    with pytest.raises(UsageError, match="response cache, which MLPerf forbids"):
        measure(planted_server.url, bundle=bundle)
    assert BOUND_MS == 15


def test_a_server_that_cannot_be_reached_is_an_error_in_one_line(bundle) -> None:
    with pytest.raises(EndpointError, match="cannot reach grpc"):
        measure("grpc://127.0.0.1:1/tiny", bundle=bundle)
    said = invoke("grpc://127.0.0.1:1/tiny", "--bundle", bundle)
    assert said.exit_code == 1
    assert said.output.startswith("mlperf: error: ")
    assert len(said.output.strip().splitlines()) == 1
