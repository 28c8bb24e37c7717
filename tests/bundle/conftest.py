"""A bundle of made-up files."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.bundle import create_bundle
from litho.bundle.manifest import Stage, Variant, Verdict
from litho.bundle.probes import Probes
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field

SIGNATURE = Signature(inputs=(seed_field(),), output=image_output(4, 4, 1))
GRAPH = "graphs/generator.fp32.onnx"


def make(path: Path, **overrides: Any) -> Path:
    with create_bundle(path) as writer:
        writer.add(GRAPH, b"a graph")
        writer.add("probes.safetensors", probes().to_bytes())
        writer.finish(
            **{
                "name": "tiny",
                "family": "gan",
                "signature": SIGNATURE,
                "stages": (Stage(name="generator", signature=SIGNATURE),),
                "variants": (variant(),),
                "checkpoint_sha256": "0" * 64,
                "environment": {},
                **overrides,
            }
        )
    return path


def probes() -> Probes:
    return Probes({"seed": np.arange(3, dtype=np.int64)}, np.zeros((3, 4, 4, 1), np.uint8))


def variant(file: str = GRAPH) -> Variant:
    return Variant(
        name="generator.fp32.onnx",
        stage="generator",
        precision="fp32",
        runtime="onnxruntime",
        file=file,
        batches=(1, 8, 64),
        verdict=Verdict(status="passed"),
    )


def edit(path: Path, **changes: Any) -> None:
    manifest = path / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **changes}))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return make(tmp_path / "bundle")


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths of the files that Python opens during the test."""
    paths: list[str] = []
    recording = True

    def record(event: str, arguments: tuple[Any, ...]) -> None:
        if recording and event == "open":
            paths.append(str(arguments[0]))

    sys.addaudithook(record)  # a hook stays for good, so it is switched off
    yield paths
    recording = False
