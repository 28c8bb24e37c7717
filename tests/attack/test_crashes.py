"""Runtimes that crash: the export goes on, the variant has failed with one line, and no process is left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from litho import runners
from litho.bundle import Bundle
from litho.errors import RuntimeCrash
from litho.export.build import export
from litho.parity.verify import verify
from litho.runners import Worker
from litho.runners._graph_options import OPTIMIZATION, graph_option

from ..cli.conftest import Command, Complaint
from .zoo import ZOO

pytestmark = pytest.mark.slow

CRASHING = """
import os, signal
from litho.runners import onnxruntime
from litho.runners._graph_options import graph_option

class Runner(onnxruntime.Runner):
    name = "toy"
    title = "Toy Runtime"
    order = 50
    levels = {levels}

    def _crash(self, when):
        with open({pids!r}, "a") as file:
            file.write(f"{{os.getpid()}}\\n")
        if when == {when!r} and graph_option(self._model, "litho.optimization") != {safe!r}:
            os.kill(os.getpid(), signal.SIGSEGV)

    def __init__(self, model, signature, device="cpu", threads=None):
        self._model = model
        self._crash("open")
        super().__init__(model, signature, device, threads=threads)

    def run(self, inputs, *, check=True):
        if check:
            self._crash("time")  # a replay has checked its inputs in the other process
        return super().run(inputs, check=check)

    def _execute(self, inputs):
        self._crash("run")
        return super()._execute(inputs)
"""

Plant = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Adds a runtime called `toy` that crashes; gives the file with the numbers of the processes that it ran in."""

    def planted(when: str, levels: tuple[str, ...] = (), safe: str = "never") -> Path:
        folder, pids = tmp_path / "toys", tmp_path / "pids"
        folder.mkdir()
        content = CRASHING.format(when=when, levels=levels, safe=safe, pids=str(pids))
        (folder / "toy.py").write_text(content)
        monkeypatch.setattr(runners, "__path__", [*runners.__path__, str(folder)])
        monkeypatch.setitem(sys.modules, "litho.runners.toy", None)
        monkeypatch.delitem(sys.modules, "litho.runners.toy")
        monkeypatch.setattr(runners, "toy", None, raising=False)
        return pids

    return planted


def all_gone(pids: Path) -> bool:
    """Whether every process of a file has ended; it may take the system a moment."""
    numbers = {int(line) for line in pids.read_text().split()}
    assert numbers
    assert os.getpid() not in numbers
    for _ in range(2400):
        if not any(Path(f"/proc/{number}").exists() for number in numbers):
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize(
    ("when", "work"),
    [("open", "opened the graph"), ("run", "ran a batch of 64"), ("time", "was timed on a batch of 1")],
)
def test_a_runtime_that_crashes_fails_its_variant_and_nothing_else(
    when: str, work: str, plant: Plant, run: Path, tmp_path: Path, litho_here: Command, error_of: Complaint
) -> None:
    pids, bundle = plant(when), tmp_path / "bundle"
    exported = litho_here("export", run, "--to", bundle, "--runtime", "onnxruntime,toy")
    assert "generator.fp32.toy.onnx failed the gate and will not be deployed" in error_of(exported)
    assert exported.returncode == 1
    assert all_gone(pids)
    manifest = Bundle.load(bundle).manifest
    verdicts = {variant.name: variant.verdict for variant in manifest.variants}
    assert verdicts["generator.fp32.onnx"].status == "passed"
    failed = verdicts["generator.fp32.toy.onnx"]
    assert (failed.status, failed.reason) == ("failed", f"Toy Runtime crashed (SIGSEGV) while it {work}")
    timed = {variant.name: bool(variant.timings) for variant in manifest.variants}
    assert timed == {"generator.fp32.onnx": True, "generator.fp32.toy.onnx": False}
    assert manifest.recommended == ("generator.fp32.onnx",)

    verified = litho_here("verify", bundle)
    assert verified.returncode == 1
    assert "\n" not in error_of(verified)
    assert all_gone(pids)
    outcomes = {outcome.subject: outcome.verdict for outcome in verify(bundle)}
    assert outcomes["generator.fp32.onnx"].status == "passed"
    assert outcomes["generator.fp32.toy.onnx"].status == "failed"


def test_a_runtime_that_crashes_while_it_optimises_is_told_to_do_less(
    plant: Plant, run: Path, tmp_path: Path, litho_here: Command
) -> None:
    pids, path = plant("run", levels=("extended", "basic", "disabled"), safe="basic"), tmp_path / "bundle"
    exported = litho_here("export", run, "--to", path, "--runtime", "onnxruntime,toy")
    assert exported.returncode == 0, exported.stderr
    assert (
        "generator.fp32.toy.onnx runs with optimisation up to level basic in every runner" in exported.stdout
    )
    assert all_gone(pids)
    bundle = Bundle.load(path)
    plain, limited = (bundle.variant(name) for name in ("generator.fp32.onnx", "generator.fp32.toy.onnx"))
    assert (plain.options, limited.options) == ({}, {"optimization": "basic"})
    assert graph_option(bundle.read(plain.file), OPTIMIZATION) is None
    assert graph_option(bundle.read(limited.file), OPTIMIZATION) == "basic"
    assert limited.timings
    assert [outcome.verdict.status for outcome in verify(path)] == ["passed", "passed"]


def test_a_transformer_in_fp16_runs_at_a_recorded_level_of_optimisation(
    tmp_path: Path, litho_command: Command
) -> None:
    """At ORT_ENABLE_ALL, ONNX Runtime 1.31.1 ends the process on this graph."""
    transformer, path = ZOO["transformer-encoder"], tmp_path / "bundle"
    bundle = export(
        transformer.build(),
        signature=transformer.signature,
        to=path,
        precisions=["fp32", "fp16"],
        timed=False,
    )
    variant = bundle.variant("generator.fp16.onnx")
    assert variant.verdict.status == "passed"
    level = graph_option(bundle.read(variant.file), OPTIMIZATION)
    assert variant.options == ({} if level is None else {"optimization": level})
    if crashes_when_optimised(bundle, variant.name):
        assert level in ("extended", "basic", "disabled")
    assert {outcome.verdict.status for outcome in verify(path)} == {"passed"}
    made = litho_command(
        "generate", path, "--variant", variant.name, "--seed", 3, "--output", tmp_path / "a.png"
    )
    assert made.returncode == 0, made.stderr


def crashes_when_optimised(bundle: Bundle, name: str) -> bool:
    """Whether ONNX Runtime crashes on the graph of a variant without the option in its metadata."""
    import onnx

    model = onnx.load_from_string(bundle.read(bundle.variant(name).file))
    kept = [entry for entry in model.metadata_props if entry.key != OPTIMIZATION]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    signature = bundle.manifest.signature
    try:
        with (
            Worker() as worker,
            worker.open_graph("onnxruntime", model.SerializeToString(), signature) as runner,
        ):
            runner.run(signature.example(2))
    except RuntimeCrash:
        return True
    return False
