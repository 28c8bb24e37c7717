"""The backend on a real server, beside deployments of an older litho, which brought a program of their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import litho
from litho.bundle import Bundle
from litho.errors import ServerStartError
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.serving.clients.client import Client
from litho.serving.repository.deploy import deploy
from litho.serving.repository.operations import rollback
from litho.serving.repository.versions import deployed
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install

from ..conftest import as_deployed_before

REFERENCE = Path(litho.__file__).with_name("model_repository")


@pytest.fixture(scope="module")
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    root = tmp_path_factory.mktemp("repository")
    shutil.copy(REFERENCE / "README.md", root)
    shutil.copytree(REFERENCE / "cgan-litho", root / "cgan-litho")
    for name in ("cgan-litho", "old", "back"):
        assert deploy(Bundle.load(bundle), to=root, name=name).version == 1
    for name in ("old", "back"):
        as_deployed_before(root / name)
    assert deploy(Bundle.load(bundle), to=root, name="back").version == 2
    assert rollback(root, "back").version == 1
    install()
    with EmbeddedServer(root, log=root.with_suffix(".log")) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cgan-litho", "old", "back"])
def test_a_deployment_answers_and_verifies(name: str, served: EmbeddedServer, bundle: Path) -> None:
    endpoint = f"{served.grpc_url}/{name}"
    with open_runner(bundle) as local, Client(endpoint) as client:
        expected = local.run({"seed": np.arange(9), "label": np.arange(9)})["image"]
        answered = client.generate(seed=range(9), label=range(9))
    assert np.abs(answered.astype(int) - expected).max() <= 1
    (outcome,) = verify(bundle, endpoint=endpoint)
    assert outcome.verdict.status == "passed", outcome.verdict.reason


def test_a_deployment_of_an_older_litho_is_described_and_replaced(bundle: Path, tmp_path: Path) -> None:
    first = deploy(bundle, to=tmp_path)
    as_deployed_before(first.path)
    assert deployed(tmp_path, "tiny") == first
    second = deploy(bundle, to=tmp_path)
    assert second.version == 2
    assert sorted(path.name for path in (second.path / "2").iterdir()) == ["bundle", "config.pbtxt", "warmup"]
    assert rollback(tmp_path, "tiny").version == 1


@pytest.mark.slow
def test_a_batching_that_this_litho_does_not_know_is_refused(bundle: Path, tmp_path: Path) -> None:
    config = deploy(bundle, to=tmp_path / "models").path / "config.pbtxt"
    text = 'parameters { key: "litho_batching" value { string_value: "none" } }'
    config.write_text(f"{config.read_text()}\n{text}\n")
    install()
    with (
        pytest.raises(ServerStartError, match=r"batching 'none'.*whole"),
        EmbeddedServer(tmp_path / "models", log=tmp_path / "log"),
    ):
        pass
