"""The whole benchmark suite on a machine with a GPU, in under eight minutes: `make gpu-bench`.

    python3 scripts/gpu_bench.py

It needs this checkout and a Python that has PyTorch. Of what litho needs besides, missing packages are taken from the
folder `.whl` (`make gpu-wheels` fills it on a machine with a network), else from the package index, into a temporary
folder. Where neither has them, the card itself and a plain network are measured with PyTorch alone. Every step runs
in a process of its own with a time limit; what is missing is one line. The result goes to
`benchmarks/results/gpu-DEVICE.json`.

Wheels of the embedded server may lie in `.whl/server`; then it is installed without an index too.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import importlib.util
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gpu_environment import absent, fetch_wheels, has_cuda_provider, last_line, prepare

__all__ = ["Step", "Suite", "main", "run_step", "shares_of_peak", "steps"]

ROOT = Path(__file__).resolve().parents[1]
PEAKS = ROOT / "scripts" / "gpu_peaks.py"
SCHEMA_VERSION = 2
BUDGET_SECONDS = 450.0
"""Time for all steps: eight minutes, less half a minute for the start and the result."""

OPTIONAL = {
    "onnxruntime": "ONNX Runtime",
    "tensorrt": "TensorRT",
    "tensorrt_rtx": "TensorRT for RTX",
    "torch_tensorrt": "torch-tensorrt",
    "openvino": "OpenVINO",
    "pynvml": "NVML, for watts and GPU memory",
    "cuda.bindings": "engines of TensorRT, which need cuda-python",
}
"""Module -> what cannot be measured without it."""

FAMILIES = ("dcgan", "flow", "superres", "vae", "cgan", "r3gan", "gan", "inpaint", "pix2pix", "cyclegan")
"""That the gate takes; the first one is timed, too."""


@dataclass(frozen=True)
class Step:
    """A part of the suite.

    Args:
        name: of the step.
        command: arguments of Python; "{out}" is a folder for files, kept from step to step.
        seconds: after which it is ended.
        result: JSON file in that folder; "" for none.
    """

    name: str
    command: tuple[str, ...]
    seconds: float
    result: str = ""


@dataclass
class Suite:
    """What the suite measured so far.

    Args:
        device: "cuda" or "cpu".
        name: of the GPU, or of the processor.
        missing: one line for everything that could not be measured.
        ran: of each step its name, status ("done", "failed", "out of time"), seconds and last line.
        results: name of a step -> its document.
    """

    device: str
    name: str
    missing: list[str] = field(default_factory=list)
    ran: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)

    def document(self, started: str, seconds: float) -> dict[str, Any]:
        """The document of the suite."""
        return {
            "schema_version": SCHEMA_VERSION,
            "device": self.name,
            "measured_at": started,
            "seconds": round(seconds, 1),
            "command": f"python3 scripts/gpu_bench.py --device {self.device}",
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "missing": self.missing,
            "steps": self.ran,
            "results": self.results,
            "shares_of_peak": shares_of_peak(self.results),
        }


def steps(device: str, families: Sequence[str], scale: float = 1.0) -> tuple[Step, ...]:
    """The steps in order.

    Args:
        device: "cuda" or "cpu".
        families: that the gate takes.
        scale: of the times that are measured; below 1 to try the suite.
    """
    litho, run = ("-m", "litho"), "{out}/run"
    on_gpu = ("--device", "cuda") if device == "cuda" else ()
    seconds = f"{40 * scale:g}"
    small = ("nimg=64", "batch=32", "precision=fp32", "ema_half_life_nimg=1")
    trial = tuple(word for setting in small for word in ("--set", setting))
    check = ("-m", "litho.benchmarks.gpu_check", "--device", device)
    return (
        Step(
            "peaks",
            ("{peaks}", "{out}/peaks.json", "--device", device, "--scale", f"{scale:g}"),
            60,
            "peaks.json",
        ),
        Step("run", (*litho, "train", "cgan-digits", "--run", run, *trial), 90),
        Step(
            "bench",
            ("-m", "litho.benchmarks.device_bench", run, "--device", device, "--seconds", seconds)
            + ("--output", "{out}/bench.json"),
            150,
            "bench.json",
        ),
        Step(
            "gate",
            (*check, families[0], "--precision", "fp32,fp16", "--output", "{out}/gate.json"),
            90,
            "gate.json",
        ),
        Step(
            "peers",
            ("-m", "litho.benchmarks.peers", run, *(("--on", "gpu") if device == "cuda" else ()))
            + ("--precision", "fp32", "--without", "torch-compile", "--rounds", "5")
            + ("--output", "{out}/peers.json"),
            120,
            "peers.json",
        ),
        Step(
            "bundle",
            (*litho, "export", run, "--to", "{out}/bundle", "--precision", "fp32", "--no-timing")
            + ("--runtime", "onnxruntime"),
            60,
        ),
        Step("verify", (*litho, "verify", "{out}/bundle", *on_gpu), 60),
        Step("server", (*litho, "server", "install", *on_gpu), 120),
        Step(
            "cold start",
            ("-m", "litho.benchmarks.cold_start", "{out}/bundle", "--starts", "3", *on_gpu)
            + ("--output", "{out}/cold-start.json"),
            90,
            "cold-start.json",
        ),
        Step(
            "served",
            ("-m", "litho.benchmarks.endpoints", "served={out}/bundle", "--clients", "1,8,32,128", *on_gpu)
            + ("--seconds", seconds, "--output", "{out}"),
            120,
            "served-endpoint.json",
        ),
        # All at once: their pictures count here, not their times.
        Step(
            "gate of all",
            (*check, *families, "--precision", "fp32", "--jobs", str(min(8, os.cpu_count() or 1)))
            + ("--output", "{out}/gate-all.json"),
            150,
            "gate-all.json",
        ),
    )


def run_step(step: Step, out: Path, environment: dict[str, str], seconds: float) -> dict[str, Any]:
    """Run a step; its processes end with it.

    Args:
        step: the step.
        out: folder of its files.
        environment: of its process.
        seconds: after which it is ended, if its own limit is longer.

    Returns:
        "name", "status", "seconds", "said": its last line if it failed.
    """
    given = {"{out}": str(out), "{peaks}": str(PEAKS)}
    command = [sys.executable]
    for argument in step.command:
        for mark, value in given.items():
            argument = argument.replace(mark, value)
        command.append(argument)
    start = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=out,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        said, _ = process.communicate(timeout=max(1.0, min(step.seconds, seconds)))
        status = "done" if process.returncode == 0 else "failed"
    except subprocess.TimeoutExpired:
        status, said = "out of time", ""
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()  # the rest of its output, and its pipe is closed
    spent = round(time.monotonic() - start, 1)
    line = "" if status == "done" else last_line(said) or f"it was ended after {spent:.0f} s"
    return {"name": step.name, "status": status, "seconds": spent, "said": line.replace(str(out), "OUT")}


def measure(device: str, families: Sequence[str], budget: float, scale: float) -> Suite:
    """Run the steps that the time and the packages allow."""
    suite = Suite(device, _device_name(device))
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        environment, missing = prepare(out)
        chosen = steps(device, families, scale)
        if missing:
            packages = ", ".join(missing)
            suite.missing.append(
                f"everything but peaks: Python packages {packages}; fill .whl by make gpu-wheels"
            )
            chosen = chosen[:1]
        lacking = absent(OPTIONAL)
        suite.missing += [
            f"{what}: module {module}" for module, what in OPTIONAL.items() if module in lacking
        ]
        if device == "cuda" and not missing and not has_cuda_provider(environment):
            suite.missing.append("ONNX Runtime on the GPU: package onnxruntime-gpu in place of onnxruntime")
        for step in chosen:
            left = budget - (time.monotonic() - start)
            if left < 5:
                suite.missing.append(f"{step.name}: the time of the suite was used up")
                continue
            print(f"{step.name} ...", flush=True)
            ran = run_step(step, out, environment, left)
            suite.ran.append(ran)
            print(f"{step.name}: {ran['status']} after {ran['seconds']} s {ran['said']}", flush=True)
            if ran["status"] != "done":
                suite.missing.append(f"{step.name}: {ran['said']}")
            if step.result and (out / step.result).is_file():
                suite.results[step.name] = json.loads((out / step.result).read_text(encoding="utf-8"))
    return suite


def shares_of_peak(results: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Form -> batch -> share, 0 to 1, of the arithmetic that matrix products of its precision reach on the device.

    A multiply-add counts as two operations. Weights and pictures that do not fit the caches are not counted, so a
    small share may also be the memory's limit, or that of launching kernels.

    Args:
        results: of the suite; empty shares without "peaks" and "bench".
    """
    if "peaks" not in results or "bench" not in results:
        return {}
    dtypes = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "": "float32"}
    operations = 2 * results["bench"]["multiply_adds"]
    shares: dict[str, dict[str, float]] = {}
    for name, result in results["bench"]["results"].items():
        precision = "bf16" if "BF16" in name else result["precision"]
        peak = results["peaks"]["teraflops"].get(dtypes.get(precision, ""), 0) * 1e12
        if peak:
            shares[name] = {
                str(point["load"]["batch"]): _images_per_second(point) * operations / peak
                for point in result["points"]
            }
    return shares


def _images_per_second(point: dict[str, Any]) -> float:
    """Throughput of all windows of a load together."""
    windows = point["windows"]
    return sum(one["images"] for one in windows) / sum(one["seconds"] for one in windows)


def _device_name(device: str) -> str:
    if device == "cpu":
        return f"cpu {platform.machine()}"
    import torch

    return torch.cuda.get_device_name(0)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit code is 1 if the gate failed, or if nothing was measured."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--device", choices=("cuda", "cpu"), default="cuda", help="cpu tries the suite itself"
    )
    parser.add_argument("--budget", type=float, default=BUDGET_SECONDS, help="seconds for all steps")
    parser.add_argument("--scale", type=float, default=1.0, help="of the measured times")
    parser.add_argument("--families", default=",".join(FAMILIES), help="of the gate, separated by commas")
    parser.add_argument(
        "--output", type=Path, help="JSON file; by default benchmarks/results/gpu-DEVICE.json"
    )
    parser.add_argument("--fetch", metavar="PYTHON", help="fill .whl for this Python, such as 3.12, and stop")
    given = parser.parse_args(arguments)
    if given.fetch:
        return fetch_wheels(given.fetch)
    if problem := _problem(given.device):
        print(f"gpu-bench: error: {problem}", file=sys.stderr)
        return 2
    started, start = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"), time.monotonic()
    suite = measure(given.device, given.families.split(","), given.budget, given.scale)
    slug = re.sub(r"[^a-z0-9]+", "-", suite.name.lower()).strip("-")
    output = given.output or ROOT / "benchmarks" / "results" / f"gpu-{slug}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    document = suite.document(started, time.monotonic() - start)
    output.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print("\n".join(f"missing: {line}" for line in suite.missing))
    print(f"{suite.name}: {len(suite.results)} results in {document['seconds']:.0f} s: {output}")
    failed = any(ran["status"] == "failed" and ran["name"].startswith("gate") for ran in suite.ran)
    return 1 if failed or not suite.results else 0


def _problem(device: str) -> str:
    if sys.version_info < (3, 11):  # noqa: UP036 - whatever Python the machine has runs this script
        return f"litho needs Python 3.11 or newer, and this is {platform.python_version()}; name another: GPU_PYTHON="
    if importlib.util.find_spec("torch") is None:
        return "this Python has no PyTorch; name one that has: make gpu-bench GPU_PYTHON=/path/to/python3"
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        return "PyTorch sees no GPU here; to try the suite itself: --device cpu"
    return ""


if __name__ == "__main__":
    sys.exit(main())
