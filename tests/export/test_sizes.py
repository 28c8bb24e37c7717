"""Pictures from pictures of any size: one graph for all of them, proven on more than one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from litho.bundle import Bundle
from litho.errors import InvalidInput, UsageError
from litho.export.build import export
from litho.export.engines import build_engine
from litho.export.pipeline import FreeOrSize
from litho.export.source import open_source
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.runners.torch import Runner as TorchRunner
from litho.training.run.snapshot import save_snapshot

from ..smallest import smallest_generator

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "cyclegan": {"resolution": 16},
    "inpaint": {"resolution": 14, "channels": 3},
    "pix2pix": {"resolution": 16},
    "superres": {"resolution": 32},
}
"""Image-to-image families -> architecture of their smallest generator."""


def a_run(name: str, path: Path) -> Path:
    torch.manual_seed(0)
    save_snapshot(path, smallest_generator(name, **ARCHITECTURES[name]), family=name, preset="none")
    return path


def an_export(name: str, folder: Path, size: FreeOrSize = "free", **options: Any) -> Bundle:
    return export(a_run(name, folder / "run"), to=folder / "bundle", size=size, timed=False, **options)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_any_allowed_size_gives_pytorch_s_picture_in_every_runtime(name: str, tmp_path: Path) -> None:
    bundle = an_export(name, tmp_path, runtimes=["onnxruntime", "openvino"])
    signature = bundle.manifest.signature
    source = signature.sized_by
    assert source is not None
    (least, *_), (most, *_) = source.extreme_shapes
    drawn = np.random.default_rng(0).integers(least, most, 4, endpoint=True)
    first, second, third, fourth = (source.nearest_side(int(side)) for side in drawn)
    reference = TorchRunner(open_source(tmp_path / "run", size="free").pipeline.model)
    for variant in bundle.manifest.variants:
        assert variant.verdict.status == "passed", variant.verdict.reason
        with open_runner(bundle, variant.name) as runner:
            for size in ((first, second), (third, fourth), (most, most), (least, least)):
                inputs = signature.with_size(*size).example(2, seed=7)
                made, wanted = (one.run(inputs)["image"] for one in (runner, reference))
                assert made.shape == signature.output_shape(inputs)
                assert np.abs(made.astype(int) - wanted).max() <= 1


def test_a_bundle_replays_other_sizes_than_the_usual_one(tmp_path: Path) -> None:
    bundle = an_export("pix2pix", tmp_path)
    others = bundle.probes().others
    assert [bank.images.shape[1:3] for bank in others] == [(8, 8), (16, 32), (64, 8)]
    assert all(set(bank.inputs) == {"seed", "source"} for bank in others)
    assert [outcome.verdict.status for outcome in verify(bundle.path)] == ["passed"]


def test_one_other_size_can_be_asked_for(tmp_path: Path) -> None:
    bundle = an_export("superres", tmp_path, (12, 20))
    signature = bundle.manifest.signature
    assert (signature.inputs[0].shape, signature.output.shape) == ((12, 20, 3), (48, 80, 3))
    assert bundle.probes().others == ()
    with open_runner(bundle) as runner, pytest.raises(InvalidInput, match=r"shape \(1, 8, 8, 3\)"):
        runner.run({"source": np.zeros((1, 8, 8, 3), np.uint8)})


@pytest.mark.parametrize(
    ("size", "complaint"),
    [((20, 18), "allowed is .* height and width 8 to 64, divisible by 4"), ((128, 64), "8 to 64")],
)
def test_a_size_that_the_network_cannot_take_is_refused(
    size: FreeOrSize, complaint: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        an_export("cyclegan", tmp_path, size)
    assert not (tmp_path / "bundle").exists()


def test_a_generator_of_one_size_says_so(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="makes pictures of one size, 32x32; leave --size out"):
        export(run, to=tmp_path / "bundle", size="free")


def test_another_size_is_another_bundle(tmp_path: Path) -> None:
    free = an_export("cyclegan", tmp_path).manifest.signature
    assert an_export("cyclegan", tmp_path, (16, 16)).manifest.signature != free


@pytest.mark.slow
def test_an_engine_takes_every_size_between_the_smallest_and_the_largest(tmp_path: Path) -> None:
    bundle = an_export("cyclegan", tmp_path)
    (variant,) = bundle.manifest.variants
    built = build_engine(bundle.read(variant.file), bundle.manifest.signature, "sm86")
    assert set(built.record.products.values()) == {"fp32"}
