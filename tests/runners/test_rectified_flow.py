from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from litho.bundle import Bundle, create_bundle
from litho.errors import BundleError, InvalidInput, UsageError
from litho.export.build import export
from litho.runners import Runner, open_runner

COUNT = 9
MIXED: dict[str, Any] = {
    "seed": [3, 1, 4, 1, 5, 9, 2, 6, 2**63 - 1],
    "prompt": ["a red circle", "", "круг", "a red circle", "一个圆圈", "🔴", "a " * 40, "square", "blue"],
    "steps": [8, 1, 64, 3, 2, 13, 5, 1, 64],
    "guidance": [2.0, 0.0, 1.0, 10.0, 3.5, 0.5, 7.0, 2.0, 10.0],
}


@pytest.fixture(scope="module")
def runner(flow_bundle: Path) -> Iterator[Runner]:
    with open_runner(flow_bundle) as opened:
        yield opened


@pytest.fixture(scope="module")
def latents(flow_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that takes the raw latent."""
    return export(
        flow_run, to=tmp_path_factory.mktemp("bundles") / "latent", input="latent", timed=False
    ).path


def rows(*chosen: int) -> dict[str, Any]:
    return {name: [values[row] for row in chosen] for name, values in MIXED.items()}


def assert_same_pictures(given: np.ndarray, expected: np.ndarray) -> None:
    """The determinism contract."""
    difference = np.abs(given.astype(int) - expected)
    assert difference.max() <= 1
    assert (difference == 0).mean() >= 0.999


def test_a_batch_of_mixed_steps_and_guidance_is_its_rows_alone(runner: Runner) -> None:
    together = runner.run(MIXED)["image"]
    alone = np.concatenate([runner.run(rows(row))["image"] for row in range(COUNT)])
    assert_same_pictures(together, alone)
    assert len({image.tobytes() for image in together}) == COUNT


def test_a_picture_does_not_depend_on_its_place_in_the_batch(runner: Runner) -> None:
    backwards = range(COUNT)[::-1]
    assert_same_pictures(runner.run(rows(*backwards))["image"][::-1], runner.run(MIXED)["image"])


def test_graphs_and_pytorch_sample_alike(runner: Runner, flow_run: Path) -> None:
    with open_runner(flow_run) as reference:
        assert reference.signature == runner.signature
        assert_same_pictures(runner.run(MIXED)["image"], reference.run(MIXED)["image"])


@pytest.mark.parametrize("field", sorted(MIXED))
def test_every_field_has_a_say(field: str, runner: Runner) -> None:
    first, other = rows(0), rows(5)
    changed = {**first, field: other[field]}
    assert (runner.run(first)["image"] != runner.run(changed)["image"]).mean() > 0.01


def test_steps_and_guidance_may_be_left_out_and_the_prompt_may_not(runner: Runner) -> None:
    left_out = {name: MIXED[name] for name in ("seed", "prompt")}
    defaults = {field.name: [field.default] * COUNT for field in runner.signature.inputs if field.default}
    np.testing.assert_array_equal(
        runner.run(left_out)["image"], runner.run({**left_out, **defaults})["image"]
    )
    with pytest.raises(InvalidInput, match="'prompt' is missing"):
        runner.run({"seed": [1]})


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"steps": [0]}, "'steps' was given value 0"),
        ({"steps": [65]}, "'steps' was given value 65"),
        ({"guidance": [np.nan]}, "NaN or infinite"),
        ({"guidance": [-1]}, "'guidance' was given value -1"),
        ({"prompt": [b"\xff"]}, "not UTF-8"),
        ({"prompt": ["a" * 5000]}, "a text of 5000 bytes"),
        ({"prompt": [7]}, "dtype int64"),
    ],
)
def test_what_the_signature_does_not_allow_is_refused(
    changes: dict[str, Any], complaint: str, runner: Runner
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        runner.run({**rows(0), **changes})


@pytest.mark.slow
@pytest.mark.parametrize("check", [True, False])
def test_a_latent_is_left_as_it_is(check: bool, latents: Path) -> None:
    """The sampler moves the noise in place: given twice, a latent must give the same picture twice."""
    with open_runner(latents) as opened:
        inputs = opened.signature.example(2)
        before = inputs["latent"].copy()
        first = opened.run(inputs, check=check)["image"]
        np.testing.assert_array_equal(inputs["latent"], before)
        np.testing.assert_array_equal(opened.run(inputs, check=check)["image"], first)
        assert (first[0] != first[1]).any()


def test_a_bundle_that_lacks_a_stage_or_whose_tokenizer_is_none_does_not_open(
    flow_bundle: Path, tmp_path: Path
) -> None:
    original = Bundle.load(flow_bundle)
    fields = original.manifest.model_dump(exclude={"files", "variants", "schema_version"})
    for name, tokenizer, variants in (
        ("stage", original.read("tokenizer.json"), original.manifest.variants[1:]),
        ("tokenizer", b"{}", original.manifest.variants),
    ):
        with create_bundle(tmp_path / name) as writer:
            writer.add("tokenizer.json", tokenizer)
            for variant in variants:
                writer.add(variant.file, original.read(variant.file))
            writer.finish(**fields, variants=variants)
    with pytest.raises(BundleError, match="no portable variant of 'text_encoder'"):
        open_runner(tmp_path / "stage")
    with pytest.raises(UsageError, match="not a tokenizer"):
        open_runner(tmp_path / "tokenizer")
