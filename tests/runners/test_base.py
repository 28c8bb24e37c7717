from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.errors import InvalidInput, LithoError, UnknownName
from litho.runners import open_runner
from litho.runners.base import Runner, engine_libraries, graph_runtimes, library_of, runtime_names
from litho.signature import Signature
from litho.signature.fields import image_output, seed_field, source_field


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


class Painter(Runner):
    """Gives what it was told to give."""

    name = "painter"

    def __init__(self, signature: Signature, given: np.ndarray) -> None:
        super().__init__(signature, "painter")
        self._given = given

    def _execute(self, inputs: dict[str, Any]) -> np.ndarray:
        return self._given


@pytest.mark.parametrize(
    "shape",
    [(3, 4, 6, 3), (2, 5, 6, 3), (2, 4, 5, 3), (2, 6, 4, 3), (2, 4, 6, 1), (2, 4, 18), (0, 4, 6, 3), ()],
)
def test_a_picture_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    signature = Signature(inputs=(seed_field(),), output=image_output(4, 6, 3))
    inputs = {"seed": [1, 2]}
    assert Painter(signature, np.zeros((2, 4, 6, 3), np.uint8)).run(inputs)["image"].shape == (2, 4, 6, 3)
    with pytest.raises(LithoError, match=r"painter returned uint8 .* expected UINT8 of shape \(2, 4, 6, 3\)"):
        Painter(signature, np.zeros(shape, np.uint8)).run(inputs)


@pytest.mark.parametrize("dtype", [np.int8, np.float32, np.int64])
def test_a_picture_of_another_dtype_is_refused(dtype: Any) -> None:
    signature = Signature(inputs=(seed_field(),), output=image_output(4, 6, 3))
    with pytest.raises(LithoError, match=f"painter returned {np.dtype(dtype)}"):
        Painter(signature, np.zeros((2, 4, 6, 3), dtype)).run({"seed": [1, 2]})


@pytest.mark.parametrize("size", [(32, 16), (8, 16), (16, 31)])
def test_a_picture_of_a_free_size_has_the_size_that_its_source_asks_for(size: tuple[int, int]) -> None:
    signature = Signature(inputs=(source_field(8, 8, 3),), output=image_output(16, 16, 3))
    free = signature.with_free_size(4, 32, 4)
    inputs = {"source": np.zeros((1, 8, 16, 3), np.uint8)}
    picture = Painter(free, np.zeros((1, 16, 32, 3), np.uint8))
    assert picture.run(inputs)["image"].shape == (1, 16, 32, 3)
    other = Painter(free, np.zeros((1, *size, 3), np.uint8))
    with pytest.raises(LithoError, match=r"expected UINT8 of shape \(1, 16, 32, 3\)"):
        other.run(inputs)
