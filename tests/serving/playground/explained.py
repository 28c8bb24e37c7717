"""A small explanation, written by hand: what the view that explains is tested with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from litho.bundle.explanation import (
    DOCUMENT_PATH,
    FOLDER as FOLDER,
    Alternative,
    Attribution,
    Cause,
    Direction,
    Example,
    Explanation,
    LabelEntry,
    StartingPoint,
)
from litho.signature.noise import gaussian

SIDE = 32
SEED = 7
LATENT_SIZE = 64


def explanation(weights_sha256: str) -> Explanation:
    """An explanation of a label by both methods, of a prompt, of a source, and a direction of latent space."""
    label = Example(
        name="label-3",
        kind="label",
        inputs={"seed": 0, "label": 3},
        made="made.png",
        attributions=(
            Attribution(
                method="occlusion",
                without="all other labels",
                causes=(
                    Cause(name="label", share=0.75, change=30.0, map="map.png"),
                    Cause(name="seed", share=0.25, change=10.0, map="map.png"),
                ),
                full_scale=80.0,
                alternatives=(
                    Alternative(value=5, name="5", change=22.0),
                    Alternative(value=8, name="8", change=14.5),
                ),
            ),
            Attribution(
                method="integrated-gradients",
                without="the mean of all labels",
                causes=(Cause(name="label", share=1.1), Cause(name="seed", share=-0.15)),
                remainder=0.05,
                entries=(LabelEntry(layer="embedding", share=0.9),),
            ),
        ),
    )
    words = Example(
        name="words-0",
        kind="words",
        inputs={"seed": 1, "prompt": "a red circle"},
        made="made.png",
        attributions=(
            Attribution(
                method="occlusion",
                without="the prompt without the word",
                causes=(
                    Cause(name="a", span=(0, 1), share=0.1, change=1.0, map="map.png"),
                    Cause(name="red", span=(2, 5), share=0.6, change=9.0, map="map.png"),
                    Cause(name="circle", span=(6, 12), share=0.3, change=4.0, map="map.png"),
                ),
            ),
        ),
    )
    source = Example(
        name="source-0",
        kind="source",
        inputs={},
        images={"source": "made.png", "mask": "mask.png"},
        made="made.png",
        attributions=(
            Attribution(
                method="occlusion",
                without="the mean colour of the source",
                causes=tuple(
                    Cause(
                        name=f"row {row}", region=(row, 0, row + 1, SIDE), share=row / 45, change=float(row)
                    )
                    for row in range(10)
                ),
                heat="map.png",
                inside=0.8,
            ),
        ),
    )
    latent = gaussian(np.array([SEED]), LATENT_SIZE)[0]
    vector = np.eye(LATENT_SIZE)[0]
    direction = Direction(
        name="sefa-1",
        method="sefa",
        vector=tuple(vector),
        weight=0.12,
        amounts=(-3.0, 0.0, 3.0),
        change=30.0,
        random_change=12.0,
        label_kept=0.95,
        describes="slant",
        strip="strip.png",
    )
    return Explanation(
        family="cgan",
        weights_sha256=weights_sha256,
        data="digits",
        picture=(SIDE, SIDE, 1),
        captum="0.9.0",
        examples=(label, words, source),
        starting_points=(
            StartingPoint(
                seed=SEED, label=3, latent=tuple(float(value) for value in latent), made="made.png"
            ),
        ),
        directions=(direction,),
        notes=("nothing else",),
    )


def write_explanation(folder: Path, weights_sha256: str) -> None:
    """Write the explanation and its pictures into a run, as an evaluation does."""
    (folder / FOLDER).mkdir()
    document = explanation(weights_sha256)
    (folder / DOCUMENT_PATH).write_text(json.dumps(document.model_dump(mode="json")))
    ramp = np.linspace(0, 255, SIDE * SIDE).astype(np.uint8).reshape(SIDE, SIDE)
    for name, pixels in {
        "made.png": ramp,
        "map.png": ramp.T,
        "mask.png": ramp // 255 * 255,
        "strip.png": np.tile(ramp, 3),
    }.items():
        Image.fromarray(pixels).save(folder / FOLDER / name)
