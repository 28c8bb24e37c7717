"""A picture is made again from its receipt: by the bundle, in a batch, by another export, through a server."""

import base64
import hashlib
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from litho.bundle import MANIFEST_NAME, Bundle
from litho.bundle.keys import PublicKey
from litho.errors import DataError, IntegrityError, ProofError, TrustError, UsageError
from litho.runners import open_runner
from litho.serving.gateway.program import Program
from litho.serving.provenance.picture_metadata import embed
from litho.serving.provenance.receipt import Origin, Receipt
from litho.serving.provenance.reproduce import Again, find_bundle, read_picture_receipt, reproduce
from litho.serving.provenance.stamping import Stamper
from litho.serving.server.embedded import EmbeddedServer

from ...signers import make_keys
from .encoded import encode


@pytest.fixture(scope="module")
def origin(bundle: Path) -> Origin:
    content = (bundle / MANIFEST_NAME).read_bytes()
    return Origin(
        model="tiny",
        variant="generator.fp32.onnx",
        grade="same picture",
        checkpoint_sha256=Bundle.load(bundle).manifest.checkpoint_sha256,
        bundle_sha256=hashlib.sha256(content).hexdigest(),
        precision="fp32",
        version="1",
    )


@pytest.fixture(scope="module")
def made(bundle: Path):
    """Inputs and pixels of one picture."""
    with open_runner(bundle) as runner:
        inputs = runner.signature.check({"seed": [123456789], "label": [3]})
        return inputs, runner.run(inputs)["image"][0]


@pytest.fixture(scope="module")
def pictures(bundle, made, origin, tmp_path_factory) -> Path:
    """A folder with the picture in all formats."""
    folder = tmp_path_factory.mktemp("pictures")
    for form, quality in (("png", None), ("jpeg", 80), ("webp", 80)):
        encoded = encode(made[1], form, quality or 100)
        stamped = Stamper().stamp(encoded, origin, made[0], made[1], quality=quality)
        (folder / f"picture.{form}").write_bytes(stamped.content)
    return folder


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("batch", [1, 8])
def test_the_bundle_makes_it_again(bundle, pictures, form, batch):
    found = reproduce(pictures / f"picture.{form}", bundle, Again(batch=batch))
    assert found.judgement.same, found.judgement.reason
    assert found.judgement.difference is not None
    assert found.notes == ()
    assert found.made_by.startswith("generator.fp32.onnx")


def test_a_server_makes_it_again(server: EmbeddedServer, pictures):
    for batch in (1, 5):
        found = reproduce(pictures / "picture.png", f"{server.grpc_url}/tiny", Again(batch=batch))
        assert found.judgement.same, found.judgement.reason
        assert found.notes == ()
    with pytest.raises(UsageError, match="leave --variant out"):
        reproduce(pictures / "picture.png", f"{server.grpc_url}/tiny", Again(variant="fp16"))


@pytest.mark.parametrize(
    "asked", [{"output_format": "png"}, {"output_format": "webp", "output_compression": 70}]
)
def test_a_picture_of_the_gateway(gateway: Program, server: EmbeddedServer, bundle, tmp_path, asked):
    body = json.dumps({"model": "tiny", "label": 3, "n": 2, "truncation": 0.7, **asked}).encode()
    request = urllib.request.Request(
        f"{gateway.url}/v1/images/generations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        pictures = json.load(answer)["data"]
    assert len({one["seed"] for one in pictures}) == 2
    for one in pictures:
        file = tmp_path / "picture"
        file.write_bytes(base64.b64decode(one["b64_json"]))
        receipt = read_picture_receipt(file)
        assert receipt.to_document() == one["receipt"]
        assert receipt.fields == {"seed": one["seed"], "label": 3, "truncation": 0.7}
        assert receipt.request_id
        for target, again in ((f"{server.grpc_url}/tiny", Again(batch=4)), (bundle, Again())):
            found = reproduce(file, target, again)
            assert found.judgement.same, found.judgement.reason
            assert found.notes == ()


def test_an_altered_digit_is_found_out(bundle, pictures, tmp_path):
    content = (pictures / "picture.png").read_bytes()
    receipt = read_picture_receipt(pictures / "picture.png")
    changed = receipt.to_json().replace("123456789", "123456788")
    (tmp_path / "changed.json").write_text(changed)
    with pytest.raises(IntegrityError, match="checksum"):
        reproduce(pictures / "picture.png", bundle, receipt_file=tmp_path / "changed.json")
    forged = Receipt.model_validate_json(changed)
    forged = forged.model_copy(update={"checksum": hashlib.sha256(forged.canonical).hexdigest()})
    (tmp_path / "forged.png").write_bytes(embed(encode(np.zeros(receipt.shape, np.uint8)), forged))
    assert not reproduce(tmp_path / "forged.png", bundle).judgement.same
    (tmp_path / "forged.json").write_text(forged.to_json())
    (tmp_path / "picture.png").write_bytes(content)
    found = reproduce(tmp_path / "picture.png", bundle, receipt_file=tmp_path / "forged.json")
    assert (found.judgement.same, found.judgement.identical) == (False, False)
    assert "another picture" in found.judgement.reason


def test_the_key_of_another_is_found_out(bundle, made, origin, tmp_path):
    private, public = make_keys(tmp_path / "one")
    _, other = make_keys(tmp_path / "two")
    file = tmp_path / "picture.png"
    file.write_bytes(Stamper(private).stamp(encode(made[1]), origin, made[0], made[1]).content)
    assert reproduce(file, bundle, key=PublicKey.read(public)).judgement.same
    with pytest.raises(TrustError, match="not signed with key"):
        reproduce(file, bundle, key=PublicKey.read(other))


def test_other_weights_cannot_make_it(bundle, made, origin, tmp_path):
    other = Origin(**{**vars(origin), "checkpoint_sha256": "c" * 64})
    file = tmp_path / "picture.png"
    file.write_bytes(Stamper().stamp(encode(made[1]), other, made[0], made[1]).content)
    with pytest.raises(ProofError, match="another model made the picture"):
        reproduce(file, bundle)


def test_another_export_of_the_same_weights_may(bundle, made, origin, tmp_path):
    other = Origin(**{**vars(origin), "bundle_sha256": "c" * 64, "variant": "generator.fp99.onnx"})
    file = tmp_path / "picture.png"
    file.write_bytes(Stamper().stamp(encode(made[1]), other, made[0], made[1]).content)
    found = reproduce(file, bundle)
    assert found.judgement.same
    assert len(found.notes) == 2


def test_the_bundle_is_found_in_a_folder(bundle, pictures, tmp_path):
    receipt = read_picture_receipt(pictures / "picture.png")
    assert find_bundle(receipt, bundle.parent) == bundle
    with pytest.raises(UsageError, match="no bundle in"):
        find_bundle(receipt, tmp_path)
    changed = json.loads((bundle / MANIFEST_NAME).read_text())
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / MANIFEST_NAME).write_text(json.dumps({**changed, "name": "again"}))
    assert find_bundle(receipt, tmp_path) == tmp_path / "again"


def test_what_cannot_be_asked_for(bundle, pictures, tmp_path):
    picture = pictures / "picture.png"
    with pytest.raises(UsageError, match="allowed are 1 to"):
        reproduce(picture, bundle, Again(batch=100_000))
    with pytest.raises(UsageError, match="there is no picture"):
        reproduce(tmp_path / "absent.png", bundle)
    (tmp_path / "plain.png").write_bytes(encode(np.zeros((8, 8, 3), np.uint8)))
    with pytest.raises(DataError, match="holds no receipt"):
        reproduce(tmp_path / "plain.png", bundle)
