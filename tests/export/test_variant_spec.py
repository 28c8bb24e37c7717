import pytest

from litho.bundle.manifest import Verdict
from litho.export.variant_spec import UNBUILT, VariantSpec

PASSED = Verdict(status="passed")


@pytest.mark.parametrize(
    ("spec", "name", "file"),
    [
        (("onnxruntime",), "decoder.fp16.onnx", "graphs/decoder.fp16.onnx"),
        (("openvino",), "decoder.fp16.openvino.onnx", "graphs/decoder.fp16.openvino.onnx"),
        (("tensorrt-rtx", "sm86"), "decoder.fp16.sm86.rtx", "engines/decoder.fp16.sm86.rtx"),
        (("tensorrt", "sm90"), "decoder.fp16.sm90.plan", "engines/decoder.fp16.sm90.plan"),
        (("tensorrt", UNBUILT), "decoder.fp16.plan", "engines/build-engine.sh"),
    ],
)
def test_name_and_file_follow_from_the_spec(spec: tuple[str, ...], name: str, file: str) -> None:
    given = VariantSpec("decoder", "fp16", *spec)
    made = given.variant(PASSED, batches=(1, 8, 64))
    assert (given.name, given.file) == (made.name, made.file) == (name, file)
    assert VariantSpec.of(made) == given


def test_a_variant_with_a_file_of_its_own_has_the_same_spec() -> None:
    given = VariantSpec("generator", "fp32", "tensorrt-rtx", "sm75")
    failed = Verdict(status="failed", reason="no FP32 products")
    made = given.variant(failed, file=f"{given.file}.log", batches=(1, 8, 64), layers=3)
    assert made.file == "engines/generator.fp32.sm75.rtx.log"
    assert (made.name, made.layers, made.verdict) == ("generator.fp32.sm75.rtx", 3, failed)
    assert VariantSpec.of(made) == given
