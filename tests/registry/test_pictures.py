"""The picture of a card."""

import io
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from litho.bundle import create_bundle
from litho.bundle.manifest import Stage
from litho.bundle.probes import Probes
from litho.errors import BundleError
from litho.registry.packing import pack
from litho.registry.pictures import make_picture
from litho.signature import Signature
from litho.signature.fields import image_output, label_field, seed_field, truncation_field

from ..bundle.conftest import GRAPH, SIGNATURE, make as make_bundle, variant


def size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        return image.size


def make(path: Path, images: np.ndarray) -> Path:
    with create_bundle(path) as writer:
        writer.add(GRAPH, b"a graph")
        writer.add("probes.safetensors", Probes({"seed": np.arange(len(images))}, images).to_bytes())
        writer.finish(
            name="tiny",
            family="gan",
            signature=SIGNATURE,
            stages=(Stage(name="generator", signature=SIGNATURE),),
            variants=(variant(),),
            checkpoint_sha256="0" * 64,
            environment={},
        )
    return path


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_the_first_probes_of_a_bundle_are_shown(tmp_path: Path, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 32, 32, channels), np.uint8)
    picture = make_picture(pack(make(tmp_path / "b", images)))
    assert picture is not None
    assert picture.path == "pictures/probes.png"
    assert picture.shows.startswith("16 pictures of the generator: seed 0; seed 1")
    assert 300 < size_of(picture.content)[0] < 500


def test_what_a_picture_shows_has_the_order_of_the_signature(tmp_path: Path) -> None:
    """The arrays of a file come in any order."""
    signature = Signature(
        inputs=(seed_field(), label_field(("a", "b")), truncation_field()), output=image_output(4, 4, 1)
    )
    inputs = {"label": np.array([1]), "truncation": np.array([0.5], np.float32), "seed": np.array([7])}
    probes = Probes(inputs, np.zeros((1, 4, 4, 1), np.uint8))
    bundle = make_bundle(tmp_path / "b", signature=signature)
    packed = pack(bundle)
    assert packed.bundle is not None
    for order in permutations(probes.inputs):
        shuffled = replace(probes, inputs={name: inputs[name] for name in order})
        packed.bundle.probes = lambda shuffled=shuffled: shuffled  # type: ignore[method-assign]
        picture = make_picture(packed)
        assert picture is not None
        assert picture.shows.endswith(": seed 7, label 1, truncation 0.5")


def test_large_pictures_are_made_smaller(tmp_path: Path) -> None:
    picture = make_picture(pack(make(tmp_path / "b", np.zeros((4, 512, 512, 3), np.uint8))))
    assert picture is not None
    assert max(size_of(picture.content)) == 1536


def test_the_newest_samples_of_a_run_are_shown(small_run: Path) -> None:
    picture = make_picture(pack(small_run))
    assert picture is not None
    assert (picture.path, size_of(picture.content)) == ("pictures/samples.png", (8, 8))
    for path in (small_run / "samples").iterdir():
        path.unlink()
    assert make_picture(pack(small_run)) is None


def test_what_is_no_picture_is_refused(small_run: Path) -> None:
    (small_run / "samples" / "0000054000.png").write_bytes(b"no picture")
    with pytest.raises(BundleError, match=r"0000054000\.png is not a PNG file; remove it, or train again"):
        make_picture(pack(small_run))
