import numpy as np
import pytest

from litho.export.engines import TARGETS
from litho.export.precisions import Lowering, precision
from litho.parity.gate import compare

from .conftest import lowered


def test_the_graph_stays_as_it_is_and_runs_on_every_gpu(graph: bytes) -> None:
    fp32 = precision("fp32")
    assert fp32.lower(Lowering(graph)) == graph
    assert lowered("fp32", graph, []) != graph, "the default passes change it"
    assert all(fp32.runs_on(target) for target in TARGETS)


@pytest.mark.parametrize(("levels", "pixels", "kept"), [(1, 10, True), (2, 1, False), (1, 11, False)])
def test_one_pixel_of_a_thousand_may_differ_by_one_level(levels: int, pixels: int, kept: bool) -> None:
    wanted = np.random.default_rng(0).integers(0, 250, (1, 100, 100, 1), np.uint8)
    made = wanted.copy()
    made.reshape(-1)[:pixels] += np.uint8(levels)
    assert all(figure.passed for figure in compare(made, wanted, precision("fp32").gate)) is kept
