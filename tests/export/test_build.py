import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from litho.bundle import Bundle
from litho.errors import CheckpointError, InvalidInput, UnknownName, UsageError
from litho.export.build import export
from litho.runners import open_runner
from litho.training.models.base import family
from litho.training.run.snapshot import save_snapshot


def test_a_bundle_holds_graph_probes_report_and_verdict(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    (variant,) = loaded.manifest.variants
    assert variant.verdict.status == "passed"
    assert set(loaded.manifest.files) == {"graphs/generator.fp32.onnx", "probes.safetensors", "report.html"}
    assert {"torch", "onnx", "opset", "onnxruntime"} <= set(loaded.manifest.environment)
    assert b"All variants" in loaded.read("report.html")


def test_probes_cover_the_whole_range_of_seeds_and_every_class(bundle: Path) -> None:
    probes = Bundle.load(bundle).probes()
    assert {0, 2**63 - 1} <= set(probes.inputs["seed"].tolist())
    assert set(probes.inputs["label"].tolist()) == set(range(10))
    # Without noise, a label has one picture.
    varied = probes.images[probes.inputs["truncation"] > 0]
    assert len({image.tobytes() for image in varied}) == len(varied) > len(probes.images) / 2


def test_torch_and_onnx_runtime_agree_through_one_protocol(run: Path, bundle: Path) -> None:
    inputs = {"seed": range(100, 116), "label": [3] * 16}
    with open_runner(run) as torch_runner, open_runner(bundle) as graph_runner:
        assert torch_runner.signature == graph_runner.signature
        difference = np.abs(
            torch_runner.run(inputs)["image"].astype(int) - graph_runner.run(inputs)["image"]  # pyright: ignore
        )
    assert difference.max() <= 1


@pytest.mark.slow
def test_a_second_export_keeps_the_bundle_and_another_request_replaces_it(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = export(run, to=tmp_path / "bundle", timed=False).path / "manifest.json"
    made = first.stat().st_mtime_ns
    export(run, to=tmp_path / "bundle", timed=False)
    assert first.stat().st_mtime_ns == made
    assert (
        export(run, to=tmp_path / "bundle", input="latent", timed=False).manifest.signature.inputs[0].name
        == "latent"
    )
    assert first.stat().st_mtime_ns != made
    made = first.stat().st_mtime_ns
    export(run, to=tmp_path / "bundle", input="latent", timed=False)
    assert first.stat().st_mtime_ns == made
    assert {path.name for path in tmp_path.iterdir()} == {"bundle"}


@pytest.mark.slow
def test_a_timed_bundle_says_when_and_where_it_was_timed_and_is_kept(
    run: Path, tmp_path: Path, read_page: Any
) -> None:
    started = datetime.now(UTC).date().isoformat()
    made = export(run, to=tmp_path / "bundle")
    environment = made.manifest.environment
    assert started <= environment["timed_at"] <= datetime.now(UTC).date().isoformat()
    (verdict,) = read_page(made.read("report.html").decode()).of_class("verdict")
    assert environment["timed_at"] in verdict.text
    assert environment["timed_on"] in verdict.text
    written = (made.path / "manifest.json").stat().st_mtime_ns
    export(run, to=made.path)
    assert (made.path / "manifest.json").stat().st_mtime_ns == written


def test_a_graph_with_its_label_fixed_gives_that_label_s_pictures(
    run: Path, bundle: Path, tmp_path: Path
) -> None:
    fixed = export(run, to=tmp_path / "threes", fixed={"label": 3}, timed=False)
    assert fixed.manifest.variants[0].verdict.status == "passed"
    assert "label" not in fixed.probes().inputs
    seeds = list(range(16))
    with open_runner(fixed) as threes, open_runner(bundle) as whole:
        assert [field.name for field in threes.signature.inputs] == ["seed", "truncation"]
        pictures = threes.run({"seed": seeds})["image"].astype(int)
        wanted = whole.run({"seed": seeds, "label": [3] * 16})["image"]
    assert np.abs(pictures - wanted).max() <= 1
    made = (fixed.path / "manifest.json").stat().st_mtime_ns
    export(run, to=fixed.path, fixed={"label": 3}, timed=False)
    assert (fixed.path / "manifest.json").stat().st_mtime_ns == made
    other = export(run, to=fixed.path, fixed={"label": 4}, timed=False)
    assert other.manifest.files["probes.safetensors"] != fixed.manifest.files["probes.safetensors"]


def test_two_exports_of_one_checkpoint_are_the_same_files(run: Path, bundle: Path, tmp_path: Path) -> None:
    again = export(run, to=tmp_path / bundle.name, timed=False)
    assert again.manifest == Bundle.load(bundle).manifest


@pytest.mark.slow
def test_engines_are_built_without_a_gpu_and_wait_for_one(run: Path, tmp_path: Path) -> None:
    made = export(
        run, to=tmp_path / "bundle", runtimes=["tensorrt-rtx"], targets=["sm86", "sm120"], timed=False
    )
    engines = [variant for variant in made.manifest.variants if variant.runtime == "tensorrt-rtx"]
    assert [engine.target for engine in engines] == ["sm86", "sm120"]
    for engine in engines:
        assert made.manifest.files[engine.file].size_bytes > 10_000
        assert engine.verdict.status == "not_run"
        assert f"NVIDIA GPU of {engine.target}" in engine.verdict.reason
        assert engine.engine is not None
        assert engine.engine.build_seconds is None  # two exports without timings are the same bytes
    assert made.manifest.environment["tf32"] == "off"


@pytest.mark.parametrize(
    ("request_", "error", "complaint"),
    [
        ({"precisions": ["fp31"]}, UnknownName, "unknown precision 'fp31'; did you mean 'fp32'"),
        ({"runtimes": ["tensort-rtx"]}, UnknownName, "unknown runtime"),
        ({"runtimes": ["tensorrt-rtx"], "targets": ["sm90"]}, UnknownName, "unknown target 'sm90'"),
        ({"runtimes": ["tensorrt-rtx"]}, UsageError, "tensorrt-rtx needs a target"),
        ({"targets": ["sm86"]}, UsageError, "add tensorrt-rtx to --runtime"),
        ({"fixed": {"lable": 3}}, UnknownName, "unknown input 'lable'; did you mean 'label'"),
        ({"fixed": {"label": 10}}, InvalidInput, "'label' was given value 10"),
        ({"fixed": {"truncation": 1}}, UsageError, "--fix takes integer inputs, such as a label"),
        (
            {"input": "image"},
            UsageError,
            "family 'cgan' has no input form 'image'; give --input seed or latent",
        ),
    ],
)
def test_requests_that_cannot_be_met_are_refused(
    run: Path, tmp_path: Path, request_: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        export(run, to=tmp_path / "bundle", **request_)  # pyright: ignore
    assert list(tmp_path.iterdir()) == []


def test_somebody_else_s_folder_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="not empty and is not a bundle"):
        export(run, to=tmp_path / "bundle", timed=False)
    assert (tmp_path / "bundle" / "thesis.txt").exists()


@pytest.mark.slow
def test_an_interrupted_export_leaves_nothing(run: Path, tmp_path: Path) -> None:
    def interrupt(step: str, share: float) -> None:
        if "proving" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(run, to=tmp_path / "bundle", progress=interrupt)
    assert not (tmp_path / "bundle").exists()
    assert not [path for path in tmp_path.iterdir() if "partial" in path.name]


def test_a_snapshot_with_changed_weights_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    weights = load_file(tmp_path / "run" / "snapshot.safetensors")
    save_file(
        {name: tensor + 1 for name, tensor in weights.items()}, tmp_path / "run" / "snapshot.safetensors"
    )
    with pytest.raises(CheckpointError):
        export(tmp_path / "run", to=tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.slow
def test_other_pictures_to_calibrate_with_and_other_passes_replace_the_bundle(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = family("superres").generator(resolution=16, width=4, blocks=1).eval()
    save_snapshot(tmp_path / "run", generator, family="superres", preset="none")
    for name in ("data", "other"):
        (tmp_path / name).mkdir()
        for number in range(16):
            Image.new("RGB", (16, 16), (number, 2 * number, 3 * number)).save(
                tmp_path / name / f"{number}.png"
            )

    def is_written(**options: Any) -> bool:
        manifest = tmp_path / "bundle" / "manifest.json"
        before = manifest.stat().st_mtime_ns if manifest.exists() else 0
        made = export(
            tmp_path / "run", to=tmp_path / "bundle", precisions=["int8"], timed=False, **options
        ).manifest
        assert made.environment.get("without", "") == ",".join(options.get("without", ()))
        return manifest.stat().st_mtime_ns != before

    data, other = str(tmp_path / "data"), str(tmp_path / "other")
    assert is_written(calibration=data)
    assert not is_written(calibration=data)
    assert is_written(calibration=other)
    Image.new("RGB", (16, 16), (200, 100, 0)).save(tmp_path / "other" / "3.png")
    assert is_written(calibration=other)
    assert is_written(calibration=other, without=["folding"])
    assert not is_written(calibration=other, without=["folding"])
    assert is_written(calibration=other)
