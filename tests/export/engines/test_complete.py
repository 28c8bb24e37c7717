"""Completing a bundle where the engines are built: all of it or nothing, and proven where there is a GPU."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from litho.bundle import MANIFEST_NAME, Bundle
from litho.errors import BundleError, DeviceError, ExportError, MissingExtra, UnknownName, UsageError
from litho.export.build import export
from litho.export.engines import EngineOptions
from litho.export.engines.complete import build_engines
from litho.files import sha256

from .conftest import needs_no_tensorrt

pytestmark = pytest.mark.slow


@pytest.fixture
def untouched(mine: Path) -> Iterator[Path]:
    """A bundle that must be after the test what it was before, with nothing left beside it but the lock."""
    before = {path: sha256(path) for path in mine.rglob("*") if path.is_file()}
    yield mine
    assert {path: sha256(path) for path in mine.rglob("*") if path.is_file()} == before
    assert {path.name for path in mine.parent.iterdir()} <= {"tiny", ".tiny.lock"}


def test_a_bundle_is_completed_with_engines_and_what_is_known_of_them(mine: Path) -> None:
    before = Bundle.load(mine).manifest
    after = build_engines(
        mine,
        runtime="tensorrt-rtx",
        targets=["sm86", "sm120"],
        options=EngineOptions(profiles=((1, 1, 1), (1, 8, 32))),
    ).manifest
    assert [variant.name for variant in after.variants] == [
        "generator.fp32.onnx",
        "generator.fp32.sm86.rtx",
        "generator.fp32.sm120.rtx",
    ]
    added = set(after.files) - set(before.files)
    assert added == {
        f"engines/generator.fp32.{target}.rtx{suffix}"
        for target in ("sm86", "sm120")
        for suffix in ("", ".log", ".layers.json")
    }
    assert {name for name in before.files if after.files[name] != before.files[name]} == {"report.html"}
    assert (after.environment, after.variants[0]) == (before.environment, before.variants[0])
    for variant in after.variants[1:]:
        assert variant.engine is not None
        assert variant.engine.target == variant.target
        assert variant.batches == (1, 1, 32)
        assert variant.engine.profiles == ((1, 1, 1), (1, 8, 32))
        assert set(variant.engine.products.values()) == {"fp32"}


def test_an_engine_takes_the_batches_of_its_graph_unless_others_are_given(mine: Path) -> None:
    manifest = mine / MANIFEST_NAME
    manifest.write_text(re.sub(r'("batches": \[\s*1,\s*8,\s*)64', r"\g<1>16", manifest.read_text()))
    graph, engine = build_engines(mine, runtime="tensorrt-rtx", targets=["sm86"]).manifest.variants
    assert engine.engine is not None
    assert engine.batches == graph.batches == (1, 8, 16)
    assert engine.engine.profiles == ((1, 8, 16),)


def test_an_engine_for_another_gpu_waits_for_it(mine: Path, without_gpu: None) -> None:
    (_, engine) = build_engines(mine, runtime="tensorrt-rtx", targets=["sm86"]).manifest.variants
    assert engine.verdict.status == "not_run"
    assert "needs an NVIDIA GPU of sm86" in engine.verdict.reason


def test_engines_take_over_what_their_graph_keeps_in_fp32(run: Path, tmp_path: Path) -> None:
    path = export(run, to=tmp_path / "bundle", precisions=["bf16", "fp8"], timed=False).path
    after = build_engines(path, runtime="tensorrt-rtx", targets=["sm86", "sm89"]).manifest
    portable = {variant.precision: variant for variant in after.variants if variant.target is None}
    engines = {(variant.precision, variant.target): variant for variant in after.variants if variant.target}
    # No GPU before Ada has FP8: there is nothing to build for it.
    assert set(engines) == {("bf16", "sm86"), ("bf16", "sm89"), ("fp8", "sm89")}
    for (precision, _), variant in engines.items():
        assert variant.verdict.status == "not_run", variant.verdict.reason
        assert variant.engine is not None
        assert (
            set(variant.fp32_layers)
            == set(variant.engine.fp32_layers)
            == set(portable[precision].fp32_layers)
        )
        assert set(variant.engine.products) >= set(variant.fp32_layers)
    with pytest.raises(UsageError, match="no target of sm86 computes in fp8"):
        build_engines(path, runtime="tensorrt-rtx", targets=["sm86"], precisions=["fp8"])


def test_an_engine_is_built_anew_in_its_own_place(mine: Path) -> None:
    first = build_engines(mine, runtime="tensorrt-rtx", targets=["sm86"]).manifest
    second = build_engines(
        mine, runtime="tensorrt-rtx", targets=["sm86"], options=EngineOptions(tf32=True)
    ).manifest
    assert [variant.name for variant in first.variants] == [variant.name for variant in second.variants]
    assert [variant.engine.tf32 for variant in second.variants if variant.engine] == [True]
    assert set(first.files) == set(second.files)


@needs_no_tensorrt
def test_a_script_that_others_still_need_stays(run: Path, tmp_path: Path) -> None:
    made = export(run, to=tmp_path / "bundle", runtimes=["tensorrt"], timed=False)
    after = build_engines(made.path, runtime="tensorrt-rtx", targets=["sm86"]).manifest
    assert {"generator.fp32.plan", "generator.fp32.sm86.rtx"} <= {variant.name for variant in after.variants}
    assert "engines/build-engine.sh" in after.files


@needs_no_tensorrt
def test_without_tensorrt_nothing_is_built(untouched: Path) -> None:
    with pytest.raises(MissingExtra, match="'tensorrt' is not installed"):
        build_engines(untouched)


def test_without_a_target_the_gpu_here_is_asked_for(untouched: Path, without_gpu: None) -> None:
    with pytest.raises(DeviceError, match="no NVIDIA GPU can be used here"):
        build_engines(untouched, runtime="tensorrt-rtx")


@pytest.mark.parametrize(
    ("request_", "error", "complaint"),
    [
        ({"runtime": "tensorrt-rtx", "targets": ["sm90"]}, UnknownName, "unknown target 'sm90'"),
        ({"runtime": "tensorrt-rtx", "targets": ["mars"]}, UnknownName, "unknown target 'mars'"),
        ({"runtime": "onnxruntime"}, UnknownName, "unknown engine runtime"),
        ({"runtime": "tensorrt", "targets": ["sm86"]}, UsageError, "leave --target out"),
        (
            {"runtime": "tensorrt-rtx", "targets": ["sm86"], "precisions": ["fp16"]},
            UnknownName,
            "known: fp32",
        ),
        (
            {
                "runtime": "tensorrt-rtx",
                "targets": ["sm86"],
                "options": EngineOptions(workspace_bytes=1024),
            },
            ExportError,
            "workspace",
        ),
    ],
)
def test_what_cannot_be_built_leaves_the_bundle_as_it_was(
    untouched: Path, request_: dict[str, object], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        build_engines(untouched, **request_)  # pyright: ignore


def test_an_interrupted_build_leaves_the_bundle_as_it_was(untouched: Path) -> None:
    def stop(step: str, share: float) -> None:
        if step.endswith("Building engine"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_engines(untouched, runtime="tensorrt-rtx", targets=["sm86"], progress=stop)


def test_ctrl_c_leaves_the_bundle_as_it_was(
    untouched: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Python runs this at its start: the process that builds waits, however busy this machine is.
    folder = tmp_path_factory.mktemp("python")
    (folder / "sitecustomize.py").write_text(
        "import sys, time\nwhile any('engines.worker' in word for word in sys.orig_argv): time.sleep(0.01)\n"
    )
    paths = [str(folder), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    build = [sys.executable, "-m", "litho", "build-engine", untouched, "--runtime", "tensorrt-rtx"]
    # A group of its own: a terminal's Ctrl-C reaches the builder's process as well.
    running = subprocess.Popen(
        [*build, "--target", "sm86"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
    children = Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while not children.read_text() and running.poll() is None:
        os.sched_yield()
    os.killpg(running.pid, signal.SIGINT)
    try:
        _, errors = running.communicate(timeout=240)
    finally:
        with suppress(ProcessLookupError):  # what waits for nothing does not see that its parent has ended
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 1, errors
    assert "litho: error: interrupted; no partial file is left" in errors
    assert "Traceback" not in errors


def test_a_disk_that_takes_no_more_leaves_the_bundle_as_it_was(untouched: Path) -> None:
    limits = 'ulimit -f 1000; exec "$@"'  # in blocks of 512 bytes: less than one engine has
    build = [sys.executable, "-m", "litho", "build-engine", untouched, "--runtime", "tensorrt-rtx"]
    done = subprocess.run(
        ["sh", "-c", limits, "sh", *build, "--target", "sm86"], capture_output=True, text=True
    )
    assert done.returncode == 1, done
    assert "litho: error: File too large" in done.stderr


def test_where_there_is_no_bundle_none_is_made(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle at"):
        build_engines(tmp_path / "absent" / "bundle", runtime="tensorrt-rtx", targets=["sm86"])
    assert list(tmp_path.iterdir()) == []
