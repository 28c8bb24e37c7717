"""Engines as TensorRT-RTX really builds them, without a GPU: what they compute in, and what stops a build."""

from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from litho.errors import DeviceError, ExportError, MissingExtra, UnknownName
from litho.export.engines import EngineOptions, build_engine, check_precisions
from litho.export.graph import export_graph
from litho.export.naming import Naming
from litho.signature import Signature
from litho.signature.fields import image_output, mask_field, seed_field, source_field
from litho.training.models import Generator
from litho.training.networks.pixel_model import PixelModel

from ...smallest import smallest_generator
from .conftest import SIGNATURE, graph

pytestmark = pytest.mark.slow


class Filler(Generator):
    """Fills the hole of a picture by one convolution, with noise where there is any."""

    def __init__(self, latent_size: int) -> None:
        super().__init__()
        self.latent_size = latent_size
        self.convolution = nn.Conv2d(5, 3, 3, padding=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        *noise, source, mask = inputs
        known = source * (1 - mask)
        levels = sum((latent.mean(1)[:, None, None, None] for latent in noise), torch.zeros_like(mask))
        return known + mask * torch.tanh(self.convolution(torch.cat((known, mask, levels + 0 * mask), 1)))

    def signature(self, class_names: tuple[str, ...] = ()) -> Signature:
        seed = (seed_field(),) if self.latent_size else ()
        inputs: Any = (*seed, source_field(16, 12, 3), mask_field(16, 12))
        return Signature(inputs=inputs, output=image_output(16, 12, 3))


@pytest.mark.parametrize("latent_size", [0, 3])
def test_engines_take_images_and_masks(latent_size: int) -> None:
    torch.manual_seed(0)
    generator = Filler(latent_size)
    picture = PixelModel(generator, generator.signature()).eval()
    content = export_graph(picture, picture.signature, {})
    steps: list[tuple[str, float]] = []
    built = build_engine(
        content,
        picture.signature,
        "sm86",
        EngineOptions(((1, 2, 4),)),
        progress=lambda *step: steps.append(step),
    )
    assert len(built.engine) > 10_000
    assert steps
    assert all(0 <= share <= 1 for _, share in steps)
    assert built.record.products == {"node_convolution": "fp32"} or list(built.record.products.values()) == [
        "fp32"
    ]


def test_what_is_made_of_convolutions_builds_for_turing() -> None:
    # It has no matrix product in FP32 there; tests/test_families.py builds all families for later GPUs.
    target = "sm75"
    torch.manual_seed(0)
    generator = smallest_generator("superres")
    picture = PixelModel(generator, generator.signature()).eval()
    content = export_graph(picture, picture.signature, {})
    read = build_engine(content, picture.signature, target).read
    assert len(read.products) > 2
    assert check_precisions(read, content, "fp32") == Naming(None)


@pytest.mark.parametrize(("precision", "target"), [("fp16", "sm75"), ("fp32", "sm86"), ("fp32", "sm120")])
def test_the_record_says_what_an_engine_was_built_from_and_for(precision: str, target: str) -> None:
    options = EngineOptions(profiles=((1, 1, 4), (2, 8, 16)), workspace_bytes=1 << 30)
    built = build_engine(graph(precision), SIGNATURE, target, options)
    record = built.record
    assert (record.library, record.target, record.gpu, record.tf32) == ("tensorrt-rtx", target, None, False)
    assert record.system.startswith("linux-")
    assert record.profiles == ((1, 1, 4), (2, 8, 16))
    assert record.workspace_bytes == 1 << 30
    assert record.timing_cache_sha256 is None
    assert "Engine generation completed in # seconds" in built.log
    assert options.batches == (1, 1, 16)


def test_two_builds_log_and_compute_the_same() -> None:
    first, second = (build_engine(graph("fp16"), SIGNATURE, "sm86") for _ in range(2))
    assert (first.log, first.read.to_json(), first.record) == (
        second.log,
        second.read.to_json(),
        second.record,
    )
    assert len(first.engine) == len(second.engine)


def test_what_is_no_graph_or_no_target_is_refused_in_one_line() -> None:
    with pytest.raises(ExportError, match="cannot parse the graph") as refused:
        build_engine(b"nonsense", SIGNATURE, "sm86")
    assert "\n" not in str(refused.value)
    with pytest.raises(UnknownName, match="unknown target 'sm68'"):
        build_engine(b"", SIGNATURE, "sm68")


@pytest.mark.parametrize(
    ("precision", "target", "complaint"),
    [
        ("fp32", "sm75", "'last' for Turing .*FP32 GEMM is not supported"),
        ("bf16", "sm75", "HW-specific datatypes: b16"),
        ("fp8", "sm86", "HW-specific datatypes: fp8"),
    ],
)
def test_what_a_gpu_cannot_compute_is_said(precision: str, target: str, complaint: str) -> None:
    with pytest.raises(ExportError, match=f"built no engine for {target}: .*{complaint}"):
        build_engine(graph(precision), SIGNATURE, target)


def test_a_workspace_too_small_is_said() -> None:
    with pytest.raises(ExportError, match=r"built no engine for sm86: .*workspace"):
        build_engine(graph("fp32"), SIGNATURE, "sm86", EngineOptions(workspace_bytes=1 << 10))


def test_stripping_weights_needs_a_driver(without_gpu: None) -> None:
    with pytest.raises(
        DeviceError, match="needs an NVIDIA GPU to strip weights: no NVIDIA GPU can be used here"
    ):
        build_engine(graph("fp32"), SIGNATURE, "sm86", EngineOptions(strip_weights=True))


@pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed")
def test_tensorrt_itself_is_asked_for_by_its_extra() -> None:
    with pytest.raises(MissingExtra, match=r"'tensorrt' is not installed; .* pip install 'litho\[gpu\]'"):
        build_engine(graph("fp32"), SIGNATURE, "sm90", runtime="tensorrt")
