"""C2PA content credentials: real certificates, read back by c2pa-python."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image

from litho.errors import CertificateError, UsageError
from litho.serving.provenance.content_credentials import Credentials, read_credentials
from litho.serving.provenance.picture_metadata import PictureFormat, embed, read_receipt
from litho.serving.provenance.receipt import Origin, ReceiptMaker

from .certificates import make_self_signed, make_signer

c2pa = pytest.importorskip("c2pa")

PIXELS = np.random.default_rng(0).integers(0, 256, (24, 16, 3), np.uint8)
FIELDS = {"seed": np.array([7]), "latent": np.linspace(0, 1, 5, dtype=np.float32)}
RECEIPT = ReceiptMaker().make(
    Origin("digits", "generator.fp32.onnx", "same picture", "a" * 64), FIELDS, PIXELS
)
FORMATS: tuple[PictureFormat, ...] = ("png", "jpeg", "webp")


@pytest.fixture(scope="module")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    return Credentials(*make_signer(tmp_path_factory.mktemp("signer")))


def encoded(form: PictureFormat) -> bytes:
    made = BytesIO()
    Image.fromarray(PIXELS).save(made, form.upper())
    return embed(made.getvalue(), RECEIPT, form)


@pytest.mark.parametrize("form", FORMATS)
def test_they_are_valid_and_hold_the_receipt_beside_the_one_in_the_file(credentials, form):
    before = encoded(form)
    signed = credentials.sign(before, RECEIPT, form)
    state = read_credentials(signed)
    assert state is not None
    assert (state.state, state.signer, state.problems) == ("Valid", "Example Signer, Example", ())
    assert read_receipt(signed) == RECEIPT
    with Image.open(BytesIO(before)) as one, Image.open(BytesIO(signed)) as two:
        assert one.tobytes() == two.tobytes()
    with c2pa.Reader(f"image/{form}", BytesIO(signed)) as reader:
        document = json.loads(reader.json())
    manifest = document["manifests"][document["active_manifest"]]
    held = {one["label"]: one["data"] for one in manifest["assertions"]}
    assert held["litho.receipt"]["receipt"] == RECEIPT.to_json()
    (action,) = held["c2pa.actions.v2"]["actions"]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"].endswith("/trainedAlgorithmicMedia")
    assert len(signed) < len(before) + 8192


@pytest.mark.parametrize("form", FORMATS)
def test_a_changed_byte_is_found_out(credentials, form):
    changed = bytearray(credentials.sign(encoded(form), RECEIPT, form))
    at = (
        changed.rindex(b"IDAT") + 20
        if form == "png"
        else -9
        if form == "jpeg"
        else changed.index(b"VP8 ") + 40
    )
    changed[at] ^= 1
    state = read_credentials(bytes(changed))
    assert state is not None
    assert state.state == "Invalid"
    assert state.problems


def test_a_file_without_them(credentials):
    assert read_credentials(encoded("png")) is None


def test_several_threads_sign(credentials):
    content = encoded("png")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: credentials.sign(content, RECEIPT, "png"), range(16)))
    assert {read_credentials(one).state for one in made} == {"Valid"}


def test_a_certificate_that_c2pa_does_not_accept_is_refused_at_the_start(tmp_path):
    with pytest.raises(UsageError, match="cannot sign content credentials"):
        Credentials(*make_self_signed(tmp_path))


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)], ids=["expired", "not yet"])
def test_a_certificate_of_another_time_is_said_to_be_so(tmp_path: Path, days: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=r"is valid from .* clock says .* renew the certificate"):
        Credentials(*make_signer(tmp_path, days=days))


def test_a_certificate_that_ends_signs_no_more_and_a_renewed_one_does(tmp_path: Path) -> None:
    later = timedelta()
    files = make_signer(tmp_path / "old", days=(-1, 1))
    credentials = Credentials(*files, clock=lambda: datetime.now(UTC) + later)
    credentials.check()
    later = timedelta(days=3)
    for ask in (credentials.check, lambda: credentials.sign(encoded("png"), RECEIPT, "png")):
        with pytest.raises(CertificateError, match="renew the certificate, or set the clock"):
            ask()
    with pytest.raises(UsageError, match="renew the certificate"):
        credentials.load()
    for new, old in zip(make_signer(tmp_path / "new", days=(-1, 30)), files, strict=True):
        new.replace(old)
    assert credentials.load() > datetime.now(UTC) + timedelta(days=20)
    state = read_credentials(credentials.sign(encoded("png"), RECEIPT, "png"))
    assert state is not None
    assert state.state == "Valid"


def test_files_that_cannot_be_used_are_refused(tmp_path):
    chain, key = make_signer(tmp_path / "one")
    _, other = make_signer(tmp_path / "two", ec.SECP384R1())
    _, strange = make_signer(tmp_path / "three", ec.SECP256K1())
    for words, given in {
        "no file": (tmp_path / "none.pem", key),
        "no certificate in PEM form": (key, key),
        "no private key in PEM form": (chain, chain),
        "not the private key of": (chain, other),
        "does not know": (strange.with_name("chain.pem"), strange),
    }.items():
        chain.chmod(0o600)
        with pytest.raises(UsageError, match=words):
            Credentials(*given)
    key.chmod(0o644)
    with pytest.raises(UsageError, match="chmod 600"):
        Credentials(chain, key)


def test_another_curve(tmp_path: Path):
    credentials = Credentials(*make_signer(tmp_path, ec.SECP384R1()))
    state = read_credentials(credentials.sign(encoded("png"), RECEIPT, "png"))
    assert state is not None
    assert state.state == "Valid"
