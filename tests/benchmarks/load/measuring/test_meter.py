import time

import numpy as np
import pytest

from litho.benchmarks.load.documents.windows import Load
from litho.benchmarks.load.measuring.meter import Meter
from litho.benchmarks.load.measuring.mix import Mix
from litho.benchmarks.load.measuring.probing import Probes
from litho.benchmarks.load.measuring.requests import Requests
from litho.benchmarks.load.scenarios import open_scenario
from litho.errors import EndpointError, UsageError
from litho.runners import open_runner

from ...planted_triton import SIGNATURE, painted


@pytest.fixture
def opened(planted_triton):
    """Makes a server with faults, and a meter of it."""
    runners = []

    def make(scenario="closed-loop", http=False, **faults):
        mix, faults = faults.pop("mix", None), {"seconds": 0.002, **faults}
        planted = planted_triton(**faults)
        runners.append(open_runner(planted.url))
        requests = Requests(runners[-1].signature, 100)
        meter = Meter(
            runners[-1], requests, open_scenario(scenario), http=planted.http if http else None, mix=mix
        )
        return planted, meter

    yield make
    for runner in runners:
        runner.close()


def take(meter, load, **options):
    return meter.take(load, **{"warmup_seconds": 0.1, "seconds": 0.3, **options})


def undisturbed(meter, load, good, **options):
    """A window that shows what is asked for: on a busy machine a later and longer one."""
    end = time.monotonic() + 120
    seconds = 0.3
    while not good(measured := take(meter, load, seconds=seconds, **options)):
        assert time.monotonic() < end, measured
        seconds = min(2 * seconds, 5.0)
    return measured


@pytest.mark.parametrize("http", [False, True])
def test_a_closed_loop_is_held_and_nothing_is_asked_twice(opened, http):
    planted, meter = opened(http=http)

    def held(measured):
        return measured.requests > 10 and measured.in_flight > 0.8 * measured.in_flight_wanted

    measured = [undisturbed(meter, Load(concurrency=count, batch=2), held) for count in (1, 6)]
    assert 1 < planted.most_in_flight <= 6
    assert len(planted.seeds) == len(set(planted.seeds))
    assert min(planted.seeds) == 100 or planted.seeds
    for one, count in zip(measured, (1, 6), strict=True):
        assert one.in_flight <= 1.01 * count
        assert (one.in_flight_wanted, one.offered_rate, one.batch) == (count, None, 2)
        assert one.requests == len(one.late_ms)
        assert one.latencies_ms.min() >= 2
        assert one.client_cpu_seconds > 0
        assert one.server.requests > 0
        assert one.asked > one.requests


def test_an_open_loop_offers_its_rate(opened):
    planted, meter = opened("constant")
    measured = take(meter, Load(rate=200.0), seconds=1.5)
    # A machine that stalls shortens what is left of the window, and not the rate.
    assert measured.offered_rate == pytest.approx(200, rel=0.1)
    assert 0 < measured.requests <= planted.asked
    assert measured.in_flight_wanted is None
    # 0.1 s of warm-up as well, and the probe of the connection; less where the load began late.
    assert measured.requests <= planted.asked <= 325


def test_a_rate_beyond_reach_ends_all_the_same(opened, monkeypatch):
    monkeypatch.setattr("litho.benchmarks.load.measuring.meter.DRAIN_SECONDS", 0.2)
    _planted, meter = opened("poisson", seconds=0.1)
    # Long enough for an answer within it on a machine that stalls.
    measured = take(meter, Load(rate=1000.0), warmup_seconds=0.3, seconds=1.5)
    assert measured.offered_rate == pytest.approx(1000, rel=0.2)
    # Forty at a time, 0.1 s each: 400 a second.
    assert measured.requests / measured.seconds < 0.6 * measured.offered_rate


def test_probes_come_back_with_their_numbers_also_wrong_ones(opened):
    _planted, meter = opened(wrong_every=5)
    inputs = SIGNATURE.example(5, seed=9)

    def wrong(measured):
        picked = measured.picked
        assert picked.pictures.shape == (len(picked.numbers), 4, 4, 1)
        right = painted(inputs["seed"])[picked.numbers]
        return (picked.pictures != right).any(axis=(1, 2, 3))

    def some(measured):
        return measured.requests > 100 and wrong(measured).any()

    measured = undisturbed(meter, Load(concurrency=2, batch=3), some, probes=Probes(inputs))
    assert not wrong(measured).all()
    assert set(measured.picked.numbers.tolist()) == set(range(5))


def test_a_mix_counts_its_pictures(opened):
    mix = Mix.parse("n=1;n=4")
    planted, meter = opened(mix=mix)
    measured = undisturbed(meter, Load(concurrency=3), lambda measured: measured.requests > 30)
    assert 1 < measured.batch < 4
    assert measured.images == round(measured.batch * measured.requests)
    assert len(planted.seeds) == len(set(planted.seeds))


def test_a_window_without_a_success_is_an_error(opened):
    _, meter = opened(fail_every=1)
    with pytest.raises(EndpointError, match="succeeded; the first error: a planted failure"):
        take(meter, Load(concurrency=2))


def test_what_a_runner_in_this_process_has_not_is_refused(planted_runner):
    runner = planted_runner()
    requests = Requests(runner.signature, 0)
    for options in ({"http": "127.0.0.1:1"}, {"mix": Mix.parse("n=1")}, {"preview_every": 1}):
        with pytest.raises(UsageError, match="need an endpoint such as"):
            Meter(runner, requests, open_scenario("closed-loop"), **options)
    with pytest.raises(UsageError, match="need an endpoint such as"):
        Meter(runner, requests, open_scenario("poisson"))


def test_previews_need_a_model_that_streams(planted_triton):
    with open_runner(planted_triton().url) as runner, pytest.raises(UsageError, match="does not stream"):
        Meter(runner, Requests(SIGNATURE, 0), open_scenario("closed-loop"), preview_every=2)


def test_time_to_the_first_preview_is_measured(planted_triton):
    planted = planted_triton(decoupled=True, seconds=0.003)
    with open_runner(planted.url) as runner:
        meter = Meter(runner, Requests(SIGNATURE, 0), open_scenario("closed-loop"), preview_every=1)

        def earlier(measured):
            # Three times 3 ms lie between the first of four steps and the last.
            gain = np.median(measured.latencies_ms) - np.median(measured.first_preview_ms)
            return measured.requests > 3 and gain > 6

        measured = undisturbed(meter, Load(concurrency=2), earlier)
    assert len(measured.first_preview_ms) == measured.requests
