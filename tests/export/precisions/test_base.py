import onnx
import pytest

from litho.errors import UnknownName
from litho.export.passes import apply_passes, default_passes
from litho.export.precisions import Inputs, elements, layers, precision, precision_names

from .conftest import lowered

NAMES = precision_names()[1:]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_what_is_kept_stays_in_fp32(name: str, graph: bytes, calibration: list[Inputs]) -> None:
    rewritten, _ = apply_passes(graph, {*default_passes(), *precision(name).passes})
    first, *others = layers(onnx.load_from_string(rewritten))
    found = elements(onnx.load_from_string(lowered(name, graph, calibration, frozenset([first]))))
    assert found[first] == "FLOAT"
    assert {found[name_] for name_ in others} == {precision(name).element}


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
