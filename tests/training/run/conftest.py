"""Trainings by several processes, all of one number in one launch: to start a process takes longer than to train."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from litho.training.presets import resolve

from ...once import made_once
from ...smallest import smallest_recipe

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from litho.errors import LithoError
from litho.training import loop
from litho.training.data import dataset

rank, attempt = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
original = dataset.batch_indices
for training in json.loads(Path(sys.argv[1]).read_text()):
    keywords, killed_at = training["keywords"], training["killed_at"]

    def indices(seed, step, batch, count):
        if step == killed_at and (rank, attempt) == (1, 0):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(seed, step, batch, count)

    dataset.batch_indices = indices
    keywords["run"] = keywords["run"].format(rank=rank)
    try:
        loop.train(progress=False, **keywords)
    except LithoError as error:
        if not training["fails"]:
            raise
        Path(keywords["run"] + f"-error-{rank}").write_text(str(error))
"""

KEYS = {
    "data": "digits",
    "resolution": 16,
    "nimg": 160,
    "ema_half_life_nimg": 64,
    "stats_nimg": 16,
    "checkpoint_nimg": 64,
}
"""Ten steps of sixteen images."""

FLOW = {**KEYS, "data": None, "width": 16, "text_depth": 1, "clip_norm": 1}
"""Its data is the folder that the training is given."""


@dataclass(frozen=True)
class Training:
    """One training: its preset, recipe keys, and other arguments of `train`."""

    preset: str
    keys: dict[str, Any]
    others: dict[str, Any]

    def keywords(self, run: Path | str, captioned: Path | None = None) -> dict[str, Any]:
        """Arguments of `train`; `captioned` is the folder of pictures with captions that a flow learns from."""
        keys = self.keys if self.keys["data"] else {**self.keys, "data": captioned}
        overrides = smallest_recipe(resolve(self.preset).family, **keys)
        return {"preset": self.preset, "run": str(run), "overrides": overrides, **self.others}


TRAININGS = {
    "no normalisation": Training("vae-mnist", KEYS, {}),
    "batch normalisation and R1": Training("cgan-digits", {**KEYS, "r1_gamma": 1, "penalty_every": 1}, {}),
    "augmentation and clipping": Training(
        "gan-mnist",
        {
            **KEYS,
            # A pairwise loss leaves the mean of all logits open: Adam would divide its rounding by itself.
            "loss": "non-saturating",
            "augment": "colour,cutout",
            "augment_target": 0.5,
            "clip_norm": 1,
        },
        {},
    ),
    "uneven shares": Training("vae-mnist", {**KEYS, "batch": 17, "nimg": 170, "stats_nimg": 17}, {}),
    "flow": Training("flow-shapes", FLOW, {}),
    "sharded flow": Training("flow-shapes", FLOW, {"parallel": "fsdp"}),
    "sharded flow in parts": Training("flow-shapes", FLOW, {"parallel": "fsdp", "micro_batch": 3}),
}


class Launch:
    """Trainings of one launch of torchrun; each has a run of its name."""

    def __init__(self, folder: Path, processes: int, captioned: Path) -> None:
        self.folder, self._processes, self._captioned = folder, processes, captioned
        self._trainings: list[dict[str, Any]] = []

    def add(self, training: Training, run: str, *, killed_at: int | None = None, fails: bool = False) -> None:
        keywords = training.keywords(self.folder / run, self._captioned)
        self._trainings.append({"keywords": keywords, "killed_at": killed_at, "fails": fails})

    def run(self, *, restarts: int = 0) -> str:
        """Train; the end is the standard error of all processes."""
        (self.folder / "trainings.json").write_text(json.dumps(self._trainings))
        (self.folder / "program.py").write_text(PROGRAM)
        launch = ["--standalone", "--nproc-per-node", str(self._processes), "--max-restarts", str(restarts)]
        # A process that lost another has a second to say so before it is ended, too.
        launch += ["--monitor-interval", "1"]
        done = subprocess.run(
            [
                sys.executable, "-m", "torch.distributed.run", *launch,
                str(self.folder / "program.py"), str(self.folder / "trainings.json"),
            ],
            capture_output=True,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            check=False,
            timeout=1200,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stderr


def unfinished(run: Path, copy: Path) -> Path:
    """A copy of a run as it was at its last checkpoint."""
    copytree(run, copy)
    (copy / "snapshot.json").unlink()
    return copy


@pytest.fixture(scope="session")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 64 pictures with captions: `shapes` draws 44,000 in every process and every training."""
    import numpy as np
    from PIL import Image

    from litho.training.data.scenes import OBJECTS, arrange, draw
    from litho.training.data.sources.shapes import scenes

    def make(folder: Path) -> None:
        chances, lines = np.random.default_rng(0).random((64, 4)), []
        for number, scene in enumerate(scenes(OBJECTS, OBJECTS, 64, seed=0)):
            picture = Image.fromarray(draw(scene, arrange(scene, chances[number].tolist())))
            picture.save(folder / f"{number}.png")
            lines.append(json.dumps({"file_name": f"{number}.png", "text": scene.caption}))
        (folder / "metadata.jsonl").write_text("\n".join(lines))

    return made_once(tmp_path_factory, "captioned", make)


@pytest.fixture(scope="session")
def by_two(tmp_path_factory: pytest.TempPathFactory, captioned: Path) -> tuple[Path, str]:
    """Folder of the runs that two processes trained, and what they wrote to standard error.

    One of them was killed in step 6 of the run "killed"; the processes were then started again.
    """

    def make(folder: Path) -> None:
        launch = Launch(folder, 2, captioned)
        for name, training in TRAININGS.items():
            launch.add(training, name)
        launch.add(TRAININGS["sharded flow"], "killed", killed_at=6)
        (folder / "errors.txt").write_text(launch.run(restarts=1))

    folder = made_once(tmp_path_factory, "two", make)
    return folder, (folder / "errors.txt").read_text()


@pytest.fixture(scope="session")
def by_four(tmp_path_factory: pytest.TempPathFactory, by_two: tuple[Path, str], captioned: Path) -> Path:
    """Folder of the runs that four processes trained, or continued from those of two."""

    def make(folder: Path) -> None:
        launch = Launch(folder, 4, captioned)
        for name in ("batch normalisation and R1", "sharded flow"):
            launch.add(TRAININGS[name], name)
        for source in ("flow", "killed"):
            unfinished(by_two[0] / source, folder / f"{source} continued")
            launch.add(TRAININGS["sharded flow"], f"{source} continued")
        # Only process 0 sees a checkpoint.
        unfinished(by_two[0] / "no normalisation", folder / "apart0")
        launch.add(TRAININGS["no normalisation"], "apart{rank}", fails=True)
        launch.run()

    return made_once(tmp_path_factory, "four", make)


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory, captioned: Path) -> Path:
    """Folder of the same runs, trained by this process."""
    from litho.training.loop import train

    def make(folder: Path) -> None:
        for name, training in TRAININGS.items():
            if not training.others:
                train(progress=False, **training.keywords(folder / name, captioned))

    return made_once(tmp_path_factory, "one", make)
