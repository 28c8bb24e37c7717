"""`model.py` on a real server: deployed onto the reference repository, and as an older litho deployed it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import litho
from litho.bundle import Bundle
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.serving.client import Client
from litho.serving.environment import install
from litho.serving.repository import deploy
from litho.serving.server import EmbeddedServer

pytestmark = pytest.mark.slow

REFERENCE = Path(litho.__file__).with_name("model_repository")
OLD_MODEL = Path(__file__).with_name("data") / "deployed_model.py"
"""`model.py` as version 0.1 wrote it, before the modules of litho moved into folders."""


@pytest.fixture(scope="module")
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    root = tmp_path_factory.mktemp("repository")
    for file in ("README.md", "model.py"):
        shutil.copy(REFERENCE / file, root)
    shutil.copytree(REFERENCE / "cgan-python", root / "cgan-python")
    for name in ("cgan-python", "old"):
        assert deploy(Bundle.load(bundle), to=root, name=name).version == 1
    shutil.copy(OLD_MODEL, root / "old" / "1" / "model.py")
    install()
    with EmbeddedServer(root, log=root.with_suffix(".log")) as running:
        yield running


@pytest.mark.parametrize("name", ["cgan-python", "old"])
def test_a_deployment_answers_and_verifies(name: str, served: EmbeddedServer, bundle: Path) -> None:
    endpoint = f"{served.grpc_url}/{name}"
    with open_runner(bundle) as local, Client(endpoint) as client:
        expected = local.run({"seed": np.arange(9), "label": np.arange(9)})["image"]
        answered = client.generate(seed=range(9), label=range(9))
    assert np.abs(answered.astype(int) - expected).max() <= 1
    (outcome,) = verify(bundle, endpoint=endpoint)
    assert outcome.verdict.status == "passed", outcome.verdict.reason
