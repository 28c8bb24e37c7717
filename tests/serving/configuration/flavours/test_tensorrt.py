from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from litho.bundle import Bundle
from litho.errors import UsageError
from litho.serving.configuration.checks import check_config
from litho.serving.configuration.flavours import flavour
from litho.serving.configuration.model_config import Description, configurations, model_config
from litho.signature.fields import seed_field

from ...described import SOURCE, a_manifest, engine, with_engines

TENSORRT = flavour("tensorrt")
SEED = (seed_field(),)


def description_of(*engines: Any, inputs: Any = SEED, **settings: Any) -> Description:
    manifest = with_engines(*engines, inputs=inputs)
    return Description(
        "tiny",
        manifest,
        engines[:1],
        version=1,
        settings=replace(TENSORRT.defaults, **settings),
        engines=engines[1:],
    )


def test_every_profile_of_the_engine_is_used() -> None:
    config = model_config(description_of(engine()), TENSORRT)
    assert check_config(config) == []
    assert (config.platform, config.backend) == ("tensorrt_plan", "tensorrt")
    assert config.default_model_filename == "model.plan"
    (group,) = config.instance_group
    assert list(group.profile) == ["0", "1"]


def test_a_cuda_graph_serves_every_batch_above_the_size_before() -> None:
    config = model_config(
        description_of(engine(), inputs=(seed_field(), SOURCE), preferred_batch_sizes=(16,)), TENSORRT
    )
    specs = config.optimization.cuda.graph_spec
    usual = [spec for spec in specs if list(spec.input["image"].dim) == [64, 64, 3]]
    bounds = [(spec.graph_lower_bound.batch_size, spec.batch_size) for spec in usual]
    assert bounds == [(1, 1), (2, 8), (9, 16), (17, 64)]
    assert {tuple(spec.input["image"].dim) for spec in specs} == {
        (64, 64, 3),
        (8, 8, 3),
        (64, 128, 3),
        (256, 8, 3),
    }
    assert all(set(spec.input) == set(spec.graph_lower_bound.input) == {"seed", "image"} for spec in specs)
    without = model_config(description_of(engine(), cuda_graphs=False), TENSORRT).optimization.cuda
    assert not without.graphs
    assert not without.graph_spec


def test_each_gpu_has_its_engine_its_profiles_and_its_batches() -> None:
    description = description_of(engine(), engine("sm90", batches=(1, 4, 16)), preferred_batch_sizes=(8, 32))
    configs = configurations(description, TENSORRT)
    assert list(configs) == ["config.pbtxt", "configs/sm86.pbtxt", "configs/sm90.pbtxt"]
    own, other = configs["configs/sm86.pbtxt"], configs["configs/sm90.pbtxt"]
    assert own == configs["config.pbtxt"]
    assert (other.default_model_filename, other.max_batch_size) == ("model.sm90.plan", 16)
    assert other.parameters["litho_variant"].string_value == "generator.fp32.sm90.plan"
    assert list(other.dynamic_batching.preferred_batch_size) == [8, 16]
    assert max(request.batch_size for request in other.model_warmup) <= 16
    assert [check_config(form) for form in (own, other)] == [[], []]
    assert TENSORRT.files(description) == ("model.plan", "model.sm90.plan")


def test_an_engine_for_rtx_is_refused_and_where_it_runs_is_said() -> None:
    with pytest.raises(UsageError, match="TensorRT backend does not run; deploy it with flavour 'litho'"):
        model_config(description_of(engine(runtime="tensorrt-rtx")), TENSORRT)


def test_a_graph_an_unbuilt_engine_and_a_cpu_are_refused() -> None:
    (graph,) = a_manifest().variants
    with pytest.raises(UsageError, match="is for onnxruntime, not tensorrt"):
        model_config(description_of(graph), TENSORRT)
    unbuilt = engine().model_copy(update={"engine": None})
    with pytest.raises(UsageError, match="is not built yet"):
        model_config(description_of(unbuilt), TENSORRT)
    with pytest.raises(UsageError, match="runs on 'cuda' only"):
        model_config(description_of(engine(), device="cpu", cuda_graphs=False), TENSORRT)
    with pytest.raises(UsageError, match="threads are those of a CPU"):
        model_config(description_of(engine(), threads=2), TENSORRT)


def test_by_default_it_takes_finished_engines_of_tensorrt_only() -> None:
    assert TENSORRT.takes(engine())
    assert not TENSORRT.takes(engine(runtime="tensorrt-rtx"))
    assert not TENSORRT.takes(engine().model_copy(update={"engine": None}))
    assert not TENSORRT.takes(a_manifest().variants[0])


def test_the_engines_are_written_side_by_side(tmp_path: Path) -> None:
    description = description_of(engine(), engine("sm90"))
    bundle = Bundle(tmp_path / "bundle", description.manifest)
    for one in (*description.variants, *description.engines):
        (bundle.path / one.file).parent.mkdir(parents=True, exist_ok=True)
        (bundle.path / one.file).write_bytes(one.file.encode())
    (tmp_path / "1").mkdir()
    TENSORRT.write(tmp_path / "1", bundle, description)
    assert sorted(file.name for file in (tmp_path / "1").iterdir()) == ["model.plan", "model.sm90.plan"]
