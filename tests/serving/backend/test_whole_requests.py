"""Whole requests on a real server: batches of other clients' requests, sizes, runtimes."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch

from litho.bundle import Bundle
from litho.errors import EndpointUnavailable, LithoError
from litho.export.build import export
from litho.parity.verify import verify
from litho.runners import open_runner
from litho.serving.backend.in_hand import DRAIN_VARIABLE, read_records
from litho.serving.clients.client import Client
from litho.serving.repository.deploy import deploy
from litho.serving.server.embedded import EmbeddedServer
from litho.serving.server.environment import install
from litho.training.run.snapshot import save_snapshot

from ...smallest import smallest_generator
from ..conftest import assert_same_pictures

SIZES = [(8, 8), (16, 32), (16, 16), (32, 16), (64, 64)]


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
def test_while_the_server_drains_requests_are_refused_as_unavailable(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv(DRAIN_VARIABLE, str(tmp_path / "state" / "drain"))
    deploy(bundle, to=tmp_path / "models", name="tiny")
    install()
    with (
        EmbeddedServer(tmp_path / "models", log=tmp_path / "log") as server,
        open_runner(f"{server.grpc_url}/tiny") as endpoint,
    ):
        (stub, *_) = psutil.Process(server.process_id).children()
        drain = Path(stub.environ()[DRAIN_VARIABLE])
        first = endpoint.generate(seed=[7], label=3)
        drain.touch()
        with pytest.raises(EndpointUnavailable, match="is shutting down"):
            endpoint.generate(seed=[7], label=3)
        records = read_records(drain)
        assert stub.pid in records
        assert {record.in_hand for record in records.values()} == {0}
        drain.unlink()
        assert (endpoint.generate(seed=[7], label=3) == first).all()
