from pathlib import Path

import numpy as np
import pytest
import torch

from litho.errors import CheckpointError, InvalidInput, LithoError, UsageError
from litho.runners import open_runner
from litho.training.run.snapshot import load_snapshot


def test_a_run_s_directory_opens_as_torch_and_gives_its_pictures(run: Path) -> None:
    seeds, labels = np.arange(6), np.arange(6)
    picture = load_snapshot(run).picture()
    with open_runner(run) as runner, torch.inference_mode():
        assert runner.name == "torch"
        images = runner.run({"seed": seeds, "label": labels})["image"]
        np.testing.assert_array_equal(
            images, picture(torch.from_numpy(seeds), torch.from_numpy(labels), torch.ones(6)).numpy()
        )
        assert images.shape == (6, 32, 32, 1)
        assert runner.last_ms > 0


def test_a_picture_does_not_depend_on_its_batch(run: Path) -> None:
    with open_runner(run) as runner:
        together = runner.run({"seed": np.arange(64), "label": np.arange(64) % 10})["image"].astype(int)
        alone = [runner.run({"seed": [seed], "label": [seed % 10]})["image"][0] for seed in range(64)]
    difference = np.abs(together - np.stack(alone))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


@pytest.mark.parametrize(
    "inputs", [{"seed": [1]}, {"seed": [-1], "label": [0]}, {"seed": [1], "label": [10]}]
)
def test_inputs_beyond_the_signature_are_refused(run: Path, inputs: dict[str, list[int]]) -> None:
    with open_runner(run) as runner, pytest.raises(InvalidInput):
        runner.run(inputs)


def test_what_torch_refuses_is_one_line(run: Path) -> None:
    with open_runner(run) as runner, pytest.raises(LithoError, match=r"PyTorch .* on cpu failed") as caught:
        runner.run({"seed": np.array([1]), "label": np.array([99])}, check=False)
    assert "\n" not in str(caught.value)


def test_unknown_and_absent_devices(run: Path) -> None:
    with pytest.raises(UsageError, match=r"PyTorch has no device 'tpu' \(known: cpu, cuda; a second GPU"):
        open_runner(run, device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="finds no GPU"):
            open_runner(run, device="cuda")


@pytest.mark.usefixtures("real_gpu")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_a_gpu_gives_the_same_pictures(run: Path, device: str) -> None:
    with open_runner(run) as here, open_runner(run, device=device) as there:
        inputs = here.signature.example(8)
        (name,) = here.run(inputs)
        differences = here.run(inputs)[name].astype(int) - there.run(inputs)[name]
    assert np.abs(differences).max() <= 1


def test_a_directory_without_a_snapshot(tmp_path: Path) -> None:
    (tmp_path / "snapshot.json").write_text("{}")
    with pytest.raises(CheckpointError):
        open_runner(tmp_path)
