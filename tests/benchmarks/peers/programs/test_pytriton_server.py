"""PyTriton serves the pictures of the probes, where its environment was made."""

from pathlib import Path

import pytest

from litho.benchmarks.peers.served.base import served_peers
from litho.benchmarks.peers.served_turns import Load
from litho.bundle import Bundle


@pytest.mark.slow
def test_its_answers_are_the_pictures_of_the_probes(bundle: Path, tmp_path: Path) -> None:
    peer = served_peers()["pytriton"]
    if reason := peer.lacks():
        pytest.skip(reason)
    load = Load(Bundle.load(bundle), "generator.fp32.onnx", tmp_path)
    with peer.serve(load.work, peer.settings()[0]) as running:
        turn = load.turn(running, 4, 0.5)
    assert turn.window.failed == 0
    assert load.judged([load.replay(turn)]).status == "passed"
    assert peer.versions()["nvidia-pytriton"] == "0.7.0"
