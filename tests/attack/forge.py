"""A forger's tools: bundles that were changed and hashed again, so that every hash in them is right."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from litho.bundle import Bundle, create_bundle
from litho.bundle.probes import PROBES_NAME, Probes
from litho.runners import open_runner


def forge(bundle: Path, to: Path, files: Mapping[str, bytes] = {}, **manifest: Any) -> Path:
    """A bundle with other files and another manifest, each file listed with its new hash."""
    loaded = Bundle.load(bundle)
    fields = loaded.manifest.model_dump(exclude={"files", "schema_version"})
    with create_bundle(to) as writer:
        for name in loaded.manifest.files:
            writer.add(name, files.get(name, loaded.read(name)))
        writer.finish(**{**fields, **manifest})
    return to


def with_verdict(bundle: Path, **verdict: Any) -> tuple[Any, ...]:
    """The variants of a bundle with an edited verdict."""
    return tuple(
        variant.model_copy(update={"verdict": variant.verdict.model_copy(update=verdict)})
        for variant in Bundle.load(bundle).manifest.variants
    )


def other_graph(bundle: Path) -> dict[str, bytes]:
    """The first graph, which paints other pictures: path -> content."""
    loaded = Bundle.load(bundle)
    file = loaded.manifest.variants[0].file
    model = onnx.load_from_string(loaded.read(file))
    weights = max(
        (tensor for tensor in model.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT),
        key=lambda tensor: len(tensor.raw_data),
    )
    weights.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weights), weights.name))
    return {file: model.SerializeToString()}


def probes_that_fit(bundle: Path) -> dict[str, bytes]:
    """Probes whose pictures are those of the bundle's own graph, as a forger makes them: path -> content."""
    loaded = Bundle.load(bundle)
    probes = loaded.probes()
    with open_runner(loaded, loaded.manifest.variants[0].name) as runner:
        pictures = runner.run(probes.inputs)[runner.signature.output.name]
    return {PROBES_NAME: Probes(probes.inputs, np.ascontiguousarray(pictures), probes.others).to_bytes()}


def one_probe(bundle: Path) -> dict[str, bytes]:
    """The bank of probes, cut to the first: path -> content."""
    return {PROBES_NAME: Bundle.load(bundle).probes().first(1).to_bytes()}


def usual_probes_alone(bundle: Path) -> dict[str, bytes]:
    """The usual probes without further banks: path -> content."""
    return {PROBES_NAME: replace(Bundle.load(bundle).probes(), others=()).to_bytes()}


def same_probes(bundle: Path) -> dict[str, bytes]:
    """As many probes as there were, all of them the first: path -> content."""
    probes = Bundle.load(bundle).probes()
    first = probes.chosen([0] * len(probes.images))
    return {PROBES_NAME: replace(first, others=probes.others).to_bytes()}


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
