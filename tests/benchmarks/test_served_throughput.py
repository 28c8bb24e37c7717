from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks.served_throughput import Round, Served, ServedThroughput, _check_ended, main, table
from litho.benchmarks.shared.machine import describe_machine
from litho.errors import LithoError
from litho.serving.server.environment import install


def a_round(served: float) -> Round:
    return Round(served=served, in_process=100.0, mean_batch=6.5, cpu_ms={"stubs": 1.5})


def test_a_result_is_judged_by_the_median_of_its_ratios_and_read_back() -> None:
    rounds = tuple(map(a_round, (90.0, 94.0, 20.0)))
    one = Served(
        name="digits",
        variant="generator.fp32.onnx",
        instances=2,
        threads="1",
        at_least=0.9,
        rounds=rounds,
        cold_start_seconds=(1.0, 2.0, 1.5),
    )
    assert (one.ratio, one.passed) == (0.9, True)
    assert not one.model_copy(update={"at_least": 0.91}).passed
    result = ServedThroughput(
        generator="perf_analyzer", clients=32, bundles=(one,), machine=describe_machine()
    )
    assert ServedThroughput.model_validate_json(result.model_dump_json()) == result
    assert table(result)[-1] == "| digits | 90 | 100 | 6.5 | 0.90 (0.20 to 0.94) | 0.90 | 1.50 |"


@pytest.mark.slow
def test_a_bundle_is_measured_from_outside_and_inside(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import typer

    monkeypatch.setattr("litho.benchmarks.served_throughput.COLD_STARTS", 1)
    install()
    app = typer.Typer()
    app.command()(main)
    options = ("--rounds", "1", "--seconds", "0.5", "--clients", "4", "--output", tmp_path / "result.json")
    done = CliRunner().invoke(app, [str(bundle), *map(str, options)])
    assert done.exit_code == 0, done.output
    result = ServedThroughput.model_validate_json((tmp_path / "result.json").read_text())
    (one,) = result.bundles
    (taken,) = one.rounds
    assert taken.served > 0 < taken.in_process
    assert 1 <= taken.mean_batch <= 4
    assert set(taken.cpu_ms) == {"in process", "stubs", "server", "load generator"}
    assert all(seconds > 0 for seconds in (*taken.cpu_ms.values(), *one.cold_start_seconds))


def test_a_generator_that_fails_is_quoted_by_its_error_and_not_by_its_help() -> None:
    with pytest.raises(LithoError, match=r"^run failed: Error: no such model$"):
        _check_ended("/tools/run", 1, "Usage:\nError: no such model\n the help ends here\n")
    _check_ended("run", 0, "")
