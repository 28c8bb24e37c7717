from litho.benchmarks.gateway.overhead import measure_overhead
from litho.benchmarks.gateway.process import GatewayProcess
from litho.runners.triton import Runner


def test_the_ways_to_a_model_take_turns(runner: Runner, process: GatewayProcess) -> None:
    steps = []
    overhead = measure_overhead(
        runner, process, clients=4, rounds=2, seconds=0.3, progress=lambda *step: steps.append(step)
    )
    assert {*overhead.rounds} == {"direct", "tensors", "images"}
    assert overhead.same_pictures
    assert all(not way.errors and way.requests for ways in overhead.rounds.values() for way in ways)
    assert overhead.png_ms > 0
    names = [step.rpartition(" ")[2] for step, _ in steps]
    assert names == ["direct", "tensors", "images", "tensors", "images", "direct"]
