"""Trains any task for as many images as its recipe says; knows nothing of what the task's losses mean.

To resume, run the same command again. A run that is killed at any point and started again ends with the same weights
(on the CPU of one machine): every random number is a function of (seed, step), and a checkpoint holds all the rest.
"""

from __future__ import annotations

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

from ..errors import CheckpointError
from ..extras import require
from ..signature.fields import Role
from .data import sources
from .evaluation.pixel_metrics import drawn, quality
from .models import Task, family
from .networks.pixel_model import PixelModel
from .objectives.augment import AdaptiveTask
from .optim.ema import WeightEma
from .optim.optimizer_step import OptimizerStep
from .optim.schedule import learning_rate_factor
from .presets import resolve
from .recipe import Budget, Recipe
from .run.alarms import Alarms
from .run.best import BestSnapshot, needs_only_chance
from .run.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from .run.distributed import (
    average_over_processes,
    mean_over_processes,
    part_of_batch,
    processes_left,
    synchronised,
)
from .run.logging import ProgressBar, Statistics, StatisticsFile, comparison_grid, sample_grid, trackers
from .run.randomness import Draw, batch_indices, first_weights_seed
from .run.resume import alone, check_recipe, is_finished, write_recipe
from .run.snapshot import DataInfo, save_snapshot

__all__ = ["Training", "train"]

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
        TrainingError: training diverged or collapsed, or another process trains this run.
        CheckpointError: the run's checkpoint is damaged.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    recipe = resolve(preset, budget=budget, data=data, overrides=overrides)
    check_recipe(run, recipe)
    if is_finished(run):
        Console(stderr=True).print(f"{run} is finished: {recipe.preset}, {recipe.nimg} images; nothing to do")
        return run
    with processes_left():
        # Whatever does not fit shows while the networks are built, before anything is written.
        training = Training(run, recipe, progress=progress)
        with alone(run) if training.is_main else nullcontext():
            check_recipe(run, recipe)
            if training.is_main:
                write_recipe(run, recipe)
            training.run()
    return run


class Training:
    """One training in this process, from the run's checkpoint or from the start.

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
        # Without being told so, accelerate takes several processes on a machine without a GPU for strangers, and what
        # its own configuration says of precision would be done twice.
        self._accelerator = accelerate.Accelerator(
            cpu=not torch.accelerator.is_available(),
            mixed_precision="no",
            log_with=trackers(),
            project_dir=str(run),
        )
        self._device, self._processes = self._accelerator.device, self._accelerator.num_processes
        self._part = part_of_batch(recipe.batch, self._accelerator.process_index, self._processes)
        data = sources.load(recipe.data, resolution=recipe.resolution)
        if self.is_main:
            for note in data.notes:
                Console(stderr=True).print(f"{recipe.data}: {note}", markup=False, highlight=False)
        self._data, self._held_out = data.split()
        self._data_sha256 = self._data.sha256()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(first_weights_seed(recipe.seed))
            task = family(recipe.family).task.build(recipe, self._data)
        self._task = _placed(task, self._device)
        self._average = WeightEma(self._task.generator, recipe.ema_half_life_nimg)
        if self._processes > 1:
            synchronised(self._task)
        average = average_over_processes(self._processes)
        self._minimisers = {
            name: OptimizerStep(optimiser, recipe, self._device, average)
            for name, optimiser in self._task.optimisers().items()
        }
        self._selection = BestSnapshot(
            recipe, self._task, self._average, self._data, self._held_out, self._device
        )
        self._step, self._statistics, self._alarms = 0, Statistics(), Alarms(recipe)

    @property
    def nimg(self) -> int:
        """Images trained on so far."""
        return self._step * self._recipe.batch

    def run(self) -> None:
        """Go on from the run's checkpoint, train to the end and write the snapshot.

        Raises:
            CheckpointError: the checkpoint is damaged or of another dataset.
            TrainingError: an alarm was raised (`alarms`); the last checkpoint stays.
            KeyboardInterrupt: Ctrl-C, after a checkpoint was written.
        """
        self._restore(read_checkpoint(self._run))
        self._timer = (time.monotonic(), self._step)
        self._train()
        if self.is_main:
            self._finish()
        self._accelerator.wait_for_everyone()
        self._accelerator.end_training()

    def _train(self) -> None:
        recipe, total = self._recipe, self._recipe.steps * self._recipe.batch
        if self.is_main:
            self._lines = StatisticsFile(self._run / "stats.jsonl", self.nimg)
            self._accelerator.init_trackers("tensorboard")
        bar = ProgressBar.open(recipe.preset, self.nimg, total, shown=self._progress and self.is_main)
        with _interruptible() as interrupted, bar as shown:
            while self._step < recipe.steps and not self._selection.exhausted:
                stop = self._train_step(interrupted)
                shown.advance(recipe.batch)
                self._after_step()
                if stop:
                    self._save()
                    raise KeyboardInterrupt

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self._accelerator.is_main_process

    def _train_step(self, interrupted: threading.Event) -> bool:
        """Take one step; whether a process was interrupted."""
        recipe = self._recipe
        indices = batch_indices(recipe.seed, self._step, recipe.batch, len(self._data))[self._part]
        batch = self._data.batch(indices, self._device)
        draw = Draw(recipe.seed, self._step, recipe.batch, self._part, self._device)
        factor = learning_rate_factor(self.nimg, recipe)
        losses, dtype = self._task.losses(batch, draw), AUTOCAST.get(recipe.precision)
        scalars = {}
        while True:
            # Only what the task computes runs under autocast, not the way back.
            with torch.autocast(self._device.type, dtype, enabled=dtype is not None):
                minimise = next(losses, None)
            if minimise is None:
                break
            name, optimizer_step = minimise.optimiser, self._minimisers[minimise.optimiser]
            norm = optimizer_step.minimise(minimise.loss, factor)
            self._alarms.check_scale(name, optimizer_step.scale, self.nimg)
            scalars |= {f"{name}_loss": minimise.loss, **(minimise.statistics or {})}
            scalars |= {} if norm is None else {f"{name}_gradient": norm}
        self._step += 1
        self._average.update(self.nimg, recipe.batch)
        return self._record(scalars, interrupted)

    def _record(self, scalars: Mapping[str, Tensor], interrupted: threading.Event) -> bool:
        """Take in a step's scalars; whether a process was interrupted.

        All is averaged over the processes first, so that each sees the same signs and none waits for another.
        """
        values = torch.stack([scalar.detach().float() for scalar in scalars.values()])
        *means, stop = mean_over_processes(
            torch.cat((values, values.new_tensor([interrupted.is_set()]))), self._processes
        ).tolist()
        statistics = dict(zip(scalars, means, strict=True))
        self._alarms.check_step(statistics, self.nimg)
        self._statistics.add(statistics)
        if isinstance(self._task, AdaptiveTask):
            self._task.steer(statistics)
        return stop > 0

    def _after_step(self) -> None:
        recipe, last = self._recipe, self._step == self._recipe.steps
        if recipe.metric != "none" and (last or self._passed(recipe.metric_nimg)):
            # In every process, so that all of them stop at the same step.
            value = self._selection.measure(self.nimg)
            self._statistics.add({recipe.metric: value})
            last = last or self._selection.exhausted
        if last or self._passed(recipe.sample_nimg):
            self._sample()
        if last or self._passed(recipe.stats_nimg):
            self._alarms.check_weights(self._task, self.nimg)
            if self.is_main:
                self._write_line()
        if last or self._passed(recipe.checkpoint_nimg):
            self._save()

    def _sample(self) -> None:
        picture = self._picture()
        if self.is_main:
            path = self._run / f"samples/{self.nimg:010}.png"
            if picture.signature.field(Role.IMAGE) is None:
                sample_grid(path, picture, self._device, self._data.captions)
            else:
                comparison_grid(path, picture, self._device, self._held_out)
        if self._recipe.diversity_floor and needs_only_chance(picture.generator):
            diversity = drawn(picture, self._device).diversity(self._data)
            self._statistics.add({"diversity": diversity})
            self._alarms.check_diversity(diversity, self.nimg)

    def _passed(self, every_nimg: int) -> bool:
        return self.nimg // every_nimg > (self.nimg - self._recipe.batch) // every_nimg

    def _write_line(self) -> None:
        now, (before, step) = time.monotonic(), self._timer
        means = self._statistics.means()
        speed = (self._step - step) * self._recipe.batch / max(now - before, 1e-9)
        self._lines.append({"nimg": self.nimg, **means, "images_per_second": round(speed, 1)})
        self._accelerator.log(means, step=self.nimg)
        self._timer = (now, self._step)

    def _picture(self) -> PixelModel:
        generator = self._average.generator
        return PixelModel(generator, generator.signature(self._data.class_names)).eval()

    def _save(self) -> None:
        self._alarms.check_weights(self._task, self.nimg)
        if not self.is_main:
            return
        state = Checkpoint(
            step=self._step,
            data_sha256=self._data_sha256,
            task=self._task.state_dict(),
            average=self._average.generator.state_dict(),
            optimisers={
                name: optimizer_step.state_dict() for name, optimizer_step in self._minimisers.items()
            },
            statistics=self._statistics.sums,
            scalers={
                name: optimizer_step.scaler_state_dict() for name, optimizer_step in self._minimisers.items()
            },
            selection=self._selection.state_dict(),
            signs=self._alarms.since,
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
        for name, optimizer_step in self._minimisers.items():
            optimizer_step.load_state_dict(checkpoint.optimisers[name], checkpoint.scalers.get(name, {}))
        self._selection.load_state_dict(checkpoint.selection)
        self._step, self._statistics = checkpoint.step, Statistics(checkpoint.statistics)
        self._alarms = Alarms(self._recipe, checkpoint.signs)

    def _finish(self) -> None:
        dataset, nimg, figures = self._data, self.nimg, {}
        if (best := self._selection.best) is not None:
            nimg, value, weights = best
            self._average.generator.load_state_dict(weights)
            figures = {self._recipe.metric: round(value, 4)}
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
            nimg=nimg,
            quality={**figures, **quality(self._picture(), dataset, self._device, self._held_out)},
        )


def _placed(task: Task, device: torch.device) -> Task:
    # Channels last is the layout that convolutions on CPUs and tensor cores work in.
    for parameter in task.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return task.to(device).train()


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
