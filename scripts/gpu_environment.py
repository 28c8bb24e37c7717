"""The packages of `gpu_bench.py`: what a PyTorch machine lacks, from the folder `.whl` or the package index."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["NEEDED", "absent", "fetch_wheels", "has_cuda_provider", "last_line", "prepare"]

ROOT = Path(__file__).resolve().parents[1]
WHEELS = ROOT / ".whl"
SERVER_WHEELS = WHEELS / "server"
SERVER = ROOT / "serving" / "server" / "requirements-server.txt"
SERVER_GPU = SERVER.with_name("requirements-server-gpu.txt")

NEEDED = {
    "numpy": "numpy",
    "pydantic": "pydantic",
    "typer": "typer",
    "rich": "rich",
    "PIL": "pillow",
    "safetensors": "safetensors",
    "platformdirs": "platformdirs",
    "tritonclient": "tritonclient",
    "grpc": "grpcio",
    "google.protobuf": "protobuf",
    "onnx": "onnx",
    "onnxscript": "onnxscript",
    "jinja2": "jinja2",
    "sklearn": "scikit-learn",
    "tensorboard": "tensorboard",
}
"""Module that the suite imports -> its package."""


def prepare(folder: Path, run: Callable[[list[str]], str] | None = None) -> tuple[dict[str, str], list[str]]:
    """An environment in which `import litho` is this checkout.

    Args:
        folder: for a link to the checkout, and for packages that are missing.
        run: runs pip with arguments and returns "" or the reason of its failure; by default for real.

    Returns:
        The environment; and names of packages that could not be had.
    """
    (folder / "litho").symlink_to(ROOT, target_is_directory=True)
    site = folder / "site"
    paths = [str(folder), str(site), os.environ.get("PYTHONPATH", "")]
    missing = _not_found(NEEDED)
    if missing:
        install = run or _pip
        target = ["--target", str(site), "--quiet", "--no-compile"]
        wheels = sorted(map(str, WHEELS.glob("*.whl")))
        sys.path.insert(0, str(site))
        if wheels:
            install([*target, "--no-index", "--no-deps", *wheels])
            missing = _found_since()
        if missing:
            # Pinned, so that the index brings no other NumPy than PyTorch was built for.
            install([*target, "--constraint", str(ROOT / "constraints.txt"), *missing])
            missing = _found_since()
    given = {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "PYTHONUNBUFFERED": "1",
        "LITHO_SERVER_HOME": str(folder / "server"),
    }
    if any(SERVER_WHEELS.glob("*.whl")):
        given |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(SERVER_WHEELS)}
    return {**os.environ, **given}, missing


def _found_since() -> list[str]:
    """Packages that are still missing after an installation."""
    importlib.invalidate_caches()
    return _not_found(NEEDED)


def _not_found(modules: dict[str, str]) -> list[str]:
    lacking = absent(modules)
    return [package for module, package in modules.items() if module in lacking]


def absent(modules: Iterable[str]) -> set[str]:
    """Those of some modules that this Python does not find."""

    def is_absent(module: str) -> bool:
        try:
            return importlib.util.find_spec(module) is None
        except ModuleNotFoundError:
            return True

    return {module for module in modules if is_absent(module)}


def _pip(arguments: list[str]) -> str:
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--retries", "0"]
    try:
        done = subprocess.run(
            [*command, "--timeout", "10", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        return "pip took more than 60 s"
    return "" if done.returncode == 0 else last_line(done.stderr) or "pip failed"


def has_cuda_provider(environment: dict[str, str]) -> bool:
    """Whether the ONNX Runtime of an environment has CUDA's provider."""
    asks = "import onnxruntime as o; print('CUDAExecutionProvider' in o.get_available_providers())"
    command = [sys.executable, "-c", asks]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip() == "True"


def last_line(text: str) -> str:
    """The last line of what a program said, without colours, of at most 300 characters; "" if there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"\x1b\[[0-9;]*m", "", lines[-1])[:300] if lines else ""


def fetch_wheels(python: str) -> int:
    """Download what a PyTorch machine lacks into `.whl`, for a Python such as "3.12"; pip's exit code."""
    wanted = ["pydantic", "platformdirs", "tritonclient", "python-rapidjson", "grpcio", "protobuf"]
    wanted += [line for line in SERVER_GPU.read_text().splitlines() if line.startswith("onnxruntime-gpu==")]
    shutil.rmtree(WHEELS, ignore_errors=True)
    known = ("manylinux2014", *(f"manylinux_2_{minor}" for minor in (17, 24, 27, 28, 34)))
    command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--implementation", "cp"]
    command += [f"--platform={one}_x86_64" for one in known]
    command += ["--python-version", python]
    constraint = ["--constraint", str(ROOT / "constraints.txt")]
    if code := subprocess.run(
        [*command, "--dest", str(WHEELS), *wanted, *constraint], check=False
    ).returncode:
        return code
    lists = [word for file in (SERVER, SERVER_GPU) for word in ("--requirement", str(file))]
    return subprocess.run(
        [*command, "--no-deps", "--dest", str(SERVER_WHEELS), *lists], check=False
    ).returncode
