"""A repository of which every model is signed; tests/attack/test_trust.py has all that is refused."""

from pathlib import Path

import pytest

from litho.bundle import sign_bundle
from litho.bundle.keys import PublicKey
from litho.bundle.manifest import Verdict
from litho.errors import DeployError, TrustError
from litho.files import sha256
from litho.serving.repository.deploy import deploy
from litho.serving.repository.trust import check_repository

from ...signers import make_keys
from ..conftest import Make, as_deployed_before


def test_every_model_must_be_signed_with_the_key(variant_of: Make, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    key = PublicKey.read(public)
    models = tmp_path / "models"
    for name in ("one", "two"):
        bundle = variant_of(name)
        sign_bundle(bundle.path, key=private)
        deploy(bundle, to=models)
    check_repository(models, key)
    deploy(variant_of("three"), to=models)
    with pytest.raises(TrustError, match=r"three.* is not signed"):
        check_repository(models, key)


def test_a_variant_that_its_signer_says_failed_is_refused(variant_of: Make, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    failed = {"verdict": Verdict(status="failed", reason="too dark").model_dump()}
    bundle = variant_of("failed", variant=failed)
    sign_bundle(bundle.path, key=private)
    name = bundle.manifest.variants[0].name
    deploy(bundle, to=tmp_path / "models", variant=name, accept_failed=[name], require_signature=public)
    with pytest.raises(TrustError, match="whose signed verdict is 'failed'"):
        check_repository(tmp_path / "models", PublicKey.read(public))


def test_a_model_of_somebody_else_is_refused(tmp_path: Path) -> None:
    _, public = make_keys(tmp_path / "keys")
    (tmp_path / "models" / "other").mkdir(parents=True)
    (tmp_path / "models" / "other" / "config.pbtxt").write_text('backend: "python"\n')
    with pytest.raises(DeployError, match="not deployed by litho"):
        check_repository(tmp_path / "models", PublicKey.read(public))


def test_only_a_program_of_litho_that_checks_signatures_runs_in_backend_python(
    variant_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = make_keys(tmp_path / "keys")
    bundle = variant_of("old")
    sign_bundle(bundle.path, key=private)
    model = deploy(bundle, to=tmp_path / "models").path
    as_deployed_before(model)  # by version 0.1, which checked none
    with pytest.raises(TrustError, match=r"model\.py is not litho's own"):
        check_repository(tmp_path / "models", PublicKey.read(public))
    known = sha256(model / "1" / "model.py")
    monkeypatch.setattr("litho.serving.repository.trust._OWN_PROGRAMS", {known})
    (model / "1" / "__pycache__").mkdir()
    (model / "1" / "__pycache__" / "model.cpython-311.pyc").write_bytes(b"other")
    check_repository(tmp_path / "models", PublicKey.read(public))
    assert not (model / "1" / "__pycache__").exists()
