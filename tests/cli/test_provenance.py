"""`litho reproduce` and `litho audit verify`, as a person calls them."""

import hashlib
import json
from pathlib import Path

import pytest

from litho.bundle import MANIFEST_NAME, Bundle
from litho.runners import open_runner
from litho.serving.provenance.audit_check import verify_log
from litho.serving.provenance.audit_log import AuditLog, Event
from litho.serving.provenance.content_credentials import Credentials
from litho.serving.provenance.receipt import Origin
from litho.serving.provenance.stamping import Stamper

from ..serving.provenance.certificates import make_signer
from ..serving.provenance.encoded import encode
from ..signers import make_keys
from .conftest import Command, Complaint


@pytest.fixture(scope="session")
def picture(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed picture of the bundle, with content credentials; its keys lie beside it."""
    folder = tmp_path_factory.mktemp("picture")
    private, _ = make_keys(folder / "keys")
    with open_runner(bundle) as runner:
        inputs = runner.signature.check({"seed": [7], "label": [3]})
        pixels = runner.run(inputs)["image"][0]
    origin = Origin(
        model="tiny",
        variant="generator.fp32.onnx",
        grade="same picture",
        checkpoint_sha256=Bundle.load(bundle).manifest.checkpoint_sha256,
        bundle_sha256=hashlib.sha256((bundle / MANIFEST_NAME).read_bytes()).hexdigest(),
        precision="fp32",
    )
    pytest.importorskip("c2pa")
    stamper = Stamper(private, credentials=Credentials(*make_signer(folder / "signer")))
    (folder / "picture.png").write_bytes(stamper.stamp(encode(pixels), origin, inputs, pixels).content)
    return folder / "picture.png"


def test_a_picture_is_reproduced(litho_here: Command, bundle: Path, picture: Path, tmp_path: Path) -> None:
    key = picture.parent / "keys" / "public.pem"
    again = tmp_path / "again.png"
    options = ("--bundle", bundle, "--batch", 4, "--key", key, "--save", again)
    done = litho_here("reproduce", picture, *options)
    assert done.returncode == 0, done.stderr
    for words in (
        "tiny, generator.fp32.onnx",
        "seed 7",
        "verdict   same",
        "C2PA      Valid",
        "signed    with key",
    ):
        assert words in done.stdout
    assert again.read_bytes().startswith(b"\x89PNG")
    shown = json.loads(litho_here("reproduce", picture, "--bundle", bundle, "--json").stdout)
    assert shown["same"]
    assert shown["receipt"]["fields"] == {"seed": 7, "label": 3, "truncation": 1.0}
    assert shown["content_credentials"]["state"] == "Valid"


def test_the_bundle_is_looked_for_in_the_folder_bundles(
    litho_here: Command, error_of: Complaint, bundle: Path, picture: Path, tmp_path: Path
) -> None:
    assert "no bundle in bundles" in error_of(litho_here("reproduce", picture, cwd=tmp_path))
    (tmp_path / "bundles").symlink_to(bundle.parent)
    assert litho_here("reproduce", picture, cwd=tmp_path).returncode == 0


def test_what_is_not_reproduced_ends_with_1(
    litho_here: Command, error_of: Complaint, bundle: Path, picture: Path, tmp_path: Path
) -> None:
    receipt = json.loads(litho_here("reproduce", picture, "--bundle", bundle, "--json").stdout)["receipt"]
    (tmp_path / "receipt.json").write_text(json.dumps({**receipt, "version": "2"}))
    words = ("reproduce", picture, "--bundle", bundle)
    assert "has changed" in error_of(litho_here(*words, "--receipt", tmp_path / "receipt.json"))
    changed = bytearray(picture.read_bytes())
    changed[-5] ^= 1  # in the last chunk, behind the pixels
    (tmp_path / "changed.png").write_bytes(changed)
    done = litho_here("reproduce", tmp_path / "changed.png", "--bundle", bundle)
    assert done.returncode == 1
    assert "content credentials" in error_of(done)
    (tmp_path / "notes.txt").write_text("no picture")
    for more in ((), ("--receipt", tmp_path / "own.json")):
        (tmp_path / "own.json").write_text(json.dumps(receipt))
        other = litho_here("reproduce", tmp_path / "notes.txt", "--bundle", bundle, *more)
        assert f"{tmp_path / 'notes.txt'}: the file is no PNG" in error_of(other)
        assert other.returncode == 2
    for option, value in (("--save", tmp_path), ("--input", "photo.png")):
        wrong = litho_here(*words, option, value)
        assert wrong.returncode == 2
        assert f"{option} was given" in error_of(wrong)
    both = litho_here(*words, "--endpoint", "grpc://127.0.0.1:1/tiny")
    assert both.returncode == 2
    assert "one of them" in error_of(both)


def test_a_log_is_verified(litho_here: Command, error_of: Complaint, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(3):
        log.append(Event("request", {"number": number}))
    done = litho_here("audit", "verify", log.path)
    head = verify_log(log.path).head
    assert done.stdout.splitlines()[1] == f"head {head}"
    shown = json.loads(litho_here("audit", "verify", log.path, "--head", head, "--json").stdout)
    assert shown == {"entries": 3, "head": head, "notes": []}
    log.path.write_text("".join(line + "\n" for line in log.path.read_text().splitlines()[:2]))
    refused = litho_here("audit", "verify", log.path)
    assert refused.returncode == 1
    assert "the last 1 were removed" in error_of(refused)
    for words, said in (
        ((log.path, "--head", "12"), "the head was given as '12'; expected is NUMBER:HASH"),
        ((tmp_path / "none.jsonl",), "there is no audit log at"),
    ):
        badly_asked = litho_here("audit", "verify", *words)
        assert badly_asked.returncode == 2
        assert said in error_of(badly_asked)
