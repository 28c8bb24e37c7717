"""Trainings of several processes against the same by one: `python -m litho.benchmarks.distributed_training`.

Each family is trained with the same global batch by one process and by several, with whole and with sharded weights,
at once and in parts. The statistics of all steps are compared: they differ only by the order in which floats are
added.
Then a process of a sharded training is killed with SIGKILL; the launcher starts all again, and the weights must be
those of a training that nobody killed, bit for bit. Written to `results/distributed-training.json`.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ...errors import LithoError, TrainingError
from ...files import sha256
from ..shared.command import RESULTS, Output, errors_of, whole_numbers, write_document
from ..shared.machine import describe_machine
from .documents import DistributedTraining, Kill, Training, table

__all__ = ["main", "measure"]

RESULT = RESULTS / "distributed-training.json"
BATCH, FIRST_STEPS = 24, 5
LONGEST_S = 900

COMMON = {
    "batch": BATCH, "resolution": 16, "precision": "fp32", "ema_half_life_nimg": 64, "stats_nimg": BATCH,
    "lr_rise_nimg": 0, "decay_nimg": 0,
}  # fmt: skip
KEYS: dict[str, dict[str, Any]] = {
    "vae-mnist": {"data": "digits", "width": 16, "blocks": 1, "latent_size": 16},
    "cgan-digits": {"width": 16, "discriminator_width": 16, "r1_gamma": 1, "penalty_every": 1},
    "flow-shapes": {
        "width": 64, "depth": 3, "text_depth": 1, "vocabulary": 300, "token_count": 8, "clip_norm": 1,
    },
}  # fmt: skip
LAYOUTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("vae-mnist", {}),
    ("vae-mnist", {"micro_batch": 3}),
    ("cgan-digits", {}),
    ("flow-shapes", {}),
    ("flow-shapes", {"parallel": "fsdp"}),
    ("flow-shapes", {"parallel": "fsdp", "micro_batch": 3}),
)


def measure(processes: list[int], steps: int = 12) -> DistributedTraining:
    """Train alone and together, compare, and kill.

    Args:
        processes: numbers of processes; one of the first number is killed.
        steps: of each training.

    Raises:
        TrainingError: a training failed.
    """
    with tempfile.TemporaryDirectory(prefix="distributed-training-") as temporary:
        folder = Path(temporary)
        for count in (1, *processes):
            plan = [
                _training(folder / f"{count}/{number}", preset, steps, **layout)
                for number, (preset, layout) in enumerate(LAYOUTS)
                if count > 1 or not layout
            ]
            _launch(folder / f"{count}.json", plan, count).communicate()
        found = [
            _compare(folder, number, count, steps) for count in processes for number in range(len(LAYOUTS))
        ]
        kill = _kill(folder, processes[0])
    return DistributedTraining(trainings=tuple(found), kill=kill, machine=describe_machine())


def _training(run: Path, preset: str, steps: int, **others: Any) -> dict[str, Any]:
    keys = {**COMMON, **KEYS[preset], "nimg": steps * BATCH, "checkpoint_nimg": 4 * BATCH}
    overrides = {key: str(value) for key, value in keys.items()}
    return {"preset": preset, "run": str(run), "overrides": overrides, "progress": False, **others}


def _launch(plan: Path, trainings: list[dict[str, Any]], processes: int) -> subprocess.Popen[bytes]:
    plan.write_text(json.dumps(trainings))
    launcher = [
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
        "--max-restarts",
        "1",
    ]
    worker = ["litho.benchmarks.distributed_training", "--trainings", str(plan)]
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "-m", "--", *worker],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _lines(run: Path) -> list[dict[str, float]]:
    path = run / "stats.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _compare(folder: Path, number: int, processes: int, steps: int) -> Training:
    preset, layout = LAYOUTS[number]
    alone = next(index for index, (name, _) in enumerate(LAYOUTS) if name == preset)
    one, several = _lines(folder / f"1/{alone}"), _lines(folder / f"{processes}/{number}")
    if not len(one) == len(several) == steps:
        raise TrainingError(f"{preset} has {len(one)} and {len(several)} steps; expected {steps}")
    apart = [
        max(
            abs(expected[name] - found[name]) / max(abs(expected[name]), 1e-3)
            for name in expected
            if name != "images_per_second"
        )
        for expected, found in zip(one, several, strict=True)
    ]
    return Training(
        preset=preset,
        parallel=layout.get("parallel", "ddp"),
        micro_batch=layout.get("micro_batch", 0),
        processes=processes,
        steps=steps,
        at_first=max(apart[:FIRST_STEPS]),
        at_last=max(apart),
        images_per_second=round(statistics.median(line["images_per_second"] for line in several[1:]), 1),
    )


def _kill(folder: Path, processes: int) -> Kill:
    import psutil

    runs = {name: folder / name for name in ("whole", "killed")}
    steps = 40
    plans = {name: [_training(run, "flow-shapes", steps, parallel="fsdp")] for name, run in runs.items()}
    _launch(folder / "whole.json", plans["whole"], processes).communicate()
    launcher = _launch(folder / "killed.json", plans["killed"], processes)
    try:
        _wait(launcher, lambda: len(_lines(runs["killed"])) > steps // 4)
        os.kill(psutil.Process(launcher.pid).children()[-1].pid, signal.SIGKILL)
        killed, seen = time.monotonic(), _lines(runs["killed"])[-1]["nimg"]
        _wait(launcher, lambda: _lines(runs["killed"])[-1]["nimg"] > seen)
        lost = time.monotonic() - killed
        launcher.communicate(timeout=LONGEST_S)
    finally:
        launcher.terminate()
        launcher.wait()
    hashes = {name: sha256(run / "snapshot.safetensors") for name, run in runs.items()}
    return Kill(
        processes=processes,
        killed_at_nimg=int(seen),
        continued_at_nimg=int(seen) // (4 * BATCH) * 4 * BATCH,
        lost_seconds=round(lost, 1),
        same_weights=hashes["whole"] == hashes["killed"],
    )


def _wait(launcher: subprocess.Popen[bytes], ready: Any) -> None:
    start = time.monotonic()
    while not ready():
        if launcher.poll() is not None:
            raise TrainingError("the training ended before its process was killed; give more --steps")
        if time.monotonic() - start > LONGEST_S:
            raise TrainingError(f"the training did not get on within {LONGEST_S} s")
        time.sleep(0.01)


def main(
    processes: Annotated[str, typer.Option(help="Numbers of processes.")] = "2,4",
    steps: Annotated[int, typer.Option(min=FIRST_STEPS, help="Steps of each training.")] = 12,
    output: Output = RESULT,
    trainings: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Compare trainings of several processes with those of one, and kill one of them."""
    if trainings is not None:
        _work(trainings)
        return
    with errors_of("distributed_training", output):
        result = measure(whole_numbers(processes, "--processes"), steps)
        write_document(output, result)
        typer.echo("\n".join(table(result)))
        if result.problems:
            raise LithoError("; ".join(result.problems))


def _work(plan: Path) -> None:
    """What each process of a launch does."""
    from ...training.loop import train

    for training in json.loads(plan.read_text()):
        train(**training)
