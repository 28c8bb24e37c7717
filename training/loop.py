"""Trains any task for as many images as its recipe says; knows nothing of what the task's losses mean.

To resume, run the same command again. A run that is killed at any point and started again ends with the same weights
(on the CPU of one machine): every random number is a function of (seed, step), and a checkpoint holds all the rest.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from ..bundle import read_document
from ..errors import BundleError, CheckpointError, TrainingError, UsageError
from ..extras import require
from ..files import locked, write_bytes
from . import data as sources
from .average import Average
from .checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from .evaluate import quality
from .models import Task, family
from .picture import Picture
from .presets import resolve
from .randomness import Draw, batch_indices, first_weights_seed
from .recipe import Budget, Recipe
from .record import ProgressBar, Statistics, StatisticsFile, sample_grid, trackers
from .snapshot import INFO_NAME, DataInfo, load_snapshot, save_snapshot

__all__ = ["Training", "train"]

RECIPE_NAME = "recipe.json"
RECIPE_SCHEMA_VERSION = 1


def train(
    preset: str,
    *,
    run: Path,
    budget: Budget = "gpu",
    data: str | None = None,
    overrides: Mapping[str, str] | None = None,
    progress: bool = True,
) -> Path:
    """Train a preset into a run's directory, go on with what was interrupted there, or skip what is finished.

    Args:
        preset: name of a line of `presets.PRESETS`.
        run: the run's directory; made where there is none.
        budget: the size of the preset, one of `recipe.BUDGETS`.
        data: what to train on, in place of the preset's.
        overrides: recipe key -> value as text.
        progress: show a bar, where standard error is a terminal.

    Returns:
        `run`, which now holds a finished snapshot.

    Raises:
        UsageError: preset, data, a key or a value is not allowed, or the run was started with another recipe.
        TrainingError: training diverged, or another process trains this run.
        CheckpointError: the run's checkpoint is damaged.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    recipe = resolve(preset, budget=budget, data=data, overrides=overrides)
    check_recipe(run, recipe)
    if is_finished(run, recipe):
        Console(stderr=True).print(f"{run} is finished: {recipe.preset}, {recipe.nimg} images; nothing to do")
        return run
    # Whatever does not fit shows while the networks are built, before anything is written.
    training = Training(run, recipe, progress=progress)
    with _alone(run) if training.is_main else nullcontext():
        check_recipe(run, recipe)
        if training.is_main:
            write_bytes(run / RECIPE_NAME, json.dumps(_document(recipe), indent=2) + "\n")
        training.run()
    return run


def check_recipe(run: Path, recipe: Recipe) -> None:
    """Compare a recipe with the one that the run was started with, if it was.

    Raises:
        UsageError: they differ, and the message names the keys; or the directory holds a snapshot that no training
            of ours made, which would be overwritten.
        CheckpointError: the run's recipe is damaged.
    """
    if not (run / RECIPE_NAME).exists():
        if (run / INFO_NAME).exists():
            raise UsageError(
                f"{run} holds a snapshot but no {RECIPE_NAME}: not trained here; give another --run"
            )
        return
    try:
        started = read_document(run, RECIPE_NAME, RECIPE_SCHEMA_VERSION)
    except BundleError as error:
        raise CheckpointError(str(error)) from None
    wanted = _document(recipe)
    different = [
        f"{key}={started.get(key)} (now {wanted.get(key)})"
        for key in {**started, **wanted}
        if started.get(key) != wanted.get(key)
    ]
    if different:
        raise UsageError(
            f"{run} was started with {', '.join(different)}; give the same recipe to resume it, or another --run"
        )


def _document(recipe: Recipe) -> dict[str, Any]:
    return {"schema_version": RECIPE_SCHEMA_VERSION, **recipe.model_dump(mode="json")}


def is_finished(run: Path, recipe: Recipe) -> bool:
    """Whether the run holds an undamaged snapshot after all of the recipe's images."""
    try:
        return (run / RECIPE_NAME).exists() and load_snapshot(run).info.nimg >= recipe.steps * recipe.batch
    except CheckpointError:
        return False


class Training:
    """One training in this process, from the run's checkpoint or from the start.

    Networks are not wrapped for several processes: each process takes its part of the global batch, and gradients are
    averaged before every optimiser's step, so that losses may differentiate twice and share what they computed.

    Args:
        run: the run's directory.
        recipe: what to train.
        progress: show a bar, where standard error is a terminal.

    Raises:
        UsageError: the recipe does not fit the data or the number of processes.
    """

    def __init__(self, run: Path, recipe: Recipe, *, progress: bool = True) -> None:
        accelerate = require("accelerate", "train")
        self._run, self._recipe, self._progress = run, recipe, progress
        # Without being told so, accelerate takes several processes on a machine without a GPU for strangers.
        self._accelerator = accelerate.Accelerator(
            cpu=not torch.accelerator.is_available(), log_with=trackers(), project_dir=str(run)
        )
        self._device = self._accelerator.device
        self._part = part_of_batch(
            recipe.batch, self._accelerator.process_index, self._accelerator.num_processes
        )
        data = sources.load(recipe.data, resolution=recipe.resolution)
        if self.is_main:
            for note in data.notes:
                Console(stderr=True).print(f"{recipe.data}: {note}", markup=False, highlight=False)
        self._data, _ = data.split()
        self._data_sha256 = self._data.sha256()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(first_weights_seed(recipe.seed))
            task = family(recipe.family).task.build(recipe, self._data)
        self._task = _placed(task, self._device)
        self._average = Average(self._task.generator, recipe.ema_half_life_nimg)
        self._optimisers = {
            name: self._accelerator.prepare(optimiser) for name, optimiser in self._task.optimisers().items()
        }
        self._rates = {
            name: [group["lr"] for group in o.param_groups] for name, o in self._optimisers.items()
        }
        self._step, self._statistics = 0, Statistics()

    @property
    def nimg(self) -> int:
        """Images trained on so far."""
        return self._step * self._recipe.batch

    def run(self) -> None:
        """Go on from the run's checkpoint, train to the end and write the snapshot.

        Raises:
            CheckpointError: the checkpoint is damaged or of another dataset.
            TrainingError: a loss or a weight is no finite number; the last checkpoint stays.
            KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
        """
        self._restore(read_checkpoint(self._run))
        self._timer = (time.monotonic(), self._step)
        recipe, total = self._recipe, self._recipe.steps * self._recipe.batch
        if self.is_main:
            self._lines = StatisticsFile(self._run / "stats.jsonl", self.nimg)
            self._accelerator.init_trackers("tensorboard")
        bar = ProgressBar.open(recipe.preset, self.nimg, total, shown=self._progress and self.is_main)
        with _interruptible() as interrupted, bar as shown:
            while self._step < recipe.steps:
                self._train_step()
                shown.advance(recipe.batch)
                self._after_step()
                if interrupted.is_set():
                    self._save()
                    raise KeyboardInterrupt
        if self.is_main:
            self._finish()
        self._accelerator.wait_for_everyone()
        self._accelerator.end_training()

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self._accelerator.is_main_process

    def _train_step(self) -> None:
        recipe = self._recipe
        indices = batch_indices(recipe.seed, self._step, recipe.batch, len(self._data))[self._part]
        batch = self._data.batch(indices, self._device)
        draw = Draw(recipe.seed, self._step, recipe.batch, self._part, self._device)
        self._set_learning_rates()
        losses = self._task.losses(batch, draw)
        while True:
            # Only what the task computes runs under autocast, not the way back.
            with torch.autocast(self._device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                minimise = next(losses, None)
            if minimise is None:
                break
            optimiser = self._optimisers[minimise.optimiser]
            optimiser.zero_grad(set_to_none=True)
            self._accelerator.backward(minimise.loss)
            self._average_gradients(optimiser)
            optimiser.step()
            self._count({f"{minimise.optimiser}_loss": minimise.loss, **(minimise.statistics or {})})
        self._step += 1
        self._average.update(self.nimg, recipe.batch)

    def _set_learning_rates(self) -> None:
        factor = learning_rate_factor(self.nimg, self._recipe)
        for name, optimiser in self._optimisers.items():
            for group, rate in zip(optimiser.param_groups, self._rates[name], strict=True):
                group["lr"] = rate * factor

    def _count(self, scalars: Mapping[str, Tensor]) -> None:
        # Averaged first, so that every process sees a divergence and none waits for another.
        values = torch.stack([scalar.detach().float() for scalar in scalars.values()])
        self._statistics.add(
            dict(zip(scalars, self._accelerator.reduce(values, "mean").tolist(), strict=True))
        )

    def _average_gradients(self, optimiser: Any) -> None:
        if self._accelerator.num_processes == 1:
            return
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self._accelerator.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "mean")
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view(gradient.shape))

    def _after_step(self) -> None:
        recipe, last = self._recipe, self._step == self._recipe.steps
        if not self.is_main:
            return
        if last or self._passed(recipe.stats_nimg):
            self._write_line()
        if last or self._passed(recipe.sample_nimg):
            sample_grid(self._run / f"samples/{self.nimg:010}.png", self._picture(), self._device)
        if last or self._passed(recipe.checkpoint_nimg):
            self._save()

    def _passed(self, every_nimg: int) -> bool:
        return self.nimg // every_nimg > (self.nimg - self._recipe.batch) // every_nimg

    def _write_line(self) -> None:
        now, (before, step) = time.monotonic(), self._timer
        means = self._statistics.means()
        speed = (self._step - step) * self._recipe.batch / max(now - before, 1e-9)
        self._lines.append({"nimg": self.nimg, **means, "images_per_second": round(speed, 1)})
        self._accelerator.log(means, step=self.nimg)
        self._timer = (now, self._step)

    def _picture(self) -> Picture:
        generator = self._average.generator
        return Picture(generator, generator.signature(self._data.class_names)).eval()

    def _save(self) -> None:
        if not self.is_main:
            return
        if not all(torch.isfinite(value).all() for value in self._average.generator.parameters()):
            raise TrainingError(
                "training diverged: a weight is NaN; try a lower learning rate (--set lr=...)"
            )
        state = Checkpoint(
            step=self._step,
            data_sha256=self._data_sha256,
            task=self._task.state_dict(),
            average=self._average.generator.state_dict(),
            optimisers={name: optimiser.state_dict() for name, optimiser in self._optimisers.items()},
            statistics=self._statistics.sums,
        )
        write_checkpoint(self._run, state)

    def _restore(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        if checkpoint.data_sha256 != self._data_sha256:
            raise CheckpointError(
                f"{self._run} was trained on other images than {self._recipe.data!r} gives now; give another --run"
            )
        self._task.load_state_dict(checkpoint.task)
        self._average.generator.load_state_dict(checkpoint.average)
        for name, optimiser in self._optimisers.items():
            optimiser.load_state_dict(checkpoint.optimisers[name])
        self._step, self._statistics = checkpoint.step, Statistics(checkpoint.statistics)

    def _finish(self) -> None:
        dataset = self._data
        save_snapshot(
            self._run,
            self._average.generator,
            family=self._recipe.family,
            preset=self._recipe.preset,
            data=DataInfo(
                name=dataset.name,
                count=len(dataset),
                licence=dataset.licence,
                class_names=dataset.class_names,
            ),
            nimg=self.nimg,
            quality=quality(self._picture(), dataset, self._device),
        )


def learning_rate_factor(nimg: int, recipe: Recipe) -> float:
    """Share of the learning rates at `nimg` images: 1, then falling linearly to 0 over the last `decay_nimg`."""
    left = recipe.steps * recipe.batch - nimg
    return min(1.0, left / recipe.decay_nimg) if recipe.decay_nimg else 1.0


def _placed(task: Task, device: torch.device) -> Task:
    # Channels last is the layout that convolutions on CPUs and tensor cores work in.
    for parameter in task.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return task.to(device).train()


def part_of_batch(batch: int, process: int, processes: int) -> slice:
    """Which images of a global batch are those of one of several processes.

    Raises:
        UsageError: they cannot be shared evenly.
    """
    if batch % processes:
        raise UsageError(
            f"batch {batch} cannot be shared by {processes} processes; take a multiple (--set batch=...)"
        )
    share = batch // processes
    return slice(process * share, (process + 1) * share)


@contextmanager
def _alone(run: Path) -> Iterator[None]:
    try:
        with locked(run / ".lock"):
            yield
    except BlockingIOError:
        raise TrainingError(f"another process trains {run}; wait for it, or take another --run") from None


@contextmanager
def _interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a step is never cut in two; a second Ctrl-C stops at once."""
    requested = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield requested
        return

    def request(number: int, frame: Any) -> None:
        requested.set()
        signal.signal(signal.SIGINT, before)
        Console(stderr=True).print("\nsaving; run the same command again to go on")

    before = signal.signal(signal.SIGINT, request)
    try:
        yield requested
    finally:
        signal.signal(signal.SIGINT, before)
