from pathlib import Path

import pytest

from litho.benchmarks.gateway.process import GatewayProcess
from litho.errors import LithoError


def test_a_running_gateway_says_what_it_uses(process: GatewayProcess) -> None:
    assert process.alive
    assert process.resident_bytes > 1 << 20
    assert process.cpu_seconds > 0


@pytest.mark.slow
def test_a_gateway_that_does_not_start_says_why(tmp_path: Path) -> None:
    starting = GatewayProcess("grpc://nowhere", tmp_path / "log")
    with pytest.raises(LithoError, match=r"did not start: .*HOST:PORT"), starting:
        pass
