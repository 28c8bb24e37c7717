"""Growth on tiny generators: which series there are, and that they are measured."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from litho.benchmarks.growth.measure import (
    Plan,
    against_clients,
    doubling,
    in_process,
    measure_growth,
)
from litho.benchmarks.growth.series import rows
from litho.errors import UsageError
from litho.runners import Runner
from litho.serving.server.embedded import EmbeddedServer
from litho.signature import Signature
from litho.signature.fields import Field, Role, image_output, seed_field, source_field

QUICK = Plan(seconds=0.01, largest_batch=8, most_clients=0, most_models=0, threads=1)


def test_numbers_double() -> None:
    assert [doubling(most) for most in (0, 1, 8, 9)] == [[], [1], [1, 2, 4, 8], [1, 2, 4, 8]]


class Painter(Runner):
    """Needs a moment for each picture and step; paints nothing."""

    name = "painter"

    def _execute(self, inputs: dict[str, NDArray[Any]]) -> NDArray[Any]:
        return np.zeros(self.signature.output_shape(inputs), np.uint8)


def test_series_follow_from_what_a_generator_takes() -> None:
    steps = Field(name="steps", role=Role.STEPS, dtype="INT64", minimum=1, maximum=20, default=4)
    sampler = Signature(inputs=(seed_field(), steps), output=image_output(4, 4, 1))
    resizer = Signature(inputs=(source_field(16, 16, 1),), output=image_output(32, 32, 1))
    found = {
        (name, one.against): [point.x for point in one.points]
        for name, signature in (("sampler", sampler), ("resizer", resizer.with_free_size(8, 40)))
        for one in in_process(Painter(signature, "a painter"), name, QUICK)
    }
    assert found == {
        ("sampler", "batch"): [1, 2, 4, 8],
        ("sampler", "steps"): [1, 2, 4, 8, 16],
        ("resizer", "batch"): [1, 2, 4, 8],
        ("resizer", "pixels"): [8**2, 11**2, 16**2, 23**2, 32**2, 40**2],
    }


def test_a_bundle_is_measured_in_its_runtime(bundle: Path) -> None:
    result = measure_growth([bundle], QUICK, "growth")
    (one,) = result.series
    assert one.form.startswith("generator.fp32.onnx in ONNX Runtime")
    assert all(point.median > 0 for point in one.points)
    assert rows(result)[2].startswith("| tiny | milliseconds of a batch | batch, 1 to 8 |")


def test_throughput_and_latency_against_clients(server: EmbeddedServer) -> None:
    plan = Plan(seconds=0.1, most_clients=2)
    rate, latency = against_clients(f"{server.grpc_url}/tiny", "tiny", plan)
    assert [point.x for point in rate.points] == [point.x for point in latency.points] == [1, 2]
    assert rate.points[1].median > 0
    assert latency.quantity == "milliseconds of a request, median"


@pytest.mark.slow
def test_throughput_memory_and_start_against_models(bundle: Path) -> None:
    plan = Plan(seconds=0.1, largest_batch=0, most_clients=0, most_models=2)
    result = measure_growth([bundle], plan, "growth")
    rate, memory, start = result.find("models", "tiny")
    assert all([point.x for point in one.points] == [1, 2] for one in (rate, memory, start))
    assert memory.points[1].median > memory.points[0].median


def test_what_cannot_grow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="most_clients was given 1"):
        Plan(most_clients=1)
    with pytest.raises(UsageError, match="seconds was given 0"):
        Plan(seconds=0)
    with pytest.raises(UsageError, match="is no bundle and no run"):
        measure_growth([tmp_path], QUICK, "growth")
