"""What an instance opens: its own bundle, and only one that is signed where a key is required."""

import json
import os
import shutil
from pathlib import Path

import pytest

from litho.bundle import sign_bundle
from litho.bundle.keys import PublicKey
from litho.errors import ServerStartError, TrustError, UsageError
from litho.serving.backend.instance import Instance
from litho.serving.clients.client import Client
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install

from ...signers import make_keys


def an_instance(path: Path, kind: str = "CPU", count: int = 2, **parameters: str) -> Instance:
    config = {
        "parameters": {f"litho_{name}": {"string_value": text} for name, text in parameters.items()},
        "instance_group": [{"count": count, "kind": f"KIND_{kind}"}],
    }
    return Instance.from_arguments(
        {
            "model_repository": str(path),
            "model_version": "3",
            "model_config": json.dumps(config),
            "model_instance_kind": kind,
            "model_instance_device_id": "1",
        }
    )


def test_an_instance_knows_its_version_its_device_and_its_parameters(tmp_path: Path) -> None:
    instance = an_instance(tmp_path, batching="whole", threads="")
    assert (instance.path, instance.device) == (tmp_path / "3", "cpu")
    assert [instance.parameter(name) for name in ("batching", "threads", "other")] == ["whole", None, None]
    assert an_instance(tmp_path, kind="GPU").device == "cuda:1"


def test_instances_share_the_cores_unless_the_deployment_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(5)))
    shares = [an_instance(tmp_path, count=count).threads for count in (1, 2, 3, 9)]
    assert shares == [5, 3, 2, 1]
    assert an_instance(tmp_path, kind="GPU").threads == 5
    assert an_instance(tmp_path, threads="7").threads == 7
    for wrong in ("0", "-1", "two"):
        with pytest.raises(UsageError, match=f"litho_threads was given '{wrong}'; allowed is 1 or more"):
            assert an_instance(tmp_path, threads=wrong).threads


@pytest.mark.slow
def test_a_signed_deployment_is_served_and_one_that_changed_is_not(bundle: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path / "keys")
    path = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    sign_bundle(path, key=private)
    models = tmp_path / "models"
    version = deploy(path, to=models, require_signature=public).path / "1"
    install()
    with (
        EmbeddedServer(models, require_signature=public, log=tmp_path / "log") as running,
        Client(f"{running.grpc_url}/tiny") as client,
    ):
        assert client.generate(seed=7, label=3).any()
    (version / "bundle" / "signed" / "manifest.json.sig").write_bytes(bytes(64))
    with (
        pytest.raises(TrustError, match="has changed since"),
        EmbeddedServer(models, require_signature=public),
    ):
        pass
    # Nobody asks before the start, but the deployment does: model.py refuses.
    with (
        pytest.raises(ServerStartError, match=r"is not what key \w+ signed"),
        EmbeddedServer(models, log=tmp_path / "log"),
    ):
        pass


@pytest.mark.slow
def test_a_server_may_require_a_key_of_a_deployment_that_requires_none(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, public = make_keys(tmp_path / "keys")
    deploy(bundle, to=tmp_path / "models")
    install()
    monkeypatch.setenv("LITHO_REQUIRE_SIGNATURE", PublicKey.read(public).text)
    with (
        pytest.raises(ServerStartError, match="is not signed"),
        EmbeddedServer(tmp_path / "models", log=tmp_path / "log"),
    ):
        pass
