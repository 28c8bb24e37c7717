"""litho's endpoint and another server, measured in turns."""

from pathlib import Path

import pytest

from litho.benchmarks.peers.documents import Trial
from litho.benchmarks.peers.served.base import Setting
from litho.benchmarks.peers.served_turns import ServedPlan, best_setting, compare_servers
from litho.bundle import Bundle
from litho.errors import UnknownName, UsageError
from litho.reporting.progress import quiet
from litho.serving.server.environment import install


@pytest.mark.slow
def test_servers_are_measured_in_turns_and_their_pictures_judged(bundle: Path) -> None:
    pytest.importorskip("litserve")
    install()
    plan = ServedPlan((1, 3), rounds=1, seconds=0.4, seed=5, without=("pytriton",), trials=False)
    served = compare_servers(Bundle.load(bundle), "generator.fp32.onnx", plan, quiet)
    assert [peer.name for peer in served.peers] == ["litho", "LitServe"]
    assert [(one.name, one.reason) for one in served.not_measured] == [
        ("pytriton", "it was left out with --without")
    ]
    for peer in served.peers:
        assert peer.verdict.status == "passed"
        assert [(load.clients, len(load.windows)) for load in peer.loads] == [(1, 1), (3, 1)]
        for load in peer.loads:
            assert load.windows[0].failed == 0
            assert load.windows[0].in_flight <= load.clients
            assert load.windows[0].cpu_ms > 0


def test_the_best_setting_is_best_over_all_loads_and_one_that_failed_is_none() -> None:
    trials = [
        (Setting("uneven", 1, {}), Trial(settings="uneven", images_per_second=(100.0, 1000.0))),
        (Setting("even", 2, {}), Trial(settings="even", images_per_second=(400.0, 400.0))),
        (Setting("broken", 2, {}), Trial(settings="broken", images_per_second=(), reason="it died")),
    ]
    best = best_setting(trials)
    assert best is not None
    assert best.words == "even"
    assert best_setting(trials[2:]) is None


def test_an_unknown_server_and_a_window_without_length_are_refused(bundle: Path) -> None:
    with pytest.raises(UnknownName, match="unknown server 'litho'"):
        compare_servers(Bundle.load(bundle), "generator.fp32.onnx", ServedPlan(without=("litho",)), quiet)
    with pytest.raises(UsageError, match="--seconds was given 0"):
        ServedPlan.of(None, 0.0, 0)
