"""What a refusal has to say."""

import pytest

from litho.benchmarks.registries.documents import Refusal


@pytest.mark.parametrize(
    ("message", "left", "good"),
    [
        ("hf://x: a.onnx has changed", False, True),
        ("", False, False),
        ("something", False, False),
        ("a.onnx", True, False),
    ],
)
def test_a_good_refusal_names_the_file_and_leaves_nothing(message: str, left: bool, good: bool) -> None:
    assert Refusal(fault="changed", file="a.onnx", message=message, left=left).good == good
