from pathlib import Path

import pytest

from litho.export import build
from litho.export.build import export

pytestmark = pytest.mark.slow


def test_the_gate_fails_a_graph_of_other_weights(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is planted where an exporter's would be: between the module and the bytes of its graph."""
    faithful = build.export_graph

    def faulty(module, signature, metadata):
        for parameter in module.parameters():
            parameter.data.mul_(1.5)
        return faithful(module, signature, metadata)

    monkeypatch.setattr(build, "export_graph", faulty)
    (variant,) = export(run, to=tmp_path / "bundle", timed=False).manifest.variants
    assert variant.verdict.status == "failed"
    assert "max difference" in variant.verdict.reason
