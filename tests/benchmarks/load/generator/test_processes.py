import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from litho.benchmarks.load.generator import Kind, Picks, Plan, Running, Site, drive
from litho.errors import EndpointError, EndpointUnavailable, LithoError

from ...planted_triton import SIGNATURE, painted


def kinds(count, rows=1):
    return [Kind(SIGNATURE.example(rows, seed=number)) for number in range(count)]


def site(planted, transport="grpc"):
    address = planted.http if transport == "http" else planted.address
    return Site(SIGNATURE, address, "planted", transport=transport)


def alive(process_id):
    # A process that has ended and was not waited for is a zombie.
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(reached, seconds=120.0):
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.005)


@pytest.mark.parametrize("transport", ["grpc", "http", "streamed"])
def test_so_many_requests_are_in_flight_and_no_seed_is_asked_twice(planted_triton, transport):
    planted = planted_triton(seconds=0.005, decoupled=transport == "streamed")
    plan = Plan(kinds(5, rows=2), first_seed=1000, in_flight=9)
    outcomes = drive(plan, site(planted, transport), seconds=0.3, ended=30)
    assert planted.most_in_flight <= 9
    assert not outcomes.errors
    assert outcomes.answered.all()
    assert len(outcomes.began) == planted.asked >= 30
    assert sorted(planted.seeds) == list(range(1000, 1000 + 2 * planted.asked))
    assert set(planted.labels) == {label for kind in plan.kinds for label in kind.inputs["label"].tolist()}
    assert (outcomes.pictures == 2).all()
    assert (outcomes.began >= outcomes.scheduled).all()
    assert (outcomes.ended - outcomes.began >= 0.004).all()
    # From the moment when all slots are in use to the last request: a place is taken again at once.
    full, last = np.sort(outcomes.began)[8], outcomes.began.max()
    assert 5 < outcomes.in_flight(full, last) <= 9.01


@pytest.mark.parametrize("transport", ["grpc", "http", "streamed"])
def test_picked_requests_have_given_inputs_and_bring_their_pictures(planted_triton, transport):
    planted = planted_triton(decoupled=transport == "streamed")
    given = kinds(3, rows=2)
    plan = Plan(kinds(2), in_flight=2, picks=Picks(4, given))
    outcomes = drive(plan, site(planted, transport), seconds=0.2, ended=24)
    assert len(outcomes.picked) == np.sum(outcomes.kind == -1) == len(outcomes.began) // 4
    # In turn as they were sent; of two in flight the later one may be answered first.
    counts = np.bincount([one.kind for one in outcomes.picked], minlength=3)
    assert counts.max() - counts.min() <= 1
    for one in outcomes.picked:
        seeds = given[one.kind].inputs["seed"]
        assert one.pictures == painted(seeds).tobytes()
        assert outcomes.pictures[one.request] == 2


def test_requests_leave_on_schedule_whatever_the_server_does(planted_triton):
    planted = planted_triton(seconds=0.2)
    times = np.arange(20) / 100
    outcomes = drive(Plan(kinds(3), times=times), site(planted))
    assert np.allclose(outcomes.scheduled, times, atol=1e-6)
    assert planted.most_in_flight >= 10
    assert (outcomes.began >= outcomes.scheduled).all()
    # Latency counts from the scheduled time.
    assert (outcomes.latency_ms >= 200).all()
    assert outcomes.kind.tolist() == [number % 3 for number in range(20)]


def test_a_fixed_plan_is_sent_once_with_its_own_seeds(planted_triton):
    planted = planted_triton()
    plan = Plan(kinds(30), in_flight=4, fixed=True)
    outcomes = drive(plan, site(planted))
    assert sorted(planted.seeds) == sorted(int(kind.inputs["seed"][0]) for kind in plan.kinds)
    assert outcomes.kind.tolist() == list(range(30))


def test_several_processes_share_the_load(planted_triton):
    planted = planted_triton(seconds=0.003)
    plan = Plan(kinds(5), first_seed=7, in_flight=5, picks=Picks(3, kinds(1)), processes=2)
    with Running(plan, site(planted)) as running:
        assert len(running.process_ids) == 2
        running.begin()
        running.wait(0.2, ended=20)
        assert running.cpu_seconds() > 0
        outcomes = running.end()
    assert planted.most_in_flight <= 5
    assert len(outcomes.began) == planted.asked == running_count(outcomes)
    assert (np.diff(outcomes.began) >= 0).all()
    own = [seed for seed in planted.seeds if seed != plan.picks.kinds[0].inputs["seed"][0]]
    assert len(own) == len(set(own))
    assert all(outcomes.kind[one.request] == -1 for one in outcomes.picked)


def running_count(outcomes):
    return int(outcomes.answered.sum())


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_failures_are_counted_with_their_words(planted_triton, transport):
    planted = planted_triton(fail_every=5)
    outcomes = drive(Plan(kinds(2), in_flight=1), site(planted, transport), seconds=0.1, ended=5)
    assert outcomes.errors == {"a planted failure, at 100 %": planted.asked // 5}
    assert np.sum(~outcomes.answered) == planted.asked // 5


def test_a_load_without_success_is_given_up(planted_triton):
    planted = planted_triton(fail_every=1)
    with pytest.raises(EndpointError, match=r"none of \d{3,} requests succeeded; the first error: a planted"):
        # Were it not given up, the test would run out of time.
        drive(Plan(kinds(2), in_flight=2), site(planted))


def test_a_server_that_stalls_is_named_and_its_requests_stay_unanswered(planted_triton):
    planted = planted_triton(silent_after=10)
    with Running(Plan(kinds(2), in_flight=3), site(planted), stall_seconds=2) as running:
        running.begin()
        with pytest.raises(EndpointError, match=r"planted at .* has not answered any of 3 requests for 2 s"):
            running.wait(60)
        outcomes = running.end(0.05)
    assert np.isnan(outcomes.ended).sum() == 3


def test_a_server_that_is_not_there_is_named():
    with pytest.raises(EndpointUnavailable, match=r"cannot reach 127\.0\.0\.1:1: .*refused"):
        drive(Plan(kinds(1)), Site(SIGNATURE, "127.0.0.1:1", "planted"), seconds=1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_end_writes_what_it_has(planted_triton, number):
    planted = planted_triton(silent_after=20)
    with Running(Plan(kinds(2), in_flight=2), site(planted)) as running:
        running.begin()
        until(lambda: running.ended == 20)
        (process_id,) = running.process_ids
        os.kill(process_id, number)
        until(lambda: not alive(process_id))
        outcomes = running.outcomes()
    assert outcomes.answered.sum() == 20
    assert np.isnan(outcomes.ended).sum() == 2


def test_a_process_that_is_killed_is_an_error(planted_triton):
    planted = planted_triton(seconds=0.01)
    with Running(Plan(kinds(2), in_flight=2), site(planted)) as running:
        running.begin()
        os.kill(running.process_ids[0], signal.SIGKILL)
        with pytest.raises(LithoError, match="ended with status -9; measure again"):
            running.wait(300)


def test_no_process_outlives_its_parent(planted_triton, tmp_path):
    planted = planted_triton(seconds=0.01)
    program = f"""
from litho.benchmarks.load.generator import Kind, Plan, Running, Site
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field
import time
signature = Signature(inputs=(seed_field(), label_field(("a", "b", "c"))), output=image_output(4, 4, 1))
running = Running(Plan([Kind(signature.example(1))], in_flight=2), Site(signature, {planted.address!r}, "planted"))
running.begin()
print(running.process_ids[0], flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        process_id = int(parent.stdout.readline())
        assert alive(process_id)
        parent.kill()
    until(lambda: not alive(process_id))
    # It still wrote its account.
    assert list(tmp_path.glob("litho-load-*/0/outcomes.json"))
