"""Receipts that somebody made up, moved or damaged: whoever reproduces a picture gets a typed error, not a crash."""

from __future__ import annotations

import hashlib
import json
import random
import warnings
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from litho.bundle import MANIFEST_NAME, Bundle
from litho.bundle.keys import PublicKey
from litho.errors import DataError, InvalidInput, LithoError, SchemaError, TrustError
from litho.runners import open_runner
from litho.serving.provenance.picture_metadata import embed, read_receipt
from litho.serving.provenance.receipt import Origin, Receipt
from litho.serving.provenance.reproduce import reproduce
from litho.serving.provenance.stamping import Stamper

from ..signers import make_keys

FORMATS = {"png": {}, "jpeg": {"quality": 90, "subsampling": 0}, "webp": {"quality": 80, "exact": True}}
ZEROS = "0" * 64


@pytest.fixture(scope="module")
def origin(bundle: Path) -> Origin:
    return Origin(
        model="tiny",
        variant="generator.fp32.onnx",
        grade="same picture",
        checkpoint_sha256=Bundle.load(bundle).manifest.checkpoint_sha256,
        bundle_sha256=hashlib.sha256((bundle / MANIFEST_NAME).read_bytes()).hexdigest(),
        precision="fp32",
    )


@pytest.fixture(scope="module")
def made(bundle: Path) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Inputs and pixels of two pictures."""
    with open_runner(bundle) as runner:
        inputs = [runner.signature.check({"seed": [seed], "label": [3]}) for seed in (1, 2)]
        return [(one, runner.run(one)["image"][0]) for one in inputs]


def encoded(pixels: np.ndarray, form: str = "png", **more: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels[..., 0]).save(out, form.upper(), **{**FORMATS[form], **more})
    return out.getvalue()


@pytest.fixture
def stamped(origin: Origin, made: list[Any], tmp_path: Path):
    """Writes one of the two pictures with its receipt, and what is changed in its document, checksum mended."""

    def write(number: int = 0, form: str = "png", file: bytes | None = None, **changes: Any) -> Path:
        fields, pixels = made[number]
        whole = encoded(pixels, form) if file is None else file
        receipt = Stamper().make(
            origin, fields, pixels, quality=None if form == "png" else FORMATS[form]["quality"]
        )
        document = {**receipt.to_document(), **changes}
        del document["checksum"]
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        document["checksum"] = hashlib.sha256(text.encode()).hexdigest()
        path = tmp_path / f"picture.{form}"
        path.write_bytes(embed(whole, json.dumps(document)))
        return path

    return write


@pytest.mark.parametrize(
    "seed",
    [
        10**30,
        2**63,
        -1,
        1.5,
        float("nan"),
        float("inf"),
        "1",
        "x" * 5000,
        {"dtype": "INT64", "shape": [3], "sha256": ZEROS, "values": [1, 2]},
        {"dtype": "INT64", "shape": [1], "sha256": ZEROS, "values": [1]},
        {"dtype": "INT64", "shape": [10**30], "sha256": ZEROS, "values": [1]},
        {"dtype": "INT64", "shape": [1], "sha256": ZEROS, "values": [10**30]},
        {"dtype": "FP32", "shape": [1], "sha256": ZEROS, "values": [1e300]},
        {"dtype": "INT64", "shape": [1], "sha256": ZEROS, "values": []},
        {"dtype": "UINT8", "shape": [10**6, 10**6, 3], "sha256": ZEROS},
    ],
    ids=str,
)
def test_a_value_that_no_gateway_writes_is_refused(stamped: Any, bundle: Path, seed: Any) -> None:
    picture = stamped(fields={"seed": seed, "label": 3})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LithoError) as caught:
            reproduce(picture, bundle)
    assert "\n" not in str(caught.value)


def test_a_field_that_the_model_does_not_take_is_not_passed_over(stamped: Any, bundle: Path) -> None:
    picture = stamped(fields={"seed": 1, "label": 3, "prompt": "a red circle"})
    with pytest.raises(InvalidInput, match="unknown field 'prompt'"):
        reproduce(picture, bundle)


@pytest.mark.parametrize(
    "shape", [[32, 32, 0], [32, 32, 5], [-32, -32, 1], [0, 0, 0], [10**30, 1, 1]], ids=str
)
def test_a_shape_that_no_picture_has_is_refused(stamped: Any, bundle: Path, shape: list[int]) -> None:
    with pytest.raises((SchemaError, DataError)):
        reproduce(stamped(shape=shape), bundle)


@pytest.mark.parametrize("form", FORMATS)
def test_a_receipt_that_was_moved_to_another_picture_is_found_out(
    stamped: Any, made: list[Any], bundle: Path, form: str
) -> None:
    assert reproduce(stamped(0, form), bundle).judgement.same
    moved = reproduce(stamped(0, form, encoded(made[1][1], form)), bundle).judgement
    assert not moved.same
    assert moved.identical  # the receipt is right, and of another picture


def test_coarse_tables_do_not_make_two_jpegs_alike(stamped: Any, made: list[Any], bundle: Path) -> None:
    other = encoded(made[1][1], "jpeg", qtables=[[255] * 64])
    assert not reproduce(stamped(0, "jpeg", other), bundle).judgement.same


@pytest.mark.parametrize("form", ["png", "webp"])
def test_a_file_of_several_pictures_is_not_the_one_of_its_receipt(
    stamped: Any, made: list[Any], bundle: Path, form: str
) -> None:
    """What a browser shows is another picture than the first."""
    (_, own), (_, other) = made
    first, more = (Image.fromarray(one[..., 0]).convert("RGB") for one in (own, other))
    out = BytesIO()
    first.save(out, form.upper(), save_all=True, append_images=[more], duration=10, lossless=True)
    with pytest.raises(DataError, match="2 pictures"):
        reproduce(stamped(0, form, out.getvalue()), bundle)


def test_a_picture_that_was_made_transparent_is_found_out(
    stamped: Any, made: list[Any], bundle: Path
) -> None:
    clear = np.concatenate([made[0][1], np.zeros_like(made[0][1])], axis=2)
    out = BytesIO()
    Image.fromarray(clear).save(out, "PNG")
    judgement = reproduce(stamped(0, "png", out.getvalue()), bundle).judgement
    assert not judgement.same
    assert "shines through" in judgement.reason


@pytest.mark.parametrize("form", FORMATS)
def test_a_picture_that_was_encoded_anew_says_that_it_has_no_receipt(
    stamped: Any, bundle: Path, tmp_path: Path, form: str
) -> None:
    picture = stamped(0, form)
    out = BytesIO()
    with Image.open(picture) as image:
        Image.fromarray(np.asarray(image)).save(out, form.upper(), **FORMATS[form])
    (tmp_path / "again").write_bytes(out.getvalue())
    with pytest.raises(DataError, match="--receipt"):
        reproduce(tmp_path / "again", bundle)
    # Given apart, the receipt still tells that it is the same picture, where encoding it twice lost little.
    (tmp_path / "receipt.json").write_text(read_receipt(picture.read_bytes()).to_json())
    if form == "png":
        assert reproduce(tmp_path / "again", bundle, receipt_file=tmp_path / "receipt.json").judgement.same


def test_a_receipt_signed_with_another_key_is_refused_even_if_it_names_the_trusted_one(
    origin: Origin, made: list[Any], bundle: Path, tmp_path: Path
) -> None:
    fields, pixels = made[0]
    keys = [make_keys(tmp_path / name) for name in ("ours", "theirs")]
    forged = Stamper(keys[1][0]).make(origin, fields, pixels)
    trusted = PublicKey.read(keys[0][1])
    document = {**forged.to_document(), "signer": trusted.text}
    document["checksum"] = hashlib.sha256(Receipt.model_validate(document).canonical).hexdigest()
    for content in (forged.to_document(), document):
        (tmp_path / "forged.png").write_bytes(embed(encoded(pixels), json.dumps(content)))
        with pytest.raises(TrustError):
            reproduce(tmp_path / "forged.png", bundle, key=trusted)


@pytest.mark.parametrize(
    "text",
    [
        b'{"fields":' + b"[" * 100_000,
        b'{"fields":' + b'{"a":' * 100_000,
        b'{"seed":' + b"9" * 100_000 + b"}",
        b'{"model":"' + b"a" * (3 << 20) + b'"}',
        b'{"model":"\xff"}',
        b"",
        b"null",
    ],
    ids=["lists", "objects", "long number", "large", "no UTF-8", "empty", "null"],
)
def test_json_that_wears_a_reader_out_is_refused(
    made: list[Any], bundle: Path, tmp_path: Path, text: bytes
) -> None:
    (tmp_path / "picture.png").write_bytes(encoded(made[0][1]))
    (tmp_path / "receipt.json").write_bytes(text)
    with pytest.raises(SchemaError) as caught:
        reproduce(tmp_path / "picture.png", bundle, receipt_file=tmp_path / "receipt.json")
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("form", FORMATS)
def test_a_picture_that_was_cut_anywhere_is_no_crash(stamped: Any, form: str) -> None:
    content = stamped(0, form).read_bytes()
    whole = read_receipt(content)
    for length in range(len(content)):
        try:
            found = read_receipt(content[:length])
        except LithoError:
            continue
        assert found == whole


@pytest.mark.parametrize("form", FORMATS)
def test_a_changed_byte_anywhere_is_no_crash(stamped: Any, bundle: Path, form: str) -> None:
    picture = stamped(0, form)
    content = picture.read_bytes()
    chance = random.Random(0)
    for _ in range(60):
        at = chance.randrange(len(content))
        picture.write_bytes(
            content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :]
        )
        with suppress(LithoError):
            reproduce(picture, bundle)
