"""The shape of the package: what may import what, what is public, and what an installation holds."""

import ast
import importlib
import os
import pkgutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import litho

ROOT = Path(litho.__file__).parent
STAGES = {
    "errors": 0,
    "causes": 0,
    "extras": 0,
    "files": 0,
    "noise": 0,
    "engines": 0,
    "gpu": 0,
    "pictures": 0,
    "probes": 0,
    "tokens": 0,
    "examples": 0,
    "signature": 0,
    "bundle": 0,
    "reporting": 0,
    "training": 1,
    "runners": 1,
    "generate": 2,
    "export": 2,
    "serving": 3,
    "benchmarks": 4,
    "demo": 5,
    "terminal": 5,
    "cli": 6,
    "__main__": 7,
}
"""Folder or module -> how late in the line it comes; imports point from later to earlier."""

MAY_IMPORT_TORCH = ("training", "export", "runners/torch.py", "demo.py")
RUNNING_SIDE = [
    "litho.cli",
    "litho.runners.onnxruntime",
    "litho.runners.openvino",
    "litho.runners.rectified_flow",
    "litho.runners.tensorrt",
    "litho.runners.tensorrt_rtx",
    "litho.runners.triton",
    "litho.serving.client",
    "litho.serving.repository",
    "litho.serving.server",
    "litho.parity.verify",
    "litho.export.engines.complete",
    "litho.benchmarks",
    "litho.serving.generate",
]


def sources() -> list[Path]:
    tops = [ROOT / top for top in STAGES]
    files = [
        ROOT / "__init__.py",
        *(top.with_suffix(".py") for top in tops if top.with_suffix(".py").exists()),
    ]
    # A folder of a stage's name may also be something else: `demo` is what the demo makes.
    return files + [file for top in tops if (top / "__init__.py").exists() for file in top.rglob("*.py")]


def imported(file: Path) -> set[str]:
    """Top-level module or stage -> of every import of the file, late ones included."""
    depth = len(file.relative_to(ROOT).parts)
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.removeprefix("litho.").split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level in (0, depth):
            module = (node.module or "").removeprefix("litho").lstrip(".")
            names |= {module.split(".")[0]} if module else {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_from_later_stages_to_earlier_ones(file: Path) -> None:
    stage = file.relative_to(ROOT).parts[0].removesuffix(".py")
    if stage == "__init__":
        return
    for other in imported(file) & set(STAGES) - {stage}:
        # Inside the ground floor modules may build on each other; test_there_are_no_circles watches them.
        assert STAGES[other] < STAGES[stage] or STAGES[other] == STAGES[stage] == 0 or other == "training", (
            other
        )
    allowed = str(file.relative_to(ROOT)).startswith(MAY_IMPORT_TORCH)
    assert allowed or "torch" not in imported(file) or file.name == "noise.py"


def test_there_are_no_circles() -> None:
    edges = {
        file.stem: imported(file) & {path.stem for path in ROOT.glob("*.py")}
        for file in ROOT.glob("*.py")
        if file.stem != "__init__"
    }
    while edges:
        leaves = [name for name, needs in edges.items() if not needs & set(edges)]
        assert leaves, f"a circle among {sorted(edges)}"
        for name in leaves:
            del edges[name]


@pytest.mark.parametrize("module", RUNNING_SIDE)
def test_the_running_side_never_imports_torch(module: str) -> None:
    program = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_public_names_exist_and_are_imported_lazily() -> None:
    for name in litho.__all__:
        assert getattr(litho, name) is not None
    program = "import sys, litho; sys.exit('numpy' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_has_a_docstring_and_what_it_lists_as_public(file: Path) -> None:
    if file.name == "__main__.py" or file.parent.name == "backend":
        return
    name = ".".join(("litho", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    module = importlib.import_module(name)
    assert module.__doc__, "a module says in a sentence what it is for"
    assert all(hasattr(module, public) for public in getattr(module, "__all__", []))


def test_every_package_is_listed_for_installation() -> None:
    found = {
        module.name
        for module in pkgutil.walk_packages([str(ROOT)], "litho.", onerror=lambda name: None)
        if module.ispkg and not module.name.startswith(("litho.tests", "litho.build"))
    }
    listed = (ROOT / "pyproject.toml").read_text()
    for name in found:
        assert f'"{name}"' in listed, f"{name} is missing in [tool.setuptools] packages"
        importlib.import_module(name)


@pytest.mark.slow
def test_a_wheel_made_from_the_source_distribution_installs_and_runs(tmp_path: Path) -> None:
    def run(*command: str | Path) -> str:
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
    assert {name.split("/")[0] for name in names} == {
        "litho",
        f"{'-'.join(wheel.name.split('-')[:2])}.dist-info",
    }
    assert {"litho/py.typed", "litho/templates/base.html", "litho/templates/style.css"} <= set(names)
    assert not [name for name in names if name.startswith("litho/tests")]
    environment = tmp_path / "environment"
    run(sys.executable, "-m", "venv", environment)
    run(environment / "bin" / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
    assert "checkpoint" in run(environment / "bin" / "litho", "--help")
    refused = subprocess.run(
        [environment / "bin" / "litho", "train", "cgan-digits"],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert refused.returncode == 2
    assert "pip install 'litho[train]'" in refused.stderr
