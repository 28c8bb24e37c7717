"""A generator of several stages on a running server: a tiny text-to-image flow."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from litho.bundle import Bundle, create_bundle
from litho.bundle.manifest import FileRecord, Verdict
from litho.errors import DeployError, UsageError
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.serving.client import Client
from litho.serving.configuration import parse_config
from litho.serving.environment import install
from litho.serving.generate import generate
from litho.serving.repository import deploy
from litho.serving.server import EmbeddedServer

GRAPHS = [f"{stage}.fp32.onnx" for stage in ("text_encoder", "denoiser", "decoder")]
Make = Callable[..., Bundle]


@pytest.fixture
def changed(flow_bundle: Path, tmp_path: Path) -> Make:
    """Makes bundles of the tiny flow's files, one of them or the denoiser's verdict changed."""

    def make(verdict: Verdict | None = None, **files: bytes) -> Bundle:
        original = Bundle.load(flow_bundle)
        variants = [
            variant.model_copy(update={"verdict": verdict})
            if verdict and variant.stage == "denoiser"
            else variant
            for variant in original.manifest.variants
        ]
        with create_bundle(tmp_path / "flow") as writer:
            for file in original.manifest.files:
                writer.add(file, files.get(Path(file).stem, original.read(file)))
            fields = original.manifest.model_dump(exclude={"files", "variants", "schema_version"})
            writer.finish(**fields, variants=tuple(variants))
        return Bundle.load(tmp_path / "flow")

    return make


def test_a_deployment_holds_a_graph_of_each_stage_and_the_tokenizer(
    flow_bundle: Path, tmp_path: Path
) -> None:
    deployment = deploy(Bundle.load(flow_bundle), to=tmp_path)
    assert deployment.served.variant == ",".join(GRAPHS)
    inner = Bundle.load(deployment.path / "1" / "bundle")
    assert set(inner.manifest.files) == {*(f"graphs/{graph}" for graph in GRAPHS), "tokenizer.json"}
    with open_runner(inner) as runner:
        assert runner.signature == deployment.served.signature
        assert runner.run({"seed": 1, "prompt": "a circle"})["image"].any()


def test_a_sampler_is_not_kept_waiting_by_its_largest_batch(flow_bundle: Path, tmp_path: Path) -> None:
    config = parse_config((deploy(Bundle.load(flow_bundle), to=tmp_path).path / "config.pbtxt").read_text())
    assert config.max_batch_size == 64
    assert [entry.batch_size for entry in config.model_warmup] == [1, 8]
    assert set(config.model_warmup[0].inputs) == {"seed", "prompt"}


def test_the_same_again_writes_nothing_and_another_tokenizer_is_deployed_anew(
    flow_bundle: Path, changed: Make, tmp_path: Path
) -> None:
    first = deploy(Bundle.load(flow_bundle), to=tmp_path / "repository")
    assert deploy(Bundle.load(flow_bundle), to=tmp_path / "repository") == first
    tokenizer = (flow_bundle / "tokenizer.json").read_bytes()
    other = changed(tokenizer=tokenizer + b"\n")
    assert other.manifest.files["tokenizer.json"] != FileRecord.of(tokenizer)
    assert deploy(other, to=tmp_path / "repository").version == 2


def test_a_stage_that_did_not_pass_keeps_the_whole_from_being_deployed(changed: Make, tmp_path: Path) -> None:
    failed = changed(Verdict(status="failed", reason="too dark"))
    with pytest.raises(DeployError, match=r"denoiser.*too dark.*--accept-failed denoiser\.fp32\.onnx"):
        deploy(failed, to=tmp_path / "repository", variant=GRAPHS[1])
    insisted = deploy(failed, to=tmp_path / "repository", variant=GRAPHS[1], accept_failed=[GRAPHS[1]])
    assert insisted.served.accepted_failed


def test_several_stages_are_no_model_for_the_onnxruntime_backend(flow_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"3 stages .* deploy it with flavour 'python'") as refused:
        deploy(Bundle.load(flow_bundle), to=tmp_path, flavour="onnxruntime")
    assert "\n" not in str(refused.value)
    assert not any(tmp_path.glob("flow/*"))


@pytest.fixture(scope="module")
def flow_server(flow_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A running server of the tiny flow."""
    repository = tmp_path_factory.mktemp("repository")
    deploy(Bundle.load(flow_bundle), to=repository)
    install()
    with EmbeddedServer(repository, log=tmp_path_factory.mktemp("server") / "server.log") as running:
        yield running


def assert_same_pictures(given: np.ndarray, expected: np.ndarray) -> None:
    """The determinism contract."""
    difference = np.abs(given.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


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
def test_litho_generate_asks_bundle_and_server_alike(
    flow_bundle: Path, flow_server: EmbeddedServer, tmp_path: Path
) -> None:
    values = {"seed": "0-2", "prompt": "a red circle, a blue square", "steps": "1,2,64", "guidance": "3"}
    local, served = (
        generate(target, values, tmp_path / name)
        for name, target in (("local", flow_bundle), ("served", f"{flow_server.grpc_url}/flow"))
    )
    assert [file.name for file in local] == [file.name for file in served]
    assert len({file.read_bytes() for file in local}) == 3
    for ours, theirs in zip(local, served, strict=True):
        with Image.open(ours) as one, Image.open(theirs) as other:
            assert_same_pictures(np.asarray(other), np.asarray(one))


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
