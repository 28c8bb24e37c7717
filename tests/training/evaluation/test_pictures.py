"""Samples that workers draw: those of one process, and only from the same weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from litho.errors import CheckpointError
from litho.runners._pools import open_pool
from litho.training.evaluation.pictures import PictureWork
from litho.training.networks.pixel_model import PixelModel
from litho.training.run.snapshot import load_snapshot


def work_of(run: Path, count: int, sha256: str | None = None) -> PictureWork:
    info = load_snapshot(run).info
    inputs = info.signature.check(
        {"seed": np.arange(count), "label": np.arange(count) % 10, "truncation": np.full(count, 0.7)}
    )
    return PictureWork(run, sha256 or info.weights_sha256, info.signature, inputs, 8, "cpu")


@pytest.mark.slow
def test_two_workers_draw_the_samples_of_one_process(run: Path) -> None:
    snapshot, work = load_snapshot(run), work_of(run, 21)
    assert work.pieces == 3
    expected = PixelModel(snapshot.generator(), snapshot.info.signature).eval().make(work._inputs, 8)
    before = torch.get_num_threads()
    with open_pool() as alone, open_pool(workers=2) as two:
        for pool in (alone, two):
            np.testing.assert_array_equal(np.concatenate(pool.in_order(work, work.pieces)), expected)
    assert torch.get_num_threads() == before


def test_a_machine_without_the_run_or_with_another_one_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="has other weights there"):
        work_of(run, 3, "0" * 64).check()
    work = work_of(run, 3)
    work.check()
    work._run = tmp_path
    with pytest.raises(CheckpointError, match=f"there is no run at {tmp_path}; copy it there"):
        work.check()
