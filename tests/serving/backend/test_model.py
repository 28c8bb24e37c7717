"""`model.py` on a real server: deployed onto the reference repository, and as an older litho deployed it."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

import litho
from litho.bundle import Bundle, sign_bundle
from litho.bundle.keys import PublicKey
from litho.errors import LithoError, ServerStartError, TrustError
from litho.export.build import export
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.serving.client import Client
from litho.serving.environment import install
from litho.serving.repository import deploy
from litho.serving.server import EmbeddedServer
from litho.training.run.snapshot import save_snapshot

from ...signers import make_keys
from ...smallest import smallest_generator
from ..conftest import assert_same_pictures

REFERENCE = Path(litho.__file__).with_name("model_repository")
OLD_MODEL = Path(__file__).with_name("data") / "deployed_model.py"
"""`model.py` as version 0.1 wrote it, before the modules of litho moved into folders."""

SIZES = [(8, 8), (16, 32), (16, 16), (32, 16), (64, 64)]


@pytest.fixture(scope="module")
def served(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    root = tmp_path_factory.mktemp("repository")
    shutil.copy(REFERENCE / "README.md", root)
    shutil.copytree(REFERENCE / "cgan-python", root / "cgan-python")
    for name in ("cgan-python", "old"):
        assert deploy(Bundle.load(bundle), to=root, name=name).version == 1
    shutil.copy(OLD_MODEL, root / "old" / "1" / "model.py")
    install()
    with EmbeddedServer(root, log=root.with_suffix(".log")) as running:
        yield running


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cgan-python", "old"])
def test_a_deployment_answers_and_verifies(name: str, served: EmbeddedServer, bundle: Path) -> None:
    endpoint = f"{served.grpc_url}/{name}"
    with open_runner(bundle) as local, Client(endpoint) as client:
        expected = local.run({"seed": np.arange(9), "label": np.arange(9)})["image"]
        answered = client.generate(seed=range(9), label=range(9))
    assert np.abs(answered.astype(int) - expected).max() <= 1
    (outcome,) = verify(bundle, endpoint=endpoint)
    assert outcome.verdict.status == "passed", outcome.verdict.reason


@pytest.mark.slow
def test_the_probes_pass_through_the_server(flow_bundle: Path, flow_server: EmbeddedServer) -> None:
    (outcome,) = verify(flow_bundle, endpoint=f"{flow_server.grpc_url}/flow")
    assert outcome.verdict.status == "passed", outcome.verdict.reason


@pytest.mark.slow
def test_clients_with_other_prompts_steps_and_guidance_share_batches_and_no_pictures(
    flow_bundle: Path, flow_server: EmbeddedServer
) -> None:
    count = 96
    inputs: dict[str, Any] = {
        "seed": np.arange(count),
        "prompt": [f"a circle of size {row % 7}, круг" for row in range(count)],
        "steps": np.arange(count) * 5 % 64 + 1,
        "guidance": (np.arange(count) % 11).astype(np.float32),
    }
    with open_runner(flow_bundle) as local:
        expected = local.run(inputs)["image"]
    with (
        Client(flow_server.grpc_url, "flow") as client,
        ThreadPoolExecutor(16) as threads,
    ):
        before = client.statistics()

        def ask(row: int) -> np.ndarray:
            return client.generate(**{name: values[row] for name, values in inputs.items()})[0]

        served = np.stack(list(threads.map(ask, range(count))))
        assert (client.statistics() - before).mean_batch > 1
    assert_same_pictures(served, expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("prompt", "steps", "complaint"),
    [
        (b"\xff", 1, "not UTF-8"),
        (b"a" * 5000, 1, "a text of 5000 bytes"),
        (b"a", 0, "'steps' was given value 0"),
        (b"a", 65, "'steps' was given value 65"),
    ],
)
def test_a_foreign_client_is_told_what_is_allowed(
    prompt: bytes, steps: int, complaint: str, flow_server: EmbeddedServer
) -> None:
    inputs = [
        InferInput("prompt", [1, 1], "BYTES").set_data_from_numpy(np.array([[prompt]], dtype=object)),
        InferInput("seed", [1, 1], "INT64").set_data_from_numpy(np.array([[7]])),
        InferInput("steps", [1, 1], "INT64").set_data_from_numpy(np.array([[steps]])),
    ]
    with InferenceServerClient(flow_server.grpc_url.removeprefix("grpc://")) as client:
        with pytest.raises(InferenceServerException, match=complaint):
            client.infer("flow", inputs)
        answer = client.infer("flow", inputs[1:2] + [_prompt("a circle")])
    assert answer.as_numpy("image").shape == (1, 8, 8, 3)


def _prompt(text: str) -> InferInput:
    return InferInput("prompt", [1, 1], "BYTES").set_data_from_numpy(
        np.array([[text.encode()]], dtype=object)
    )


@pytest.mark.slow
def test_requests_of_different_sizes_do_not_meet_in_a_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = smallest_generator("pix2pix", resolution=16)
    save_snapshot(tmp_path / "run", generator, family="pix2pix", preset="none")
    bundle = export(tmp_path / "run", to=tmp_path / "bundle", size="free", timed=False)
    deploy(bundle, to=tmp_path / "repository", name="free")
    install()
    random = np.random.default_rng(0)
    sources = [random.integers(0, 256, (*SIZES[n % len(SIZES)], 3), dtype=np.uint8) for n in range(40)]
    with (
        open_runner(bundle) as runner,
        EmbeddedServer(tmp_path / "repository", log=tmp_path / "log") as server,
    ):
        with Client(server.grpc_url, "free") as client, ThreadPoolExecutor(16) as pool:
            served = list(
                pool.map(lambda n: client.generate(seed=[n], source=sources[n][None]), range(len(sources)))
            )
            for n, made in enumerate(served):
                wanted = runner.run({"seed": [n], "source": sources[n][None]})["image"]
                assert made.shape == wanted.shape
                assert np.abs(made.astype(int) - wanted).max() <= 1
            with pytest.raises(LithoError, match="height and width 8 to 64, divisible by 4"):
                client.generate(seed=[0], source=np.zeros((1, 10, 16, 3), np.uint8))
        (outcome,) = verify(bundle.path, endpoint=f"{server.grpc_url}/free")
    assert outcome.verdict.status == "passed", outcome.verdict.reason


@pytest.mark.slow
def test_a_variant_for_openvino_is_served_with_the_same_pictures(both: Bundle, tmp_path: Path) -> None:
    deploy(both, to=tmp_path / "repository", name="tiny", variant="generator.bf16.openvino.onnx")
    install()
    with EmbeddedServer(tmp_path / "repository", log=tmp_path / "server.log") as server:
        (outcome,) = verify(both.path, endpoint=f"{server.grpc_url}/tiny")
    assert outcome.verdict.status == "passed", outcome.verdict.reason


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
