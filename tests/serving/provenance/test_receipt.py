"""Receipts: what they hold, and that one changed digit is found out."""

import hashlib
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from litho.bundle.keys import PublicKey
from litho.errors import IntegrityError, SchemaError, TrustError
from litho.serving.provenance.receipt import (
    ArrayRecord,
    Origin,
    Receipt,
    ReceiptMaker,
    field_value,
    parse_receipt,
    pixels_sha256,
)

from ...signers import make_keys

ORIGIN = Origin(
    model="digits",
    variant="generator.fp32.onnx",
    grade="same picture",
    checkpoint_sha256="a" * 64,
    bundle_sha256="b" * 64,
    precision="fp32",
    version="3",
)
PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
FIELDS = {
    "seed": np.array([123456789]),
    "label": np.array([3]),
    "truncation": np.array([0.7], np.float32),
    "prompt": np.array(["ein Fuß, 猫 & <b>\"'\n"], object),
    "latent": np.linspace(-1, 1, 5, dtype=np.float32),
    "source": PIXELS,
}


def made(maker: ReceiptMaker | None = None) -> Receipt:
    return (maker or ReceiptMaker()).make(ORIGIN, FIELDS, PIXELS, request_id="r-1", file_format="png")


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_keys(tmp_path_factory.mktemp("keys"))


def test_it_holds_every_input_and_the_pixels():
    receipt = made()
    receipt.check()
    assert receipt.fields["seed"] == 123456789
    assert receipt.fields["truncation"] == 0.7
    assert receipt.fields["prompt"] == FIELDS["prompt"][0]
    latent, source = receipt.fields["latent"], receipt.fields["source"]
    assert isinstance(latent, ArrayRecord)
    assert latent.values == (-1.0, -0.5, 0.0, 0.5, 1.0)
    assert isinstance(source, ArrayRecord)
    assert (source.values, source.shape) == (None, (4, 4, 3))
    assert receipt.pixels_sha256 == hashlib.sha256(PIXELS.tobytes()).hexdigest() == source.sha256
    assert (receipt.model, receipt.version, receipt.request_id) == ("digits", "3", "r-1")


def test_it_survives_json():
    receipt = made()
    assert parse_receipt(receipt.to_json().encode()) == receipt
    parse_receipt(receipt.to_json().encode()).check()


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numbers_are_read_back_as_the_same_fp32(value):
    written = json.loads(json.dumps(field_value(np.array([value], np.float32))))
    assert np.float32(written) == np.float32(value)


@given(st.text(st.characters(codec="utf-8"), max_size=40), st.integers(0, 2**63 - 1))
def test_any_prompt_and_seed(prompt, seed):
    fields = {"prompt": np.array([prompt], object), "seed": np.array([seed])}
    receipt = ReceiptMaker().make(ORIGIN, fields, PIXELS)
    again = parse_receipt(receipt.to_json().encode())
    again.check()
    assert again.fields == {"prompt": prompt, "seed": seed}


def test_a_sealed_text_is_the_receipt(keys):
    tricky = ',"created":"2026","checksum":"0"'
    origin = replace(ORIGIN, model=tricky, bundle_sha256=tricky)
    for maker in (ReceiptMaker(), ReceiptMaker(keys[0])):
        sealed = maker.seal(
            origin, {"prompt": np.array([tricky], object)}, PIXELS, request_id="r-1", quality=80
        )
        receipt = parse_receipt(sealed.text.encode())
        receipt.check()
        assert sealed.checksum == receipt.checksum
        assert (sealed.receipt, sealed.document) == (receipt, receipt.to_document())
        assert (receipt.model, receipt.fields["prompt"]) == (tricky, tricky)


def test_pixels_have_one_hash_however_they_lie_in_memory():
    assert pixels_sha256(PIXELS[:, ::-1][:, ::-1]) == pixels_sha256(PIXELS)
    assert pixels_sha256(PIXELS[:, ::-1]) != pixels_sha256(PIXELS)


def digits(text: str) -> list[int]:
    return [one.start() for one in re.finditer(r"\d", text)]


def test_one_changed_digit_is_found_out(keys):
    private, public = keys
    for maker, key in ((ReceiptMaker(), None), (ReceiptMaker(private), PublicKey.read(public))):
        text = made(maker).to_json()
        for at in digits(text):
            changed = text[:at] + str((int(text[at]) + 1) % 10) + text[at + 1 :]
            with pytest.raises((IntegrityError, TrustError, SchemaError)):
                parse_receipt(changed.encode()).check(key)


def test_a_forger_may_mend_the_checksum_but_not_the_signature(keys):
    private, public = keys
    receipt = made(ReceiptMaker(private))
    forged = receipt.model_copy(update={"fields": {**receipt.fields, "seed": 123456788}})
    forged = forged.model_copy(update={"checksum": hashlib.sha256(forged.canonical).hexdigest()})
    for key in (None, PublicKey.read(public)):
        with pytest.raises(TrustError, match="changed"):
            forged.check(key)
    receipt.check(PublicKey.read(public))


def test_a_signature_that_was_taken_away_or_is_another_s_is_found_out(keys, tmp_path):
    private, public = keys
    key = PublicKey.read(public)
    with pytest.raises(TrustError, match="not signed"):
        made().check(key)
    bare = made(ReceiptMaker(private)).model_copy(update={"signature": None})
    with pytest.raises(TrustError, match="not signed"):
        bare.check()
    other, _ = make_keys(tmp_path / "other")
    with pytest.raises(TrustError, match="not signed with key"):
        made(ReceiptMaker(other)).check(key)


def test_openssl_checks_the_signature(keys, tmp_path):
    from ...signers import openssl

    private, public = keys
    receipt = made(ReceiptMaker(private))
    content, signature = tmp_path / "canonical", tmp_path / "signature"
    content.write_bytes(receipt.canonical)
    signature.write_bytes(bytes.fromhex(receipt.signature or ""))
    words = (
        "pkeyutl",
        "-verify",
        "-rawin",
        "-pubin",
        "-inkey",
        public,
        "-in",
        content,
        "-sigfile",
        signature,
    )
    assert b"Success" in openssl(*words)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"schema_version": 2}', b'{"schema_version": 1}', b"\xff" * 9, b"1" * (2 << 20)],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_no_receipt_is_refused(content):
    with pytest.raises(SchemaError, match="receipt"):
        parse_receipt(content)
