"""Pictures for a figure about sets: those of one process, and only from the files that were meant."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from litho.errors import BundleError
from litho.export.validation.samples import SampleWork
from litho.files import sha256
from litho.runners import Runner, open_runner
from litho.runners._pools import open_pool


def opened(bundle: Path, threads: int | None) -> Runner:
    return open_runner(bundle, threads=threads)


def test_the_pictures_of_all_batches_come_in_order(bundle: Path) -> None:
    with open_runner(bundle) as runner:
        inputs = runner.signature.example(21, seed=3)
        expected = runner.run(inputs)["image"]
    files = {bundle / "manifest.json": sha256(bundle / "manifest.json")}
    work = SampleWork(partial(opened, bundle), inputs, 8, files)
    with open_pool() as pool:
        found = np.concatenate(pool.in_order(work, work.pieces))
    assert work.pieces == pool.report.pieces == 3
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_a_machine_without_the_files_or_with_others_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    work = SampleWork(partial(opened, tmp_path), {"seed": np.arange(3)}, 8, {file: "0" * 64})
    with pytest.raises(BundleError, match=r"there is no .*manifest\.json; copy it there"):
        work.check()
    file.write_text("{}")
    with pytest.raises(BundleError, match="is another one there; copy the same to all nodes"):
        work.check()
