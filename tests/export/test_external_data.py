"""Graphs with their weights beside them, as those of 2 GiB and more have to be: the same pictures, the whole way."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from litho.bundle import Bundle, sign_bundle
from litho.bundle.external_graph import ExternalGraph
from litho.errors import ExportError, UsageError
from litho.export import graph as graphs
from litho.export.build import export
from litho.export.external_data import WeightFolder
from litho.export.graph import export_graph
from litho.parity.verify import verify
from litho.registry.pull import pull
from litho.registry.push import push
from litho.runners import open_runner
from litho.runners.onnxruntime import Runner
from litho.signature import Signature
from litho.signature.fields import image_output, latent_field

from ..signers import make_keys

pytestmark = pytest.mark.slow

FIELDS = {"seed": range(20), "label": [3] * 20}
SIGNATURE = Signature(inputs=(latent_field(4),), output=image_output(16, 16, 1))


class Net(nn.Module):
    """Two layers with 261 KiB of weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 256), nn.Linear(256, 256))

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return (self.layers(inputs[0]) * 255).clip(0, 255).to(torch.uint8).reshape(-1, 16, 16, 1)


def test_every_variant_passes_and_its_weights_lie_beside_it(external_bundle: Path, bundle: Path) -> None:
    beside, whole = Bundle.load(external_bundle), Bundle.load(bundle)
    assert [variant.verdict.status for variant in beside.manifest.variants] == ["passed", "passed"]
    for variant in beside.manifest.variants:
        graph, weights = (beside.path / path for path in variant.paths(beside.manifest.files))
        assert graph.stat().st_size < weights.stat().st_size
        onnx.checker.check_model(graph, full_check=True)
    names = {path.name for path in beside.path.rglob("*") if path.is_file()}
    assert names == {"manifest.json", *(Path(path).name for path in beside.manifest.files)}
    assert beside.manifest.environment["external_data"] == "yes"
    assert "external_data" not in whole.manifest.environment
    # It is the same graph: with the weights put back, every number is.
    (first, *_), (other,) = beside.manifest.variants, whole.manifest.variants
    back, one = onnx.load(beside.path / first.file), onnx.load(whole.path / other.file)
    assert back.graph.node == one.graph.node
    for left, right in zip(back.graph.initializer, one.graph.initializer, strict=True):
        np.testing.assert_array_equal(onnx.numpy_helper.to_array(left), onnx.numpy_helper.to_array(right))


def test_the_pictures_are_those_of_a_graph_in_one_file(external_bundle: Path, bundle: Path) -> None:
    with open_runner(external_bundle) as beside, open_runner(bundle) as whole:
        np.testing.assert_array_equal(beside.generate(**FIELDS), whole.generate(**FIELDS))
    assert all(outcome.verdict.status == "passed" for outcome in verify(external_bundle))


def test_two_exports_are_the_same_files_and_a_second_one_keeps_them(
    external_bundle: Path, run: Path, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"precisions": ["fp32", "fp16"], "timed": False}
    again = export(run, to=tmp_path / "tiny", external_data=True, **options)
    made = {path: (external_bundle / path).read_bytes() for path in (*again.manifest.files, "manifest.json")}
    assert {path: (again.path / path).read_bytes() for path in made} == made
    written = (again.path / "manifest.json").stat().st_mtime_ns
    export(run, to=again.path, external_data=True, **options)
    assert (again.path / "manifest.json").stat().st_mtime_ns == written
    whole = export(run, to=again.path, **options)
    assert not any(path.endswith(".data") for path in whole.manifest.files)


def test_a_fixed_label_reads_the_weights_where_they_lie(run: Path, bundle: Path, tmp_path: Path) -> None:
    fixed = export(run, to=tmp_path / "three", fixed={"label": 3}, timed=False, external_data=True)
    with open_runner(fixed) as runner, open_runner(bundle) as whole:
        np.testing.assert_array_equal(runner.generate(seed=range(20)), whole.generate(**FIELDS))


def test_a_signed_bundle_goes_through_a_registry(external_bundle: Path, tmp_path: Path) -> None:
    private, public = make_keys(tmp_path)
    mine = tmp_path / "mine" / "tiny"
    source = Bundle.load(external_bundle)
    for path in ("manifest.json", *source.manifest.files):
        (mine / path).parent.mkdir(parents=True, exist_ok=True)
        (mine / path).write_bytes((external_bundle / path).read_bytes())
    sign_bundle(mine, key=private)
    push(mine, f"file://{tmp_path}/hub/me/tiny")
    pull(f"file://{tmp_path}/hub/me/tiny", to=tmp_path / "pulled" / "tiny")
    with (
        open_runner(Bundle.load(tmp_path / "pulled" / "tiny", key=public)) as pulled,
        open_runner(source) as here,
    ):
        np.testing.assert_array_equal(pulled.generate(**FIELDS), here.generate(**FIELDS))


@pytest.mark.parametrize(
    ("options", "left_out"), [({"runtimes": ["openvino"]}, "openvino"), ({"precisions": ["int8"]}, "int8")]
)
def test_what_is_not_made_of_such_a_graph_is_refused_before_the_work(
    options: dict[str, Any], left_out: str, run: Path, tmp_path: Path
) -> None:
    said = f"^--external-data puts .* for onnxruntime in fp32, fp16, bf16: leave out {left_out}, or export"
    with pytest.raises(UsageError, match=said):
        export(run, to=tmp_path / "bundle", external_data=True, **options)
    assert not (tmp_path / "bundle").exists()


def test_what_does_not_run_such_a_graph_says_so(external_bundle: Path) -> None:
    with pytest.raises(UsageError, match="OpenVINO opens no graph with its weights beside it"):
        open_runner(external_bundle, runner="openvino")


def test_weights_that_do_not_fit_into_one_file_lie_beside_the_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export_graph(Net().eval(), SIGNATURE, {})
    assert export_graph(Net().eval(), SIGNATURE, {}, WeightFolder(tmp_path)) == whole
    assert not any(tmp_path.iterdir())
    monkeypatch.setattr(graphs, "MOST_BYTES", 1 << 18)
    beside = export_graph(Net().eval(), SIGNATURE, {}, WeightFolder(tmp_path))
    assert isinstance(beside, ExternalGraph)
    assert len(beside) < 1 << 16 < len(whole)
    inputs = SIGNATURE.example(3)
    with Runner(beside, SIGNATURE) as one, Runner(whole, SIGNATURE) as other:
        np.testing.assert_array_equal(one.run(inputs)["image"], other.run(inputs)["image"])
    with pytest.raises(ExportError, match="one ONNX file holds less than 2 GiB"):
        export_graph(Net().eval(), SIGNATURE, {})
