from pathlib import Path

import pytest

from litho.benchmarks.faults.requests import FAULTS, QUEUE, _limited_queue
from litho.benchmarks.faults.run import plant, table
from litho.serving.configuration.model_config import parse_config
from litho.serving.server.environment import install

pytestmark = pytest.mark.slow


def test_a_queue_is_limited_in_the_served_and_the_kept_configuration(
    repository: Path, tmp_path: Path
) -> None:
    model = tmp_path / "tiny"
    (model / "1").mkdir(parents=True)
    for name in ("config.pbtxt", "1/config.pbtxt"):
        (model / name).write_text((repository / "tiny" / name).read_text())
    _limited_queue(model)
    for name in ("config.pbtxt", "1/config.pbtxt"):
        config = parse_config((model / name).read_text())
        assert config.dynamic_batching.default_queue_policy.max_queue_size == QUEUE


def test_bad_requests_among_good_ones_hurt_nobody(bundle: Path) -> None:
    """A fault from end to end: a real server, clients in a process of their own, and nothing left."""
    install()
    (fault,) = (one for one in FAULTS if one.name == "bad-among-good")
    result = plant(fault, bundle)
    assert result.passed, result.problems
    assert sum(client.failed for client in result.clients.values()) == 0
    assert table([result])[-1].startswith("| bad-among-good | passed |")
