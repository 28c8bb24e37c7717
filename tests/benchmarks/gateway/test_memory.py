from litho.benchmarks.gateway.memory import measure_memory
from litho.benchmarks.gateway.process import GatewayProcess
from litho.runners.triton import Runner


def test_memory_is_noted_again_and_again(runner: Runner, process: GatewayProcess) -> None:
    memory = measure_memory(runner, process, 40, lambda step, share: None, samples=4)
    assert memory.requests >= 40
    assert len(memory.samples) == 5
    assert not memory.errors
