"""The training loop, for the task of any family.

To resume, run the same command again. A run that is killed at any point and started again ends with the same weights
(on the CPU of one machine): every random number is a function of (seed, step), and a checkpoint holds all other state.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from contextlib import closing, nullcontext
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from .._version import __version__
from ..errors import CheckpointError
from ..signature.fields import Role
from .data import sources
from .data.batches import Share
from .metrics.pixels import draw_samples, quality
from .models import Task, family
from .networks.pixel_model import PixelModel
from .optim.ema import WeightEma
from .optim.optimizer_step import OptimizerStep
from .optim.schedule import learning_rate_factor
from .presets import resolve
from .randomness import Draw, first_weights_seed
from .recipe import Budget, Recipe
from .run.alarms import Alarms
from .run.best import BestSnapshot, can_draw_samples
from .run.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from .run.distributed import (
    Layout,
    Parallel,
    check_agreement,
    gradient_averaging,
    join_process_group,
    leave_process_group,
    mean_over_processes,
    micro_batches,
    synchronise_batch_norm,
)
from .run.interruption import interruptible, one_line_for_a_lost_process
from .run.logging import Statistics, StatisticsLog, comparison_grid, progress_bar, sample_grid
from .run.resume import check_recipe, check_run, exclusive_run, is_finished, write_recipe
from .run.sharding import check_shardable, shard, whole_generator
from .run.snapshot import DataInfo, save_snapshot
from .run.turns import check_parts, take_turns

__all__ = ["Training", "train"]

_logger = logging.getLogger(__name__)

_USUAL = Layout()

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def train(  # noqa: PLR0913 - a verb
    preset: str,
    *,
    run: Path | str,
    budget: Budget = "gpu",
    data: str | None = None,
    overrides: Mapping[str, str] | None = None,
    progress: bool = True,
    parallel: Parallel = "ddp",
    micro_batch: int = 0,
) -> Path:
    """Train a preset into a run's directory; resume an interrupted run, and leave a finished one alone.

        >>> small = {"nimg": "256", "width": "8", "discriminator_width": "8"}
        >>> train_model("cgan-digits", run="runs/small", overrides=small)
        PosixPath('runs/small')

    Args:
        preset: a name in `presets.PRESETS`.
        run: the run's directory; it is created if needed.
        budget: size of the preset, one of `recipe.BUDGETS`.
        data: training data, instead of the preset's.
        overrides: recipe key -> value as text.
        progress: show a progress bar if standard error is a terminal.
        parallel: what several processes share, under torchrun: "ddp" the batch, "fsdp" the weights too. Runs can be
            resumed with either.
        micro_batch: most images of one forward pass; a larger share of the batch is computed in parts, whose gradients
            are added up. 0 computes it at once.

    Returns:
        `run`, which now holds a finished snapshot.

    Raises:
        UsageError: preset, data, a key or a value is not allowed, or the run was started with another recipe.
        TrainingError: training diverged or collapsed, another process trains this run, or one of several processes was
            lost.
        CheckpointError: the run's checkpoint is damaged.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the run can be resumed.
    """
    run = Path(run)
    recipe = resolve(preset, budget=budget, data=data, overrides=overrides)
    check_run(run, recipe)
    with leave_process_group():
        process, finished = join_process_group(), is_finished(run)
        state = {"litho": __version__, "recipe": recipe.model_dump_json(), "finished": finished}
        check_agreement(process, state, run)
        if finished:
            if process.is_main:
                Console(stderr=True).print(
                    f"{run} is finished: {recipe.preset}, {recipe.nimg} images; nothing to do"
                )
            return run
        # Building the networks raises the errors of a recipe before anything is written.
        training = Training(run, recipe, Layout(parallel, micro_batch), progress=progress)
        with exclusive_run(run) if training.is_main else nullcontext(), one_line_for_a_lost_process(run):
            check_recipe(run, recipe)
            if training.is_main:
                write_recipe(run, recipe)
            training.run()
    return run


class Training:
    """One training in this process, from the run's checkpoint or from the start.

    Args:
        run: the run's directory.
        recipe: the resolved recipe.
        layout: over processes and forward passes.
        progress: show a progress bar if standard error is a terminal.

    Raises:
        UsageError: the recipe does not fit the data, the layout or the number of processes.
    """

    def __init__(self, run: Path, recipe: Recipe, layout: Layout = _USUAL, *, progress: bool = True) -> None:
        self._run, self._recipe, self._progress = run, recipe, progress
        self._process = join_process_group()
        self._device, self._processes = self._process.device, self._process.count
        self._parts = micro_batches(recipe.batch, self._process.rank, self._processes, layout.micro_batch)
        if layout.parallel == "fsdp":
            check_shardable(recipe, self._process)
        data = sources.load(recipe.data, resolution=recipe.resolution)
        if self.is_main:
            for note in data.notes:
                Console(stderr=True).print(f"{recipe.data}: {note}", markup=False, highlight=False)
        self._data, self._held_out = data.split()
        self._data_sha256 = self._data.sha256()
        share = slice(self._parts[0].start, self._parts[-1].stop)
        self._batches = self._data.batches(
            Share(recipe.seed, recipe.batch, share, self._device, recipe.shuffle_nimg)
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(first_weights_seed(recipe.seed))
            task = family(recipe.family).task.build(recipe, self._data)
        self._task = _to_device(task, self._device)
        check_parts(self._task, len(self._parts))
        self._task.keeps_activations = len(self._parts) == 1
        self._average = WeightEma(self._task.generator, recipe.ema_half_life_nimg)
        if self._processes > 1:
            synchronise_batch_norm(self._task)
        average = gradient_averaging(self._processes)
        self._mesh = None
        if layout.parallel == "fsdp":
            self._mesh = shard(self._process, self._task.generator, self._average.generator)
            average = None  # shards are averaged in the backward pass
        self._optimizer_steps = {
            name: OptimizerStep(optimizer, recipe, self._device, average)
            for name, optimizer in self._task.optimizers().items()
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
        """Continue from the run's checkpoint, train to the end and write the snapshot.

        Raises:
            CheckpointError: the checkpoint is damaged or of another dataset.
            TrainingError: an alarm stopped the training (`run.alarms`); the last checkpoint stays.
            KeyboardInterrupt: Ctrl-C or SIGTERM, after a checkpoint was written.
        """
        if self.is_main and self._data.stream is not None:
            self._data.stream.check_unchanged(self._run)
        checkpoint = read_checkpoint(self._run, self._mesh)
        step = 0 if checkpoint is None else checkpoint.step
        check_agreement(self._process, {"data": self._data_sha256, "step": step}, self._run)
        self._restore(checkpoint)
        self._timer = (time.monotonic(), self._step)
        with closing(self._batches):
            self._train()
        self._finish()
        self._process.wait_for_all()

    def _train(self) -> None:
        recipe, total = self._recipe, self._recipe.steps * self._recipe.batch
        log = StatisticsLog(self._run, self.nimg) if self.is_main else None
        bar = progress_bar(recipe.preset, self.nimg, total, shown=self._progress and self.is_main)
        with interruptible(self._process) as interrupted, bar as advance:
            while self._step < recipe.steps and not self._selection.exhausted:
                stop = self._train_step(interrupted)
                advance(recipe.batch)
                self._after_step(log)
                if stop:
                    self._save()
                    raise KeyboardInterrupt
        if log is not None:
            log.close()

    @property
    def is_main(self) -> bool:
        """Whether this process writes the run's files."""
        return self._process.is_main

    def _train_step(self, interrupted: threading.Event) -> bool:
        """Take one step. Returns whether a process was interrupted."""
        recipe, step = self._recipe, self._step
        batch, turns = self._batches.at(step), []
        for part in self._parts:
            draw = Draw(recipe.seed, step, recipe.batch, part, self._device)
            own = slice(part.start - self._parts[0].start, part.stop - self._parts[0].start)
            weight = (part.stop - part.start) * self._processes / recipe.batch
            turns.append((self._task.losses(batch.part(own), draw), weight))
        factor, scalars = learning_rate_factor(self.nimg, recipe), {}
        dtype = AUTOCAST.get(recipe.precision)
        for name, statistics in take_turns(self._task, turns, self._optimizer_steps, factor, dtype):
            self._alarms.check_scale(name, self._optimizer_steps[name].scale, self.nimg)
            scalars |= statistics
        self._step += 1
        self._average.update(self.nimg, recipe.batch)
        return self._record(scalars, interrupted)

    def _record(self, scalars: Mapping[str, Tensor], interrupted: threading.Event) -> bool:
        """Record the scalars of a step. Returns whether a process was interrupted.

        Scalars are averaged over the processes first, so that all raise the same alarms at the same step.
        """
        values = torch.stack([scalar.detach().float() for scalar in scalars.values()])
        *means, stop = mean_over_processes(
            torch.cat((values, values.new_tensor([interrupted.is_set()]))), self._processes
        ).tolist()
        statistics = dict(zip(scalars, means, strict=True))
        self._alarms.check_step(statistics, self.nimg)
        self._statistics.add(statistics)
        self._task.adapt(statistics)
        return stop > 0

    def _after_step(self, log: StatisticsLog | None) -> None:
        recipe, last = self._recipe, self._step == self._recipe.steps
        if recipe.metric != "none" and (last or self._passed(recipe.metric_nimg)):
            # In every process, so that all stop at the same step.
            value = self._selection.measure(self.nimg)
            self._statistics.add({recipe.metric: value})
            last = last or self._selection.exhausted
        if last or self._passed(recipe.sample_nimg):
            self._sample()
        if last or self._passed(recipe.stats_nimg):
            self._alarms.check_weights(self._task, self.nimg)
            if log is not None:
                self._write_line(log)
        if last or self._passed(recipe.checkpoint_nimg):
            self._save()

    def _sample(self) -> None:
        model = self._pixel_model()
        if self.is_main:
            path = self._run / f"samples/{self.nimg:010}.png"
            if model.signature.field(Role.IMAGE) is None:
                sample_grid(path, model, self._device, self._data.captions)
            else:
                comparison_grid(path, model, self._device, self._held_out)
        if self._recipe.diversity_floor and can_draw_samples(model.generator):
            diversity = draw_samples(model, self._device).diversity(self._data)
            self._statistics.add({"diversity": diversity})
            self._alarms.check_diversity(diversity, self.nimg)

    def _passed(self, every_nimg: int) -> bool:
        return self.nimg // every_nimg > (self.nimg - self._recipe.batch) // every_nimg

    def _write_line(self, log: StatisticsLog) -> None:
        now, (before, step) = time.monotonic(), self._timer
        means = self._statistics.means()
        speed = (self._step - step) * self._recipe.batch / max(now - before, 1e-9)
        log.append(self.nimg, {**means, "images_per_second": round(speed, 1)})
        _logger.info("%.0f images of %.0f, %.0f images/s", self.nimg, self._recipe.nimg, speed)
        self._timer = (now, self._step)

    def _pixel_model(self) -> PixelModel:
        generator = whole_generator(self._average.generator, self._recipe, self._device)
        return PixelModel(generator, generator.signature(self._data.class_names)).eval()

    def _save(self) -> None:
        self._alarms.check_weights(self._task, self.nimg)
        state = Checkpoint(
            step=self._step,
            data_sha256=self._data_sha256,
            task=self._task.state_dict(),
            average=self._average.generator.state_dict(),
            optimisers={
                name: optimizer_step.state_dict() for name, optimizer_step in self._optimizer_steps.items()
            },
            statistics=self._statistics.sums,
            scalers={
                name: optimizer_step.scaler_state_dict()
                for name, optimizer_step in self._optimizer_steps.items()
            },
            selection=self._selection.state_dict(),
            signs=self._alarms.since,
        )
        write_checkpoint(self._run, state, self._process)

    def _restore(self, checkpoint: Checkpoint | None) -> None:
        if checkpoint is None:
            return
        if checkpoint.data_sha256 != self._data_sha256:
            raise CheckpointError(
                f"{self._run} was trained on other images than {self._recipe.data!r} has now; give another --run"
            )
        self._task.load_state_dict(checkpoint.task)
        self._average.generator.load_state_dict(checkpoint.average)
        for name, optimizer_step in self._optimizer_steps.items():
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
        model = self._pixel_model()
        if not self.is_main:
            return
        save_snapshot(
            self._run,
            model.generator,
            family=self._recipe.family,
            preset=self._recipe.preset,
            data=DataInfo(
                name=dataset.name,
                count=dataset.count,
                licence=dataset.licence,
                class_names=dataset.class_names,
            ),
            nimg=nimg,
            quality={**figures, **quality(model, dataset, self._device, self._held_out)},
        )


def _to_device(task: Task, device: torch.device) -> Task:
    # CPUs and tensor cores compute convolutions in the channels-last layout.
    for parameter in task.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return task.to(device).train()
