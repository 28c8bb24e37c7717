import errno
import resource
from pathlib import Path

import pytest
import torch

from litho.errors import CheckpointError
from litho.training.run.checkpoint import Checkpoint, write_checkpoint

from ..conftest import Train

pytestmark = pytest.mark.slow


def test_a_damaged_checkpoint_is_named(tiny_train: Train, tmp_path: Path) -> None:
    run = tiny_train(tmp_path / "run")
    (run / "snapshot.json").unlink()
    state = run / "checkpoint/state.pt"
    state.write_bytes(state.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match=r"state.pt is damaged; to train from the start delete"):
        tiny_train(run)


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    checkpoint = Checkpoint(0, "0" * 64, {"weights": torch.zeros(100_000)}, {}, {}, {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"File too large: .*checkpoint/state\.pt") as caught:
            write_checkpoint(tmp_path / "run", checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []
