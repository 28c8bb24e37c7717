"""What a rewrite gains: only passes that change the graph are measured, and twice the work takes longer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from litho.export.graph import export_graph
from litho.export.report.gains import measure_gains
from litho.export.source import open_source
from litho.export.timing import ratio_in_turns
from litho.runners.base import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field


class Product(Runner):
    """Multiplies matrices as often as it is told."""

    name = "product"

    def __init__(self, times: int) -> None:
        super().__init__(Signature(inputs=(seed_field(),), output=image_output(4, 4, 1)), "products")
        self._times, self._matrix = times, np.ones((96, 96))

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
        for _ in range(self._times):
            self._matrix @ self._matrix
        return np.zeros((len(inputs["seed"]), 4, 4, 1), np.uint8)


def test_what_works_four_times_as_much_takes_longer() -> None:
    median, lower, upper = ratio_in_turns(lambda: Product(80), lambda: Product(20), 2, 1.0)
    assert lower <= median <= upper
    assert median > 1.5


def test_every_pass_that_changes_the_graph_is_measured_and_no_other(run: Path) -> None:
    pipeline = open_source(run).pipeline
    graphs = {name: export_graph(*stage, {}) for name, stage in pipeline.stages.items()}
    (gain,) = measure_gains(pipeline, graphs, ())
    assert (gain.stage, gain.name) == ("generator", "folding")
    assert 0 < gain.lower <= gain.ratio <= gain.upper
    assert measure_gains(pipeline, graphs, ["folding"]) == ()
