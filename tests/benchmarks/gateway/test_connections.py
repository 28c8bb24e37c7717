from litho.benchmarks.gateway.connections import measure_connections
from litho.benchmarks.gateway.process import GatewayProcess


def test_idle_and_slow_connections_are_held(process: GatewayProcess) -> None:
    body = {"model": "tiny", "label": 3}
    held = measure_connections(process.address, body, idle=20, slow=6, seconds=1.0)
    assert (held.idle_held, held.failed) == (20, 0)
    assert sum(held.slow_outcomes.values()) == 6
    assert not held.problems
