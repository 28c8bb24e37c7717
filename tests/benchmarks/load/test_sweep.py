import subprocess
import sys

import pytest

from litho.benchmarks import bench, read_result
from litho.benchmarks.load.page.report import remarks
from litho.errors import EndpointError, UnknownName, UsageError
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field


def test_bundle_is_measured_over_batches_and_the_result_reads_back(bundle, tmp_path):
    steps = []
    result = bench(
        bundle,
        batch=(1, 8),
        seconds=0.6,
        output=tmp_path / "out",
        progress=lambda step, share: steps.append((step, share)),
    )
    assert result.kind == "in-process"
    assert [point.load.batch for point in result.points] == [1, 8]
    assert all(len(point.windows) == 3 and point.failed == 0 for point in result.points)
    assert all(window.images == 8 * window.requests for window in result.points[1].windows)
    assert result.machine.cores >= 1
    assert result.machine.versions["onnxruntime"]
    shares = [share for _, share in steps]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert read_result(tmp_path / "out" / "bench.json") == result
    assert (tmp_path / "out" / "bench.html").read_text().startswith("<!doctype html>")


def test_a_roofline_that_cannot_be_given_is_refused_before_the_load(run, planted_runner, planted_triton):
    asked, served = planted_runner(), planted_triton()
    for target, facts, message in (
        (asked, {}, "give the bundle with --bundle"),
        (run, {}, "give the bundle with --bundle"),
        (served.url, {"mix": "n=1"}, "which --mix changes"),
    ):
        with pytest.raises(UsageError, match=message):
            bench(target, batch=(1,), seconds=0.1, roofline=True, **facts)
    assert asked.asked == served.asked == 0


def test_the_roofline_of_a_bundle_is_in_its_result(bundle, tmp_path):
    result = bench(bundle, batch=(1, 8), seconds=0.1, rounds=1, roofline=True)
    assert [point.batch for point in result.roofline.points] == [1, 8]
    assert all(0 < point.share <= 1 for point in result.roofline.points)


def test_run_and_bundle_of_one_generator_compare(run, bundle):
    result = bench(run, against=bundle, batch=(2,), seconds=0.4, rounds=1, pairs=2)
    assert result.comparison.second_load.batch == 2
    assert result.comparison.ratio > 0


@pytest.mark.slow
def test_endpoint_is_measured_over_concurrencies_with_the_servers_account(planted_endpoint, tmp_path):
    endpoint = planted_endpoint(seconds=0.001, formed=4)
    result = bench(endpoint, concurrency=(1, 4), seconds=0.6, output=tmp_path)
    assert result.kind == "endpoint"
    for point in result.points:
        assert point.server.mean_batch == 4
        assert point.server.queue_ms == pytest.approx(2)
        assert point.server.compute_ms == pytest.approx(1)
        assert set(point.server.batch_sizes) == {4}
    assert read_result(tmp_path / "bench.json") == result


@pytest.mark.slow
def test_no_seed_is_ever_asked_twice(planted_endpoint):
    endpoint = planted_endpoint(seconds=0.0005)
    bench(endpoint, concurrency=(1, 3), batch=(1, 5), seconds=0.4, rounds=2)
    assert len(endpoint.seeds) == len(set(endpoint.seeds))


def test_two_runs_ask_different_seeds(planted_runner):
    runners = [planted_runner(), planted_runner()]
    for runner in runners:
        bench(runner, batch=(1,), seconds=0.01)
    assert not set(runners[0].seeds) & set(runners[1].seeds)


@pytest.mark.slow
def test_comparison_is_at_the_last_load_and_the_batch_that_the_server_formed(
    planted_endpoint, planted_runner
):
    endpoint, other = planted_endpoint(seconds=0.002, formed=6), planted_runner(seconds=0.002)
    result = bench(endpoint, against=other, at_least=1e9, concurrency=(1, 8), seconds=0.6, pairs=3)
    comparison = result.comparison
    assert (comparison.first_load.concurrency, comparison.first_load.batch) == (8, 1)
    assert (comparison.second_load.concurrency, comparison.second_load.batch) == (1, 6)
    assert len(comparison.pairs) == 3
    assert all(pair.second.images == 6 * pair.second.requests for pair in comparison.pairs)
    assert comparison.passed is False
    assert any("below 1e+09" in remark for remark in remarks(result))
    assert not set(endpoint.seeds) & set(other.seeds)


@pytest.mark.slow
def test_every_seventh_failure_shows_in_the_result(planted_endpoint):
    endpoint = planted_endpoint(fail_every=7, seconds=0.0005)
    result = bench(endpoint, concurrency=(2,), seconds=0.6)
    assert result.points[0].failed == endpoint.failed == endpoint.asked // 7 > 0
    assert any(
        f"Concurrency 2, batch 1: {endpoint.failed} requests failed" in remark
        and "a planted failure" in remark
        for remark in remarks(result)
    )


@pytest.mark.slow
def test_runner_that_slows_down_midway_is_not_stable(planted_runner):
    runner = planted_runner(seconds=0.001)

    def slow_down(step, share):
        runner.seconds = 0.15 if share > 0.5 else 0.001

    point = bench(runner, batch=(1,), seconds=0.9, progress=slow_down).points[0]
    assert point.stable is False
    assert point.deviation > 0.3
    slowest, fastest = point.images_per_second_range
    assert fastest > 3 * slowest
    assert point.latency.p50_ms < 150 <= point.latency.max_ms


def test_fewer_than_three_windows_are_not_judged(planted_runner):
    result = bench(planted_runner(), batch=(1,), seconds=0.05, rounds=2)
    assert result.points[0].stable is None
    assert any("it takes 3 windows" in remark for remark in remarks(result))


@pytest.mark.slow
def test_slow_requests_are_waited_for(planted_runner):
    result = bench(planted_runner(seconds=0.05), batch=(1,), seconds=0.01)
    assert all(window.requests >= 1 for window in result.points[0].windows)
    assert any("p99 is not given from fewer than 1,000 requests" in remark for remark in remarks(result))


def test_runner_handed_in_stays_open(planted_runner):
    runner = planted_runner()
    bench(runner, batch=(1,), seconds=0.01)
    assert not runner.closed


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"concurrency": (2,)},
            r"concurrency was given 2, .* one request after the other .* sweep the batch",
        ),
        ({"batch": (0,)}, r"batch was given 0; it takes different numbers of at least 1"),
        ({"batch": (1, 1)}, r"batch was given 1,1;"),
        ({"seconds": 0}, r"seconds was given 0"),
        ({"seconds": float("nan")}, r"seconds was given nan"),
        ({"device": "cuda"}, r"device was given 'cuda', but .* computes where it was started; leave it out"),
        ({"rounds": 0}, r"rounds was given 0; it takes 1 or more"),
        ({"pairs": 0}, r"pairs was given 0"),
        ({"at_least": 1.5}, r"at_least=1.5 has nothing to compare with; give a runner to measure against"),
        ({"scenario": "closed-lop"}, r"unknown scenario 'closed-lop'; did you mean 'closed-loop'"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_runs(planted_runner, asked, message):
    runner = planted_runner()
    with pytest.raises((UsageError, UnknownName), match=message):
        bench(runner, **asked)
    assert runner.asked == 0


def test_runners_of_different_pictures_are_not_compared(planted_runner):
    other = planted_runner(signature=Signature(inputs=(seed_field(),), output=image_output(8, 8, 1)))
    runner = planted_runner()
    with pytest.raises(UsageError, match="compare two runners of the same generator"):
        bench(runner, against=other, batch=(1,), seconds=0.01)
    assert runner.asked == 0


def test_dead_endpoint_leaves_no_result(planted_endpoint, tmp_path):
    with pytest.raises(EndpointError, match=r"none of \d+ requests at concurrency 1, batch 1 succeeded"):
        bench(planted_endpoint(fail_every=1), seconds=0.1, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("module", "message"), [("vl_convert", "vl_convert"), ("jinja2", "jinja2")])
def test_missing_extra_is_named_before_anything_runs(module, message, tmp_path):
    program = f"""
import sys
sys.modules[{module!r}] = None
from litho.benchmarks import bench
from litho.errors import MissingExtra
from pathlib import Path
try:
    bench("no such bundle", output=Path({str(tmp_path / "out")!r}))
except MissingExtra as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == f"{message!r} is not installed; get it with: pip install 'litho[bench]'"


@pytest.mark.slow
def test_import_is_light():
    program = "import sys, litho.benchmarks; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"torch", "onnxruntime", "vl_convert", "jinja2", "psutil", "grpc"} & set(answer.stdout.split())
