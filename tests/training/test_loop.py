import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from litho.errors import TrainingError, UnknownName, UsageError
from litho.training import loop
from litho.training.data import dataset
from litho.training.run.checkpoint import write_checkpoint
from litho.training.run.snapshot import load_snapshot

from .conftest import TINY, Train

pytestmark = pytest.mark.slow

WITH_STATE = {
    "precision": "fp16",
    "augment": "colour,cutout",
    "augment_target": "0.5",
    "augment_rise_nimg": "256",
    "metric": "pixel_distance",
    "metric_nimg": "32",
    "lr": "0.01",
    "clip_norm": "1",
    "weight_decay": "0.1",
    "checkpoint_nimg": "16",
}
"""Recipe keys with which everything that can have a state has one."""

KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch, torch._dynamo, torch.utils.tensorboard, torchmetrics  # not in every child
from litho.training import loop
from litho.training.data import dataset

overrides, trainings = eval(sys.argv[1]), json.loads(sys.argv[2])
read_checkpoint = loop.read_checkpoint

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def at_step(moment):
    def indices(seed, number, batch, count, original=dataset.batch_indices):
        return kill() if number == moment else original(seed, number, batch, count)

    dataset.batch_indices = indices

def at_save(moment):
    def save(content, file, original=torch.save):
        original(content, file)
        if content["step"] == moment:
            file.truncate(1000)
            kill()

    torch.save = save

def at_call(moment):
    # Calls, which a slow machine makes as many of; soon after, this process's own clock ends it anywhere.
    def count(*event):
        global calls
        calls += 1
        if calls == moment:
            sys.setprofile(None)
            signal.setitimer(signal.ITIMER_PROF, 1e-4)

    def read(path, mesh):
        sys.setprofile(count)
        return read_checkpoint(path, mesh)

    loop.read_checkpoint = read

calls = 0
for run, where, moment in trainings:
    child = os.fork()
    if not child:
        {"step": at_step, "save": at_save, "call": at_call}[where](moment)
        loop.train("cgan-digits", run=Path(run), overrides=overrides, progress=False)
        sys.setprofile(None)
        print(json.dumps({"end": 0, "calls": calls}), flush=True)
        os._exit(0)
    end = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if end:
        found = read_checkpoint(Path(run))
        finished = Path(run, "snapshot.json").exists()
        print(json.dumps({"end": end, "step": found.step if found else 0, "finished": finished}), flush=True)
"""


def killed(keys: dict[str, str], trainings: list[tuple[Path, str, int]]) -> list[dict[str, int]]:
    """Train in processes that are killed; how each of them ended.

    Args:
        keys: of the recipe.
        trainings: folder of the run, "step", "save" or "call", and the number of it that the process is killed at.
    """
    words = json.dumps([(str(run), where, moment) for run, where, moment in trainings])
    command = [sys.executable, "-c", KILLED, repr(keys), words]
    done = subprocess.run(command, capture_output=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr.decode()
    ends = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    assert len(ends) == len(trainings), done.stderr.decode()
    return ends


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "snapshot.safetensors")


def lines(run: Path) -> list[dict[str, float]]:
    """The lines of statistics without their clock."""
    read = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    for line in read:
        del line["images_per_second"]
    return read


def assert_same_run(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert lines(one) == lines(other)


def test_a_finished_run_holds_everything_that_was_promised(trained: Path) -> None:
    info = load_snapshot(trained).info
    assert (info.family, info.preset, info.nimg) == ("cgan", "cgan-digits", 256)
    assert info.data is not None
    assert (info.data.name, info.data.licence) == ("digits", "CC-BY-4.0")
    assert set(info.quality) == {"label_agreement", "diversity"}
    recipe = json.loads((trained / "recipe.json").read_text())
    assert (recipe["width"], recipe["lr"], recipe["schema_version"]) == (4, 0.001, 1)
    assert [line["nimg"] for line in lines(trained)] == [48, 96, 144, 192, 240, 256]
    assert sorted(path.name for path in (trained / "samples").iterdir()) == [
        "0000000128.png",
        "0000000256.png",
    ]
    with Image.open(trained / "samples/0000000256.png") as grid:
        assert min(grid.size) >= 320
    assert list((trained / "tensorboard").glob("events.*"))


def test_the_same_recipe_gives_the_same_weights_and_another_seed_others(
    tiny_train: Train, trained: Path, tmp_path: Path
) -> None:
    assert_same_run(trained, tiny_train(tmp_path / "again"))
    assert not torch.equal(
        weights(trained)["project.weight"], weights(tiny_train(tmp_path / "other", seed=1))["project.weight"]
    )


def test_a_finished_run_is_left_alone(
    tiny_train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tiny_train(tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    assert tiny_train(run) == run
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
    assert "is finished" in " ".join(capsys.readouterr().err.split())


def test_a_damaged_snapshot_is_made_again(tiny_train: Train, trained: Path, tmp_path: Path) -> None:
    run = tiny_train(tmp_path / "run")
    (run / "snapshot.safetensors").write_bytes(b"damaged")
    tiny_train(run)
    assert_same_run(trained, run)


@pytest.mark.parametrize("kills", [[("step", 2), ("step", 11)], [("save", 5), ("save", 10), ("step", 15)]])
def test_killed_at_any_point_it_ends_with_the_same_weights(
    tiny_train: Train, trained: Path, tmp_path: Path, kills: list[tuple[str, int]]
) -> None:
    run = tmp_path / "run"
    for end in killed(TINY, [(run, where, step) for where, step in kills]):
        assert end["end"] == -signal.SIGKILL
        assert not end["finished"]
    tiny_train(run)
    assert_same_run(trained, run)
    assert not [path for path in run.rglob("*") if ".partial-" in path.name]


def test_killed_at_random_moments_it_ends_with_the_same_weights_whatever_has_a_state(
    tiny_train: Train, tmp_path: Path
) -> None:
    keys, whole, run = {**TINY, **WITH_STATE}, tmp_path / "whole", tmp_path / "run"
    (end,) = killed(keys, [(whole, "call", -1)])
    moments = np.random.default_rng(0).uniform(0.05, 0.4, 5) * end["calls"]
    ends = killed(keys, [(run, "call", int(moment)) for moment in moments])
    assert {end["end"] for end in ends} <= {0, -signal.SIGPROF}
    kills = [end for end in ends if end["end"]]
    assert len(kills) >= 3
    assert len({end["step"] for end in kills}) >= 2
    tiny_train(run, **WITH_STATE)
    assert_same_run(whole, run)
    assert load_snapshot(run).info == load_snapshot(whole).info
    first, second = (loop.read_checkpoint(path) for path in (whole, run))
    assert first.scalers == second.scalers
    assert first.scalers["generator"]["scale"] > 1
    assert first.selection["best"]["nimg"] == second.selection["best"]["nimg"]
    assert 0 < first.task["augment_probability"] == second.task["augment_probability"]


@pytest.mark.parametrize(
    ("precision", "step", "number"),
    [
        ("fp32", 0, signal.SIGINT),
        ("fp32", 7, signal.SIGTERM),
        ("fp32", 15, signal.SIGINT),
        ("bf16", 7, signal.SIGINT),
        ("fp16", 7, signal.SIGINT),
    ],
)
def test_a_signal_leaves_a_run_that_goes_on_where_it_was(
    tiny_train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    step: int,
    number: signal.Signals,
) -> None:
    run = tmp_path / "run"
    original = dataset.batch_indices
    with monkeypatch.context() as patch:

        def interrupted(seed: int, now: int, batch: int, count: int) -> np.ndarray:
            if now == step:
                signal.raise_signal(number)
            return original(seed, now, batch, count)

        patch.setattr(dataset, "batch_indices", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tiny_train(run, precision=precision)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert loop.read_checkpoint(run).step == step + 1
    tiny_train(run, precision=precision)
    assert_same_run(tiny_train(tmp_path / "whole", precision=precision), run)


def test_a_resumed_training_scales_its_fp16_losses_as_before(tiny_train: Train, tmp_path: Path) -> None:
    run = tiny_train(tmp_path / "run", precision="fp16", nimg=96, checkpoint_nimg=48)
    checkpoint = loop.read_checkpoint(run)
    assert set(checkpoint.scalers) == {"generator", "discriminator"}
    scales = {"generator": 512.0, "discriminator": 2048.0}
    for name, scale in scales.items():
        assert checkpoint.scalers[name]["scale"] != scale
        checkpoint.scalers[name]["scale"] = scale
    write_checkpoint(run, replace(checkpoint, step=3))
    (run / "snapshot.json").unlink()
    tiny_train(run, precision="fp16", nimg=96, checkpoint_nimg=48)
    resumed = loop.read_checkpoint(run)
    assert resumed.step == 6
    assert {name: scaler["scale"] for name, scaler in resumed.scalers.items()} == scales


@pytest.mark.parametrize(
    ("overrides", "error"),
    [({"data": "digit"}, UnknownName), ({"lr": "x"}, UsageError), ({"nimg": "0"}, UsageError)],
)
def test_what_cannot_be_trained_leaves_nothing(
    tiny_train: Train, tmp_path: Path, overrides: dict[str, str], error: type[Exception]
) -> None:
    with pytest.raises(error):
        tiny_train(tmp_path / "run", **overrides)
    assert not (tmp_path / "run").exists()


def test_divergence_stops_and_keeps_the_last_checkpoint(tiny_train: Train, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(
        TrainingError, match=r"training diverged at nimg \d+: .* became (nan|inf|-inf); try a lower"
    ) as caught:
        tiny_train(run, lr=1e30, loss="non-saturating", r1_gamma=10, penalty_every=1, discriminator_lr=1e30)
    assert caught.value.exit_code == 1
    assert not (run / "snapshot.json").exists()


def test_images_are_brought_to_the_resolution_asked_for(tiny_train: Train, tmp_path: Path) -> None:
    run = tiny_train(tmp_path / "run", resolution=16, nimg=32)
    assert load_snapshot(run).info.signature.output.shape == (16, 16, 1)
