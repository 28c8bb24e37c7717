from litho.benchmarks.gateway.memory import SAMPLES, measure_memory
from litho.benchmarks.gateway.process import GatewayProcess
from litho.runners.triton import Runner


def test_memory_is_noted_again_and_again(runner: Runner, process: GatewayProcess) -> None:
    memory = measure_memory(runner, process, 2 * SAMPLES, lambda step, share: None)
    assert memory.requests >= 2 * SAMPLES
    assert len(memory.samples) == SAMPLES + 1
    assert not memory.errors
