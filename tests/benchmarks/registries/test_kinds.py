"""Where a registry has what was pushed."""

from pathlib import Path

import pytest

from litho.benchmarks.registries.kinds import folder_kind, oci_kind
from litho.benchmarks.registries.server import find_registry
from litho.files import sha256
from litho.registry.push import push

from ...bundle.conftest import make


@pytest.mark.parametrize("opened", [folder_kind, oci_kind])
def test_a_kind_shows_what_the_registry_holds(tmp_path: Path, opened: type) -> None:
    if opened is oci_kind and find_registry() is None:
        pytest.skip("docker-registry is not installed")
    bundle = make(tmp_path / "bundle")
    with opened(tmp_path) as kind:
        assert kind.received() == 0
        pushed = push(bundle, kind.address("tiny"))
        graph = bundle / "graphs/generator.fp32.onnx"
        assert kind.content("tiny", sha256(graph)).read_bytes() == graph.read_bytes()
        assert kind.received() >= pushed.sent_bytes
