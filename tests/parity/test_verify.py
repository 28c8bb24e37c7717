import shutil
from pathlib import Path

import pytest

from litho.errors import EndpointError, IntegrityError, UsageError
from litho.parity.verify import verify


def test_every_variant_of_an_untouched_bundle_passes(bundle: Path) -> None:
    (outcome,) = verify(bundle)
    assert outcome.subject == "generator.fp32.onnx"
    assert outcome.verdict.status == "passed"


def test_one_changed_byte_of_the_graph_is_named(bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    graph = tmp_path / "bundle" / "graphs" / "generator.fp32.onnx"
    content = bytearray(graph.read_bytes())
    content[len(content) // 2] ^= 1
    graph.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"generator\.fp32\.onnx has changed"):
        verify(tmp_path / "bundle")


def test_an_endpoint_must_be_an_address_that_answers(bundle: Path) -> None:
    with pytest.raises(UsageError, match="grpc://HOST:PORT/MODEL"):
        verify(bundle, endpoint="localhost:8001")
    with pytest.raises(EndpointError):
        verify(bundle, endpoint="grpc://127.0.0.1:9/absent")
