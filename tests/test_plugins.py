"""A plug-in of each kind is one file: a toy in a temporary folder works everywhere without a change of other files."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litho.benchmarks import bench
from litho.benchmarks.gpu_check.documents import rows_of
from litho.benchmarks.gpu_check.run import check_families
from litho.benchmarks.load.page.page import page as bench_page
from litho.bundle import Bundle
from litho.cli import app
from litho.errors import UnknownName
from litho.export.build import export
from litho.export.passes import default_passes, pass_names
from litho.export.precisions import precision_names
from litho.parity.verify import verify
from litho.plugins import load_plugin, plugin_names
from litho.runners import open_runner
from litho.runners.base import runtime_names
from litho.serving.configuration.checks import check_model
from litho.serving.configuration.model_config import parse_config
from litho.serving.repository.deploy import deploy
from litho.training.data.sources import load
from litho.training.evaluation.evaluate import evaluate
from litho.training.loop import train

PASS = """
SUMMARY = "toy pass of a test"
ORDER = 35
DEFAULT = True

def apply(model):
    before, model.doc_string = model.doc_string, "toy"
    return int(before != "toy")
"""

PRECISION = """
from litho.export.precisions.base import Precision
from litho.parity.gate import Gate

PRECISION = Precision("toy", 5, Gate(max_abs_levels=3), lambda lowering: lowering.graph)
"""

RUNNER = """
from litho.runners import openvino

class Runner(openvino.Runner):
    name = "toy"
    title = "Toy Runtime"
    order = 5
"""

FAMILY = """
from litho.training.models import gan

SMALLEST = {**gan.SMALLEST, "data": "toys", "layers": 1}
Recipe = gan.Recipe
Generator = gan.Generator
Task = gan.Task
"""

SOURCE = """
import numpy as np
from litho.training.data.dataset import Dataset
from litho.training.data.sources import base

class Source(base.Source):
    names = ("toys",)

    def load(self, name, options):
        images = np.random.default_rng(0).integers(0, 256, (64, 16, 16, 1), np.uint8)
        return Dataset(name, "CC0-1.0", images, labels=np.arange(64) % 2, class_names=("even", "odd"))
"""

PART = """
from litho.training.evaluation.document import Figure
from litho.training.evaluation.parts import base

class Part(base.Part):
    title = "Toys"
    position = 99

    def applies(self, context):
        return True

    def measure(self, context):
        return base.Measured((Figure(metric="toy figure", value=0.25, better="higher", n=1),))
"""

SCENARIO = """
from litho.benchmarks.load.scenarios import closed_loop

class Scenario(closed_loop.Scenario):
    name = "toy"
"""

FLAVOUR = """
from litho.serving.configuration.flavours import onnxruntime

class Flavour(onnxruntime.Flavour):
    name = "toy"
    summary = "a toy of a test"
    backend = "toy"
    file = "model.toy"
"""

Add = Callable[[str, str], None]


@pytest.fixture
def add(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Add:
    """Adds a plug-in called `toy` to a package of litho, from a folder of its own."""

    def write(package: str, content: str) -> None:
        folder, module = tmp_path / package, import_module(package)
        folder.mkdir()
        (folder / "toy.py").write_text(content)
        (folder / "_helper.py").write_text("raise AssertionError('a helper is no plug-in')")
        monkeypatch.setattr(module, "__path__", [*module.__path__, str(folder)])
        # What the import leaves behind goes with the test.
        monkeypatch.setitem(sys.modules, f"{package}.toy", None)
        monkeypatch.delitem(sys.modules, f"{package}.toy")
        monkeypatch.setattr(module, "toy", None, raising=False)

    return write


def report_of(bundle: Bundle) -> str:
    return (bundle.path / "report.html").read_text().replace("<wbr>", "")


def help_of(verb: str) -> str:
    return " ".join(CliRunner().invoke(app, [verb, "--help"], env={"COLUMNS": "1000"}).output.split())


def test_a_plug_in_is_found_by_its_file_and_a_helper_is_none(add: Add) -> None:
    before = plugin_names("litho.export.passes")
    add("litho.export.passes", PASS)
    assert plugin_names("litho.export.passes") == tuple(sorted((*before, "toy")))
    with pytest.raises(UnknownName, match="unknown pass '_helper'"):
        load_plugin("litho.export.passes", "_helper", "pass")


@pytest.mark.slow
def test_a_pass_is_one_file(add: Add, run: Path, tmp_path: Path) -> None:
    add("litho.export.passes", PASS)
    assert pass_names().index("upsample") < pass_names().index("toy") < pass_names().index("subpixel")
    assert "toy" in default_passes()
    bundle = export(run, to=tmp_path / "bundle", timed=False)
    assert bundle.manifest.variants[0].passes["toy"] == 1
    assert "toy pass of a test" in report_of(bundle)
    without = export(run, to=tmp_path / "without", without=["toy"], timed=False)
    assert "toy" not in without.manifest.variants[0].passes
    assert "toy" in help_of("export")


@pytest.mark.slow
def test_a_precision_is_one_file(add: Add, run: Path, tmp_path: Path) -> None:
    add("litho.export.precisions", PRECISION)
    assert precision_names()[:2] == ("fp32", "toy")
    bundle = export(run, to=tmp_path / "bundle", precisions=["fp32", "toy"], timed=False)
    name = "generator.toy.onnx"
    assert bundle.variant(name).verdict.figures[0].at_most == 3
    assert bundle.variant(name).verdict.status == "passed"
    assert name in report_of(bundle)
    assert {outcome.subject: outcome.verdict.status for outcome in verify(bundle.path)}[name] == "passed"
    assert "toy" in help_of("export")


@pytest.mark.slow
def test_a_runner_is_one_file(add: Add, run: Path, tmp_path: Path) -> None:
    add("litho.runners", RUNNER)
    assert runtime_names()[:3] == ("onnxruntime", "openvino", "toy")
    bundle = export(run, to=tmp_path / "bundle", runtimes=["toy"], timed=False)
    name = "generator.fp32.toy.onnx"
    assert bundle.variant(name).verdict.status == "passed"
    assert bundle.manifest.environment["toy"] == version("openvino")
    assert name in report_of(bundle)
    with open_runner(bundle, name) as runner:
        assert repr(runner).startswith(f"<toy runner: {name} in ")
        assert runner.generate(seed=range(3), label=1).shape == (3, 32, 32, 1)
    assert all(outcome.verdict.status == "passed" for outcome in verify(bundle.path))
    assert "toy" in help_of("export")


def test_a_source_of_data_is_one_file(add: Add, tmp_path: Path) -> None:
    add("litho.training.data.sources", SOURCE)
    assert len(load("toys")) == 64
    with pytest.raises(UnknownName, match="unknown data 'toy'; did you mean 'toys'"):
        load("toy")
    keys = {"nimg": "32", "batch": "16", "width": "8", "discriminator_width": "8"}
    assert train("gan", run=tmp_path / "run", data="toys", overrides=keys, progress=False).is_dir()


def test_a_flavour_is_one_file(add: Add, bundle: Path, tmp_path: Path) -> None:
    add("litho.serving.configuration.flavours", FLAVOUR)
    model = deploy(bundle, to=tmp_path, name="tiny", flavour="toy").path
    assert (model / "1" / "model.toy").is_file()
    config = parse_config((model / "config.pbtxt").read_text())
    assert (config.backend, config.default_model_filename) == ("toy", "model.toy")
    assert check_model(model) == []
    assert "toy (a toy of a test)" in help_of("deploy")


def test_a_scenario_is_one_file(add: Add, bundle: Path) -> None:
    add("litho.benchmarks.load.scenarios", SCENARIO)
    result = bench(bundle, batch=[1], seconds=0.3, rounds=1, scenario="toy")
    assert result.method.scenario == "toy"
    assert "toy" in bench_page(result)
    assert "toy" in help_of("bench")


@pytest.mark.slow
def test_a_part_of_an_evaluation_is_one_file(add: Add, tmp_path: Path) -> None:
    add("litho.training.data.sources", SOURCE)
    add("litho.training.evaluation.parts", PART)
    keys = {"nimg": "32", "batch": "16", "width": "8", "discriminator_width": "8"}
    run = train("gan", run=tmp_path / "run", data="toys", overrides=keys, progress=False)
    evaluation = evaluate(run, samples=16)
    assert evaluation.sections[-1].title == "Toys"
    assert "toy figure" in (run / "evaluation.html").read_text()


@pytest.mark.slow
def test_a_family_is_one_file_and_the_check_on_a_gpu_has_a_row_of_every_toy(add: Add) -> None:
    add("litho.training.data.sources", SOURCE)
    add("litho.training.models", FAMILY)
    add("litho.export.precisions", PRECISION)
    add("litho.runners", RUNNER)
    table = "\n".join(rows_of(check_families(("toy",), ("fp32", "toy"), "cpu")))
    for name in ("generator.toy.onnx", "generator.fp32.toy.onnx", "generator.toy.toy.onnx"):
        assert f"| toy | {name} | " in table
    assert table.count("| passed |") == 7
    assert "toy" in help_of("train")
