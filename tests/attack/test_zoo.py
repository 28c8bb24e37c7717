"""Generators that nobody here wrote the exporter for: they go through every runtime and precision."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

import litho
from litho.bundle.manifest import Variant
from litho.export.graph import export_graph
from litho.export.source import open_source
from litho.parity.metrics import psnr_db
from litho.runners import open_runner

from ..cli.conftest import Command
from .zoo import ZOO

PRECISIONS = ("fp32", "fp16", "int8")
RUNTIMES = ("onnxruntime", "openvino", "tensorrt-rtx")
LEAST_PSNR_DB = {"fp32": 55.0, "fp16": 45.0, "int8": 25.0}
"""Of the worst picture, against torch alone; one grey level everywhere is 48 dB."""


@pytest.mark.parametrize("name", ZOO)
def test_a_generator_of_the_zoo_paints(name: str) -> None:
    generator = ZOO[name]
    module = generator.build()
    source = open_source(module, signature=generator.signature)
    given = source.pipeline.signature.example(8)
    with torch.inference_mode():
        pictures = source.pipeline.model(*map(torch.from_numpy, given.values())).numpy()
    assert np.abs(generator.paint(module, given).astype(int) - pictures).max() <= 1
    assert pictures.std() > 30, "grey"
    assert np.isin(pictures, (0, 255)).mean() < 0.2, "saturated"
    assert np.abs(pictures[0].astype(float) - pictures[1]).mean() > 5, "all the same"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pictures to calibrate with: smooth ones of random colours."""
    coarse = torch.rand(32, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 255
    smooth = torch.nn.functional.interpolate(coarse, 16, mode="bilinear").byte()
    file = tmp_path_factory.mktemp("calibration") / "sources.safetensors"
    save_file({"source": smooth.permute(0, 2, 3, 1).contiguous()}, file)
    return str(file)


HOOKS = {
    "weight_orig": "parametrizations.weight.original",
    "weight_u": "parametrizations.weight.0._u",
    "weight_v": "parametrizations.weight.0._v",
}
"""Weights of spectral norm by hooks -> the same of the parametrization."""


@pytest.mark.slow
def test_spectral_norm_by_hooks_gives_the_graph_of_the_parametrization() -> None:
    """Byte for byte: what the test of every runtime and precision shows of one holds for the other."""
    new, old = ZOO["biggan"].build(), ZOO["biggan-hooks"].build()
    weights = new.state_dict()
    same = {name: _of_parametrization(name) for name in old.state_dict()}
    assert set(same.values()) == set(weights)
    old.load_state_dict({name: weights[other] for name, other in same.items()})
    graphs = []
    for module in (new, old):
        ((stage, signature),) = open_source(
            module, signature=ZOO["biggan"].signature
        ).pipeline.stages.values()
        graphs.append(export_graph(stage, signature, {}))
    assert graphs[0] == graphs[1]


def _of_parametrization(name: str) -> str:
    layer, _, weight = name.rpartition(".")
    return f"{layer}.{HOOKS.get(weight, weight)}"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ZOO if name != "biggan-hooks"])
def test_a_generator_goes_through_every_runtime_and_precision(
    name: str, tmp_path: Path, sources: str
) -> None:
    generator = ZOO[name]
    module = generator.build()
    bundle = litho.export_model(
        module,
        signature=generator.signature,
        to=tmp_path / name,
        precisions=PRECISIONS,
        runtimes=RUNTIMES,
        targets=("sm86",),
        calibration=sources if name == "esrgan" else None,
        timed=False,
    )
    variants = bundle.manifest.variants
    asked = set(product(PRECISIONS, RUNTIMES))
    assert {(variant.precision, variant.runtime) for variant in variants} == asked
    given = bundle.manifest.signature.example(9, seed=77)
    wanted = generator.paint(module, given)
    for variant in variants:
        if offered(variant):
            with open_runner(bundle, variant.name) as runner:
                made = runner.run(given)["image"]
            assert psnr_db(made, wanted).min() >= LEAST_PSNR_DB[variant.precision], variant.name


def offered(variant: Variant) -> bool:
    """Whether a variant runs here; if not, for one of the reasons that may be given."""
    verdict = variant.verdict
    if variant.runtime == "tensorrt-rtx":
        assert variant.file.endswith(".rtx"), verdict.reason
        if verdict.status == "not_run":
            assert verdict.reason == "the proof needs an NVIDIA GPU of sm86"
            return False
    assert (verdict.status, verdict.reason) == ("passed", ""), variant.name
    return True


@pytest.mark.slow
def test_a_generator_is_exported_on_the_command_line_from_its_own_file(
    tmp_path: Path, litho_here: Command
) -> None:
    generator = ZOO["stylegan2"]
    module = generator.build()
    (tmp_path / "networks.py").write_bytes((Path(__file__).parent / "networks.py").read_bytes())
    save_file(module.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "signature.yaml").write_text(yaml.safe_dump(generator.signature, sort_keys=False))
    words = (
        "export networks.py:StyleGAN2 --weights weights.safetensors --signature signature.yaml --no-timing"
    )
    done = litho_here(*words.split(), "--to", "bundle", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with open_runner(tmp_path / "bundle") as runner:
        given = runner.signature.example(9, seed=78)
        made = runner.run(given)["image"]
    assert psnr_db(made, generator.paint(module, given)).min() >= LEAST_PSNR_DB["fp32"]
