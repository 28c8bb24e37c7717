"""What a rewrite gains: only passes that change the graph are measured, and twice the work takes longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from litho.export.graph import export_graph
from litho.export.report.gains import measure_gains
from litho.export.source import open_source

pytestmark = pytest.mark.slow


def test_every_pass_that_changes_the_graph_is_measured_and_no_other(run: Path) -> None:
    pipeline = open_source(run).pipeline
    graphs = {name: export_graph(*stage, {}) for name, stage in pipeline.stages.items()}
    (gain,) = measure_gains(pipeline, graphs, ())
    assert (gain.stage, gain.name) == ("generator", "folding")
    assert 0 < gain.lower <= gain.ratio <= gain.upper
    assert measure_gains(pipeline, graphs, ["folding"]) == ()
