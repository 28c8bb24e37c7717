import pytest

from litho.errors import UnknownName
from litho.serving.configuration.flavours import flavour, flavour_names, flavour_summaries

from ...described import a_manifest, config_of


def test_a_flavour_is_found_by_its_name() -> None:
    assert flavour_names() == ("litho", "onnxruntime", "tensorrt")
    assert [flavour(name).name for name in flavour_names()] == list(flavour_names())
    assert flavour_summaries()[0] == "litho (every bundle)"
    with pytest.raises(
        UnknownName, match=r"unknown flavour 'python' \(known: litho, onnxruntime, tensorrt\)"
    ):
        flavour("python")


def test_each_flavour_names_its_backend_and_its_file() -> None:
    litho, onnx = (config_of(a_manifest(), kind) for kind in ("litho", "onnxruntime"))
    assert (litho.backend, litho.default_model_filename) == ("litho", "")
    assert (onnx.backend, onnx.default_model_filename) == ("onnxruntime", "model.onnx")
