from pathlib import Path

import pytest

from litho.benchmarks.faults import processes
from litho.benchmarks.faults.run import plant
from litho.serving.server.environment import install


@pytest.mark.slow
def test_a_pause_of_everything_but_the_clients_gives_no_wrong_picture(
    flow_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "PAUSES", 1)
    install()
    (fault,) = (fault for fault in processes.FAULTS if fault.name == "machine-paused")
    result = plant(fault, flow_bundle)
    assert result.details["pauses"] == 1
    assert {kind: client.wrong for kind, client in result.clients.items()} == {
        "raw": 0,
        "litho": 0,
        "fresh": 0,
    }
    assert result.seconds_to_whole is not None
