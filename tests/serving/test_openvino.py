"""A variant for OpenVINO, served: the embedded server's environment has what it needs."""

from pathlib import Path

import pytest

from litho.bundle import Bundle
from litho.errors import UsageError
from litho.export.build import export
from litho.parity.verify import verify
from litho.serving.environment import install
from litho.serving.repository import deploy
from litho.serving.server import EmbeddedServer

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def both(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    to = tmp_path_factory.mktemp("bundles") / "both"
    return export(run, to=to, precisions=("bf16",), runtimes=("onnxruntime", "openvino"), timed=False)


@pytest.mark.slow
def test_it_is_served_with_the_same_pictures(both: Bundle, tmp_path: Path) -> None:
    deploy(both, to=tmp_path / "repository", name="tiny", variant="generator.bf16.openvino.onnx")
    install()
    with EmbeddedServer(tmp_path / "repository", log=tmp_path / "server.log") as server:
        (outcome,) = verify(both.path, endpoint=f"{server.grpc_url}/tiny")
    assert outcome.verdict.status == "passed", outcome.verdict.reason


def test_containers_are_given_graphs_for_onnx_runtime_only(both: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="onnxruntime"):
        deploy(
            both,
            to=tmp_path,
            name="tiny",
            variant="generator.bf16.openvino.onnx",
            flavour="onnxruntime",
        )
