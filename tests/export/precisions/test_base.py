from dataclasses import asdict
from typing import Any

import onnx
import pytest

from litho.errors import UnknownName
from litho.export.naming import precisions_of
from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, layers, precision, precision_names
from litho.parity.gate import Gate, limits

from .conftest import lowered

NAMES = precision_names()[1:]

NONE = {
    "max_abs_levels": None,
    "identical_share": None,
    "min_psnr_db": None,
    "mean_psnr_db": None,
    "shift_levels": None,
    "share": 1.0,
    "distance_ratio": None,
}
SAMPLED = {"share": 0.95, "distance_ratio": 1.05}

# Every limit that a picture is judged by, and what that promises: whoever changes one changes it here too.
PINNED: dict[tuple[str, str | None], tuple[str, dict[str, Any]]] = {
    ("fp32", None): ("same picture", {"max_abs_levels": 1, "identical_share": 0.999}),
    ("fp16", None): ("same picture", {"min_psnr_db": 40, "shift_levels": 0.25}),
    ("bf16", None): ("same picture", {"min_psnr_db": 30, "shift_levels": 0.5}),
    ("int8", None): (
        "same distribution",
        {"mean_psnr_db": 25, "shift_levels": 0.5, "distance_ratio": 1.05},
    ),
    ("fp8", None): ("same distribution", {"mean_psnr_db": 25, "shift_levels": 0.5, "distance_ratio": 1.05}),
    ("fp32", "rectified-flow"): ("same picture", {"max_abs_levels": 1, "identical_share": 0.999}),
    ("fp16", "rectified-flow"): ("same distribution", {"min_psnr_db": 40, "shift_levels": 0.25, **SAMPLED}),
    ("bf16", "rectified-flow"): ("same distribution", {"min_psnr_db": 30, "shift_levels": 0.5, **SAMPLED}),
    ("int8", "rectified-flow"): (
        "same distribution",
        {"mean_psnr_db": 25, "shift_levels": 0.5, "distance_ratio": 1.05},
    ),
    ("fp8", "rectified-flow"): (
        "same distribution",
        {"mean_psnr_db": 25, "shift_levels": 0.5, "distance_ratio": 1.05},
    ),
}


def test_the_limits_of_every_precision_are_pinned() -> None:
    samplers: tuple[Any, ...] = (None, "rectified-flow")
    found = {
        (name, sampler): (gate.grade, asdict(gate))
        for name in precision_names()
        for sampler in samplers
        for gate in [precision(name).limits(sampler)]
    }
    assert found == {key: (grade, {**NONE, **given}) for key, (grade, given) in PINNED.items()}
    assert asdict(Gate()) == NONE


def test_several_precisions_are_judged_by_the_loosest() -> None:
    order = precision_names()
    assert order == ("fp32", "fp16", "bf16", "int8", "fp8")
    for place, name in enumerate(order):
        assert limits(*order[: place + 1]) == limits(name) == precision(name).limits(None)
    assert limits("fp32", "fp16", sampler="rectified-flow").share == 0.95


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_stays_in_fp32(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    rewritten, _ = apply_passes(graph, {*default_passes(), *precision(name).passes})
    first, *others = layers(onnx.load_from_string(rewritten))
    found = precisions_of(onnx.load_from_string(lowered(name, graph, calibration, frozenset([first]))))
    assert found[first] == "fp32"
    assert {found[other] for other in others} == {name}


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(UnknownName, match="unknown precision 'int9'; did you mean 'int8'"):
        precision("int9")


@pytest.mark.parametrize(
    ("name", "target", "runs"),
    [
        ("fp32", "sm75", True),
        ("bf16", "sm75", False),
        ("bf16", "sm80", True),
        ("fp8", "sm86", False),
        ("fp8", "sm120", True),
    ],
)
def test_gpus_have_precisions_from_a_generation_on(name: str, target: str, runs: bool) -> None:
    assert precision(name).runs_on(target) is runs
