"""Every family by the whole line: trained for a few steps, exported, deployed beside all the others, and served."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from litho.bundle import Bundle
from litho.bundle.manifest import Variant
from litho.export.build import export
from litho.export.engines import build_engine
from litho.export.engines.readback import check_precisions
from litho.export.passes import apply_passes
from litho.export.precisions import precision
from litho.parity.gate import Replay, judge
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.runners.base import runner_class
from litho.serving.clients.client import Client
from litho.serving.configuration.settings import ServingSettings
from litho.serving.control.server_control import ServerControl
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install
from litho.training.loop import train
from litho.training.models import family_names

from .smallest import smallest_generator, smallest_recipe

pytestmark = pytest.mark.slow


def _cases() -> Iterator[tuple[str, str, str]]:
    """Family, kind of input and model name of every exported form; nobody serves walks through the latent space."""
    for name in family_names():
        generator = smallest_generator(name)
        for number, form in enumerate(generator.forms(generator.signature())):
            if form != "latent":
                yield name, form, f"{name}-{form}" if number else name


CASES = list(_cases())
FP32 = precision("fp32").gate
MODELS = [model for *_, model in CASES]

PRECISIONS = ("fp32", "fp16", "int8")
TARGETS = ("sm80", "sm86", "sm120")
"""Before sm80, TensorRT-RTX has no matrix product in FP32."""

ENGINES = {
    model: {"fp32": TARGETS[number % 3], "fp16": TARGETS[(number + 1) % 3]}
    for number, model in enumerate(MODELS)
}
"""Model -> precision -> the target to build for: every family in both, and both several times for every target.

Families are made of the same few kinds of layers, so that each kind is built for each target.
"""

Line = dict[str, Path | Exception]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with all that any family may ask for: 16x16 pixels in colour, a source each, labels and captions."""
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    lines = []
    for number in range(40):
        colour = random.integers(0, 256, 3)
        picture = np.full((16, 16, 3), 255, np.uint8)
        picture[3:13, 3:13] = colour
        names = {"source_file_name": f"source{number}.png", "target_file_name": f"target{number}.png"}
        for name, pixels in zip(names.values(), (255 - picture, picture), strict=True):
            Image.fromarray(pixels).save(folder / name)
        label = ("dark", "light")[int(colour.mean() > 127)]
        lines.append(json.dumps({**names, "label": label, "text": f"a {label} square"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def bundles(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Line:
    """Model -> its bundle, or what fp32_layers it from being made, for the model's own test to show."""
    runs, folder = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("bundles")
    made: Line = {}
    for name, input, model in CASES:
        try:
            made[model] = export(
                _trained(name, data, runs / name),
                to=folder / model,
                input=input,
                precisions=PRECISIONS,
                timed=False,
            ).path
        except Exception as error:
            made[model] = error
    return made


def _trained(name: str, data: Path, run: Path) -> Path:
    return train(name, run=run, overrides=smallest_recipe(name, data=data), progress=False)


@pytest.fixture(scope="module")
def server(bundles: Line, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """One server of them all."""
    repository = tmp_path_factory.mktemp("repository")
    for model, path in bundles.items():
        if not isinstance(path, Path):
            continue
        bundle = Bundle.load(path)
        for name in PRECISIONS:
            deploy(
                bundle,
                to=repository,
                name=_served(model, name),
                variant=f"{_heaviest(bundle)}.{name}.onnx",
                grade="same distribution",  # FP16 of a flow promises no more
                settings=ServingSettings(instance_count=1),
            )
    install()
    with EmbeddedServer(repository, log=tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running


def _served(model: str, name: str) -> str:
    return model if name == "fp32" else f"{model}-{name}"


def _heaviest(bundle: Bundle) -> str:
    """The stage that a precision is worth most for; the others are served in FP32."""
    stages = [stage.name for stage in bundle.manifest.stages]
    return "denoiser" if "denoiser" in stages else stages[0]


@pytest.mark.parametrize("name", PRECISIONS[1:])
@pytest.mark.parametrize("model", MODELS)
def test_a_family_is_judged_and_served_in_every_precision(
    model: str, name: str, bundles: Line, server: EmbeddedServer
) -> None:
    path = bundles[model]
    if isinstance(path, Exception):
        raise path
    for variant in Bundle.load(path).manifest.variants:
        assert variant.verdict.status == "passed", f"{variant.name}: {variant.verdict.reason}"
    (outcome,) = verify(path, endpoint=f"{server.grpc_url}/{_served(model, name)}")
    assert outcome.verdict.status == "passed", outcome.verdict.reason


@pytest.mark.parametrize("model", MODELS)
def test_engines_of_a_family_compute_in_what_was_asked(model: str, bundles: Line) -> None:
    path = bundles[model]
    if isinstance(path, Exception):
        raise path
    bundle = Bundle.load(path)
    variants = [variant for variant in bundle.manifest.variants if variant.precision in ENGINES[model]]

    def complaint(variant: Variant) -> str:
        graph, signature = bundle.read(variant.file), bundle.stage(variant.stage).signature
        graph, _ = apply_passes(graph, runner_class("tensorrt-rtx").passes)
        built = build_engine(graph, signature, ENGINES[model][variant.precision])
        return check_precisions(built.read, graph, variant.precision, variant.fp32_layers).complaint

    with ThreadPoolExecutor(2) as pool:  # each build is a process of its own
        for variant, found in [(variant, pool.submit(complaint, variant)) for variant in variants]:
            assert found.result() == "", variant.name


@pytest.mark.parametrize("model", MODELS)
def test_a_served_family_keeps_its_pictures(model: str, bundles: Line, server: EmbeddedServer) -> None:
    path = bundles[model]
    if isinstance(path, Exception):
        raise path
    endpoint = f"{server.grpc_url}/{model}"
    for outcome in verify(path, endpoint=endpoint):
        assert outcome.verdict.status == "passed", f"{outcome.subject}: {outcome.verdict.reason}"
    probes = Bundle.load(path).probes()
    # Of pictures that are all the same, any would do for any other.
    assert len({picture.tobytes() for picture in probes.images}) > len(probes.images) / 2
    with open_runner(endpoint) as runner:
        pending = [runner.submit(rows) for rows in _uneven(probes.inputs)]
        together = np.concatenate([future.result()[runner.signature.output.name] for future in pending])
    verdict = judge([Replay(together, probes.images)], FP32)
    assert verdict.status == "passed", f"many requests at a time: {verdict.reason}"
    with ServerControl(server.grpc_url) as control:
        warmed = {request.batch_size for request in control.model_config(model).model_warmup}
        (counted,) = control.statistics(model).values()
    assert warmed
    assert warmed <= set(counted.batch_sizes)


@pytest.mark.parametrize("model", MODELS)
def test_a_single_value_serves_every_picture_of_a_call(
    model: str, bundles: Line, server: EmbeddedServer
) -> None:
    path = bundles[model]
    if isinstance(path, Exception):
        raise path
    inputs = Bundle.load(path).probes().inputs
    varied = next(iter(inputs))
    with open_runner(path) as local:
        wanted = local.run(
            {name: values[3:6] if name == varied else values[[3, 3, 3]] for name, values in inputs.items()}
        )[local.signature.output.name]
    with Client(server.grpc_url, model) as client:
        given = client.generate(
            **{name: values[3:6] if name == varied else values[3] for name, values in inputs.items()}
        )
        one = client.generate(**{name: values[3] for name, values in inputs.items()})
    assert judge([Replay(given, wanted)], FP32).status == "passed"
    assert judge([Replay(one, wanted[:1])], FP32).status == "passed"


def _uneven(inputs: dict[str, NDArray[Any]]) -> Iterator[dict[str, NDArray[Any]]]:
    """The rows of a bank in requests of one, two, three and five, again and again."""
    count, start = len(next(iter(inputs.values()))), 0
    for size in cycle((1, 2, 3, 5)):
        if start >= count:
            return
        yield {name: values[start : start + size] for name, values in inputs.items()}
        start += size
