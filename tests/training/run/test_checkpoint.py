from pathlib import Path

import pytest

from litho.errors import CheckpointError

from ..conftest import Train

pytestmark = pytest.mark.slow


def test_a_damaged_checkpoint_is_named(tiny_train: Train, tmp_path: Path) -> None:
    run = tiny_train(tmp_path / "run")
    (run / "snapshot.json").unlink()
    state = run / "checkpoint/state.pt"
    state.write_bytes(state.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"state.pt is damaged; to train from the start delete"):
        tiny_train(run)
