"""Pictures as they leave a gateway: receipt in the file, signed, and content credentials where there are some."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from litho.bundle.keys import PublicKey
from litho.errors import UsageError
from litho.serving.provenance.content_credentials import Credentials, read_credentials
from litho.serving.provenance.picture_metadata import read_receipt
from litho.serving.provenance.receipt import Origin, pixels_sha256
from litho.serving.provenance.stamping import Stamper, make_stamper

from ...signers import make_keys
from .certificates import make_signer

ORIGIN = Origin("digits", "generator.fp32.onnx", "same picture", "a" * 64)
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
FIELDS = {"seed": np.array([7])}


def encoded(form: str) -> bytes:
    made = BytesIO()
    Image.fromarray(PIXELS).save(made, form.upper(), quality=80)
    return made.getvalue()


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_a_picture_gets_its_receipt(form):
    stamped = Stamper().stamp(encoded(form), ORIGIN, FIELDS, PIXELS, request_id="r-1", quality=80)
    assert read_receipt(stamped.content) == stamped.receipt
    assert stamped.receipt.pixels_sha256 == pixels_sha256(PIXELS)
    assert (stamped.receipt.file_format, stamped.receipt.quality, stamped.receipt.signer) == (form, 80, None)
    stamped.receipt.check()


def test_with_a_key_and_a_certificate_both_sign(tmp_path):
    pytest.importorskip("c2pa")
    private, public = make_keys(tmp_path / "keys")
    stamper = Stamper(private, credentials=Credentials(*make_signer(tmp_path / "signer")))
    stamped = stamper.stamp(encoded("png"), ORIGIN, FIELDS, PIXELS)
    read_receipt(stamped.content).check(PublicKey.read(public))
    state = read_credentials(stamped.content)
    assert state is not None
    assert state.state == "Valid"


def test_a_certificate_needs_its_key(tmp_path):
    for given in ({"c2pa_key": tmp_path / "key.pem"}, {"c2pa_certificate": tmp_path / "chain.pem"}):
        with pytest.raises(UsageError, match="is missing"):
            make_stamper(**given)


def test_the_password_of_a_key_is_in_the_environment(tmp_path, monkeypatch):
    private, _ = make_keys(tmp_path, "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret")
    monkeypatch.delenv("LITHO_KEY_PASSWORD", raising=False)
    with pytest.raises(UsageError, match="LITHO_KEY_PASSWORD"):
        make_stamper(private)
    monkeypatch.setenv("LITHO_KEY_PASSWORD", "secret")
    assert make_stamper(private).stamp(encoded("png"), ORIGIN, FIELDS, PIXELS).receipt.signature
