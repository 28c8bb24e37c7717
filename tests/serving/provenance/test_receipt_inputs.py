"""From a receipt back to the inputs of a runner."""

from pathlib import Path

import numpy as np
import pytest

from litho.errors import IntegrityError, InvalidInput, UsageError
from litho.reporting import png
from litho.serving.gateway.pictures import hole_of, picture_of
from litho.serving.provenance.receipt import ArrayRecord, Origin, ReceiptMaker, parse_receipt
from litho.serving.provenance.receipt_inputs import in_a_batch, inputs_of
from litho.signature import Signature
from litho.signature.fields import (
    Field,
    Role,
    condition_field,
    image_output,
    label_field,
    latent_field,
    mask_field,
    seed_field,
    source_field,
    truncation_field,
)

ORIGIN = Origin("digits", "generator.fp32.onnx", "same picture", "a" * 64)
PROMPT = Field(name="prompt", role=Role.PROMPT, dtype="BYTES", default="")
OUTPUT = image_output(8, 8, 3)
DRAWN = Signature(
    inputs=(
        seed_field(),
        label_field(("a", "b")),
        truncation_field(),
        PROMPT,
        condition_field("pose", (2, 3)),
    ),
    output=OUTPUT,
)
LATENT = Signature(inputs=(latent_field(9),), output=OUTPUT)
EDITED = Signature(inputs=(source_field(8, 8, 3), mask_field(8, 8), seed_field()), output=OUTPUT)


def receipt_of(signature: Signature):
    fields = signature.example(1, seed=3)
    made = ReceiptMaker().make(
        ORIGIN, {name: value[0] for name, value in fields.items()}, np.zeros((8, 8, 3), np.uint8)
    )
    return fields, parse_receipt(made.to_json().encode())


@pytest.mark.parametrize("signature", [DRAWN, LATENT], ids=["drawn", "latent"])
def test_the_inputs_come_back_exactly(signature):
    fields, receipt = receipt_of(signature)
    again = inputs_of(signature, receipt, {})
    assert list(again) == list(fields)
    for name, value in fields.items():
        assert again[name].dtype == value.dtype
        np.testing.assert_array_equal(again[name], value)


def test_pictures_are_given_as_files_and_compared_by_their_hash(tmp_path: Path):
    fields, receipt = receipt_of(EDITED)
    with pytest.raises(UsageError, match="only the hash of 'mask'"):
        inputs_of(EDITED, receipt, {})
    files = {}
    for name in ("source", "mask"):
        files[name] = str(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.png").write_bytes(png(fields[name][0]))
    np.testing.assert_array_equal(inputs_of(EDITED, receipt, files)["source"], fields["source"])
    (tmp_path / "source.png").write_bytes(png(255 - fields["source"][0]))
    with pytest.raises(UsageError, match="is not what 'source' was made from"):
        inputs_of(EDITED, receipt, files)
    with pytest.raises(UsageError, match="leave it out"):
        inputs_of(EDITED, receipt, {**files, "seed": "7"})


def test_files_mean_what_they_mean_to_the_gateway(tmp_path: Path):
    """A larger picture was cut and shrunk, and the hole of a mask is where it is transparent."""
    generator = np.random.default_rng(0)
    photo, mask = generator.integers(0, 256, (20, 30, 3), np.uint8), np.full((16, 16, 4), 255, np.uint8)
    mask[4:9, 2:12, 3] = 0
    files = {"source": str(tmp_path / "photo.png"), "mask": str(tmp_path / "mask.png")}
    for name, pixels in (("source", photo), ("mask", mask)):
        Path(files[name]).write_bytes(png(pixels))
    sent = {
        "source": picture_of(Path(files["source"]).read_bytes(), "image", EDITED.inputs[0], (8, 8))[0],
        "mask": hole_of(Path(files["mask"]).read_bytes(), "mask", (8, 8))[0],
        "seed": np.array([7]),
    }
    receipt = ReceiptMaker().make(ORIGIN, sent, np.zeros((8, 8, 3), np.uint8))
    again = inputs_of(EDITED, receipt, files)
    for name, value in sent.items():
        np.testing.assert_array_equal(again[name].reshape(value.shape), value)


def test_another_signature_is_refused():
    _, receipt = receipt_of(LATENT)
    with pytest.raises(InvalidInput, match="unknown field 'latent'"):
        inputs_of(DRAWN, receipt, {})
    with pytest.raises(InvalidInput, match="'seed' is missing"):
        inputs_of(DRAWN, receipt.model_copy(update={"fields": {"label": 1}}), {})


def test_a_latent_of_one_value_comes_back():
    signature = Signature(inputs=(latent_field(1),), output=OUTPUT)
    fields, receipt = receipt_of(signature)
    np.testing.assert_array_equal(inputs_of(signature, receipt, {})["latent"], fields["latent"])


@pytest.mark.parametrize(
    "changes",
    [{"sha256": "0" * 64}, {"shape": (3, 3)}, {"shape": (10**30,)}, {"values": (1.5,)}, {"values": ()}],
)
def test_values_that_are_not_those_of_their_hash_are_refused(changes):
    _, receipt = receipt_of(LATENT)
    record = receipt.fields["latent"]
    assert isinstance(record, ArrayRecord)
    altered = receipt.model_copy(update={"fields": {"latent": record.model_copy(update=changes)}})
    with pytest.raises((IntegrityError, InvalidInput)):
        inputs_of(LATENT, altered, {})


@pytest.mark.parametrize(
    "changes", [{"shape": (10**6, 10**6, 3)}, {"shape": (8, 8)}, {"dtype": "FP32"}], ids=str
)
def test_a_picture_of_a_shape_that_is_not_taken_is_refused_before_the_file_is_read(tmp_path, changes):
    _, receipt = receipt_of(EDITED)
    record = receipt.fields["source"]
    assert isinstance(record, ArrayRecord)
    fields = {**receipt.fields, "source": record.model_copy(update=changes)}
    (tmp_path / "source.png").write_bytes(png(np.zeros((8, 8, 3), np.uint8)))
    files = {"source": str(tmp_path / "source.png"), "mask": str(tmp_path / "source.png")}
    with pytest.raises(InvalidInput, match="'source' as"):
        inputs_of(EDITED, receipt.model_copy(update={"fields": fields}), files)


@pytest.mark.parametrize("signature", [DRAWN, LATENT, EDITED], ids=["drawn", "latent", "edited"])
@pytest.mark.parametrize(("batch", "row"), [(1, 0), (4, 2), (4, 3)])
def test_a_picture_among_others(signature, batch, row):
    own = signature.example(1, seed=9)
    inputs = signature.check(in_a_batch(signature, own, batch, row))
    for field in signature.inputs:
        assert len(inputs[field.name]) == batch
        np.testing.assert_array_equal(inputs[field.name][row], own[field.name][0])
    if batch > 1 and "seed" in inputs:
        assert len(set(inputs["seed"])) == batch
