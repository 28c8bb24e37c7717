from typing import Any

import pytest

from litho.errors import UsageError
from litho.serving.configuration.checks import check_config
from litho.serving.configuration.description import triton
from litho.serving.configuration.flavours import flavour
from litho.serving.configuration.model_config import configurations, print_config
from litho.signature.fields import seed_field

from ...described import SOURCE, a_manifest, config_of, described, engine, with_engines


@pytest.mark.parametrize(("level", "number"), [("extended", 1), ("basic", -1), ("disabled", 2)])
def test_the_backend_of_onnx_runtime_is_told_how_far_it_may_optimise(level: str, number: int) -> None:
    manifest = a_manifest(options={"optimization": level})
    config = config_of(manifest, "onnxruntime")
    assert config.optimization.graph.level == number
    assert f"level: {number}" in print_config(config)
    # litho's runners read it from the graph's metadata.
    assert not config_of(manifest).HasField("optimization")


def test_threads_are_those_of_the_backend() -> None:
    parameters = config_of(a_manifest(), "onnxruntime", threads=2).parameters
    assert parameters["intra_op_thread_count"].string_value == "2"


def accelerator_of(config: Any) -> dict[str, str]:
    (found,) = config.optimization.execution_accelerators.gpu_execution_accelerator
    assert found.name == "tensorrt"
    return dict(found.parameters)


def test_tensorrt_compiles_one_engine_for_all_batches_and_sizes_and_keeps_it() -> None:
    manifest = a_manifest((seed_field(), SOURCE))
    parameters = accelerator_of(
        config_of(manifest, "onnxruntime", device="cuda", tensorrt=True, engine_cache="/cache")
    )
    assert parameters["trt_engine_cache_enable"] == "1"
    assert parameters["trt_engine_cache_path"] == parameters["trt_timing_cache_path"] == "/cache"
    assert parameters["trt_engine_cache_prefix"].startswith("litho-")
    assert parameters["trt_profile_min_shapes"] == "seed:1,image:1x8x8x3"
    assert parameters["trt_profile_opt_shapes"] == "seed:16,image:16x64x64x3"
    assert parameters["trt_profile_max_shapes"] == "seed:64,image:64x256x256x3"


def test_tensorrt_would_lower_what_stays_in_fp32() -> None:
    with pytest.raises(UsageError, match="TensorRT would also lower the layers that stay in FP32"):
        config_of(a_manifest(precision="fp16"), "onnxruntime", device="cuda", tensorrt=True)


def test_each_gpu_that_has_engines_has_a_form_of_its_own() -> None:
    manifest = with_engines(engine("sm86"), engine("sm90", batches=(1, 32, 32)))
    description = described(manifest, threads=2)
    description = type(description)(**{**vars(description), "variants": manifest.variants[:1]})
    configs = configurations(description, flavour("onnxruntime"))
    assert list(configs) == ["config.pbtxt", "configs/sm86.pbtxt", "configs/sm90.pbtxt"]
    assert not configs["config.pbtxt"].HasField("optimization")
    prefixes = set()
    for path in ("configs/sm86.pbtxt", "configs/sm90.pbtxt"):
        form = configs[path]
        assert check_config(form) == []
        assert [triton.ModelInstanceGroup.Kind.Name(group.kind) for group in form.instance_group] == [
            "KIND_GPU"
        ]
        assert not {"intra_op_thread_count", "litho_threads"} & set(form.parameters)
        assert accelerator_of(form)["trt_profile_max_shapes"] == "seed:64"
        prefixes.add(accelerator_of(form)["trt_engine_cache_prefix"])
    assert len(prefixes) == 2
    lowered = type(description)(
        **{**vars(description), "variants": (manifest.variants[0].model_copy(update={"precision": "fp16"}),)}
    )
    form = configurations(lowered, flavour("onnxruntime"))["configs/sm86.pbtxt"]
    assert not form.optimization.execution_accelerators.gpu_execution_accelerator


def test_an_engine_is_no_model_for_the_onnxruntime_backend() -> None:
    other = a_manifest(file="engines/generator.fp32.sm86.rtx", target="sm86", runtime="tensorrt-rtx")
    with pytest.raises(UsageError, match="flavour 'litho'"):
        config_of(other, "onnxruntime")
    assert config_of(other, "litho", device="cuda").backend == "litho"
