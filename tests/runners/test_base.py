from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.errors import InvalidInput, UnknownName
from litho.runners import open_runner
from litho.runners.base import Runner, engine_libraries, graph_runtimes, library_of, runtime_names


@pytest.mark.parametrize("count", [1, 64, 65, 300])
def test_generate_gives_the_same_images_in_order_as_runs_of_one_batch(count: int, bundle: Path) -> None:
    seeds, labels = np.arange(count), np.arange(count) % 10
    with open_runner(bundle) as runner:
        images = runner.generate(seed=seeds, label=labels)
        last = runner.run({"seed": seeds[-1:], "label": labels[-1:]})["image"]
    assert images.shape == (count, 32, 32, 1)
    assert np.abs(images[-1:].astype(int) - last).max() <= 1


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"seed": 7, "label": 3}, 1),
        ({"seed": range(5), "label": 3}, 5),
        ({"seed": 7, "label": [1, 2, 3]}, 3),
        ({"seed": 7, "label": 3, "truncation": [0.5, 1.0]}, 2),
    ],
)
def test_generate_repeats_single_values(fields: dict[str, Any], count: int, run: Path) -> None:
    with open_runner(run) as runner:
        assert len(runner.generate(**fields)) == count


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"seed": [1, 2], "label": [1, 2, 3]}, "numbers of values differ: 2 for 'seed', 3 for 'label'"),
        ({"seed": range(500), "label": 10}, "value 10"),
        ({"seed": 1, "label": 1, "steps": 3}, "unknown field 'steps'"),
        ({"label": 1}, "'seed' is missing"),
    ],
)
def test_generate_refuses_bad_fields_before_it_runs_any(
    fields: dict[str, Any], words: str, bundle: Path
) -> None:
    with open_runner(bundle) as runner:
        with pytest.raises(InvalidInput, match=words):
            runner.generate(**fields)
        assert np.isnan(runner.last_ms)


def test_generate_splits_into_batches_and_gives_up_at_the_first_failure(bundle: Path) -> None:
    batches = []

    class Failing(Runner):
        """Fails at its third batch."""

        name = "failing"

        def _execute(self, inputs: dict[str, Any]) -> Any:
            batches.append(len(inputs["seed"]))
            if len(batches) == 3:
                raise InvalidInput("enough")
            return np.zeros((batches[-1], *self.signature.output.shape), np.uint8)

    with open_runner(bundle) as local, Failing(local.signature, "a failing runner") as runner:
        runner.max_batch_size = 10
        assert len(runner.generate(seed=range(15), label=0)) == 15
        with pytest.raises(InvalidInput, match="enough"):
            runner.generate(seed=range(1000), label=0)
    assert batches[:3] == [10, 5, 10]
    assert len(batches) < 10


def test_runtimes_are_the_runners_that_variants_are_exported_for_graphs_first() -> None:
    assert runtime_names() == ("onnxruntime", "openvino", "tensorrt", "tensorrt-rtx")
    assert graph_runtimes() == {"onnxruntime": (), "openvino": ("noise_outside",)}
    assert [library.title for library in engine_libraries().values()] == ["TensorRT", "TensorRT-RTX"]


@pytest.mark.parametrize("name", ["onnxruntime", "nothing"])
def test_a_runtime_without_engines_has_no_library(name: str) -> None:
    with pytest.raises(UnknownName, match=f"unknown engine runtime '{name}'"):
        library_of(name)
