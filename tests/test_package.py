"""The shape of the package: what may import what, what is public, and what an installation holds."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import litho

from .conftest import LONGEST

ROOT = Path(litho.__file__).parent
TORCH_FREE = ("signature", "bundle", "reporting", "runners", "parity", "registry", "serving")
"""Folders whose modules never import torch; an edge device installs these without it."""

STAGES, NO_TORCH, CIRCLES, FIGURES = (
    "Imports point from later stages to earlier ones",
    "The running side never imports torch or onnx",
    "No import circles",
    "Figures are written from documents, which lie apart from what measures them",
)
"""Names of the contracts in pyproject.toml."""

VIOLATIONS = {
    "a relative import of a later stage": (STAGES, "bundle/manifest.py", "from ..training import recipe"),
    "an absolute import of a later stage": (STAGES, "signature/fields.py", "import litho.bundle"),
    "a late import": (STAGES, "reporting/__init__.py", "def late():\n    from ..runners import open_runner"),
    "an import for types": (
        STAGES,
        "errors.py",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    from . import files",
    ),
    "an import of a whole stage": (STAGES, "files.py", "from . import cli"),
    "a module outside the drawing": (STAGES, "helpers.py", "import json"),
    "torch in a torch-free folder": (NO_TORCH, "parity/gate.py", "def late():\n    import torch"),
    "onnx in a torch-free folder": (NO_TORCH, "serving/clients/client.py", "from onnx import checker"),
    "torch through another module": (
        NO_TORCH,
        "serving/repository/deploy.py",
        "from ...export import pipeline",
    ),
    "a circle of two modules": (CIRCLES, "bundle/json_documents.py", "from . import manifest"),
    "a circle of two folders": (CIRCLES, "training/optim/schedule.py", "from .. import models"),
    "a circle among plug-ins": (CIRCLES, "runners/_cuda.py", "from . import tensorrt"),
    "a figure that loads what measures it": (
        FIGURES,
        "benchmarks/figures/passes.py",
        "from ..passes.run import CASES",
    ),
}
"""What is wrong -> the contract that it breaks, the file that it is planted in, and the code."""


_PEERS = "tests/benchmarks/peers/in_process/test_base.py makes the pictures of those that run on a CPU"
_SERVERS = "tests/benchmarks/peers/test_served_turns.py and programs/ measure it"

WITHOUT_A_TEST_FILE = {
    "__main__.py": "every test that runs `python -m litho` runs it",
    "_version.py": "tests/cli/test_base.py prints it",
    "benchmarks/__init__.py": "tests/benchmarks/load/test_sweep.py imports it and looks at what that loads",
    "benchmarks/load/generator/worker/transports/base.py": "tests of its transports, test_grpc.py and test_http.py",
    "benchmarks/device_bench/documents.py": "tests/benchmarks/device_bench/test_run.py makes it",
    "benchmarks/peers/in_process/nncf.py": _PEERS,
    "benchmarks/peers/in_process/onnxruntime.py": _PEERS,
    "benchmarks/peers/in_process/onnxruntime_tensorrt.py": _PEERS,
    "benchmarks/peers/in_process/openvino.py": _PEERS,
    "benchmarks/peers/in_process/quantize_static.py": _PEERS,
    "benchmarks/peers/in_process/torch_bf16.py": _PEERS,
    "benchmarks/peers/in_process/torch_compile.py": _PEERS,
    "benchmarks/peers/in_process/torch_eager.py": _PEERS,
    "benchmarks/peers/served/litho.py": _SERVERS,
    "benchmarks/peers/served/litserve.py": _SERVERS,
    "benchmarks/peers/served/pytriton.py": _SERVERS,
    "cli/passwords.py": "tests/cli/test_registry.py signs a run with a key",
    "registry/opening.py": "tests/registry/test_push.py and test_pull.py open all three kinds",
    "cli/demo.py": "tests/cli/test_messages.py has its refusals, tests/test_demo.py what it runs",
    "reporting/progress.py": "tests of long work, such as tests/parity/test_verify.py, read what is reported",
    "runners/tensorrt_rtx.py": "tests/runners/test_tensorrt.py opens its engines",
}
"""Module of few lines -> where it is tested."""

WITHOUT_A_MODULE = {
    "tests/attack": "generators and faults from outside the house",
    "tests/benchmarks/load/test_bad_targets.py": "servers that stall, err or answer wrongly, through litho bench",
    "tests/docs": "pages, and commands that messages print",
    "tests/serving/manifests/test_pod.py": "a pod of the chart, run on this machine",
    "tests/serving/playground": "the scripts of the page, which are not Python, and the page in a browser",
    "tests/serving/gateway/test_javascript_client.py": "a client that litho did not write",
    "tests/serving/test_real_clients.py": "clients that litho did not write, against its server",
    "tests/test_families.py": "every family from training to a served picture",
    "tests/test_package.py": "the package as a whole",
    "tests/training/test_launch_files.py": "the launch files of deploy/training",
    "tests/training/data/sources/test_real_sets.py": "data sets that few machines have, through several sources",
}
"""Test file or folder that mirrors no module -> what it tests."""

MOST_LINES_WITHOUT_A_TEST_FILE = 60


def modules(*folders: str) -> list[Path]:
    """Modules of some folders of the package, or of all of it."""
    files = (
        ROOT.rglob("*.py")
        if not folders
        else (file for one in folders for file in (ROOT / one).rglob("*.py"))
    )
    return [file for file in sorted(files) if is_product(file.relative_to(ROOT))]


def is_product(file: Path) -> bool:
    if file == Path("setup.py"):
        return False
    folders = [ROOT.joinpath(*file.parts[:depth]) for depth in range(1, len(file.parts))]
    return all((folder / "__init__.py").exists() for folder in folders)


def dotted(file: Path) -> str:
    return ".".join(("litho", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of pyproject.toml against the package `litho` that lies in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", ROOT / "pyproject.toml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )


def _files_of_the_page() -> list[str]:
    from litho.serving.playground import page_files

    return [name for name in page_files() if name != "views.json"]  # that one is made from the others


def mirror_of(module: Path) -> Path:
    """The test file that mirrors a module, both relative to the package's root."""
    name = module.stem if module.stem != "__init__" else module.parent.name or "litho"
    return Path("tests", *module.parent.parts, f"test_{name.strip('_')}.py")


def holds_code(module: Path) -> bool:
    """Whether a module is more than the names that a package gathers, or the call of its command."""
    body = ast.parse((ROOT / module).read_text(encoding="utf-8")).body
    if module.name == "__main__.py":
        *imports, call = body
        only_imports = all(isinstance(node, ast.Expr | ast.Import | ast.ImportFrom) for node in imports)
        return not (only_imports and isinstance(call, ast.If) and len(call.body) == 1)
    return module.name != "__init__.py" or any(
        isinstance(node, ast.FunctionDef | ast.ClassDef) for node in body
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a copy of the package's modules."""
    for file in modules():
        target = tmp_path / "litho" / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return tmp_path


def test_imports_keep_the_contracts(copy: Path) -> None:
    checked = lint_imports(copy)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.slow
@pytest.mark.parametrize("violation", VIOLATIONS)
def test_the_guard_finds_a_planted_violation(violation: str, copy: Path) -> None:
    contract, file, code = VIOLATIONS[violation]
    with (copy / "litho" / file).open("a") as module:
        module.write(f"\n{code}\n")
    checked = lint_imports(copy)
    assert checked.returncode == 1
    assert f"{contract} BROKEN" in checked.stdout


@pytest.mark.slow
def test_torch_free_folders_never_load_torch() -> None:
    names = [
        dotted(file)
        for file in modules(*TORCH_FREE)
        if file.name not in ("torch.py", "launch.py") and file.parent.name != "backend"
    ]
    program = (
        f"import sys, importlib\nfor name in {names}: importlib.import_module(name)\n"
        "sys.exit(' '.join({'torch', 'onnx', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert loaded.returncode == 0, loaded.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    ["litho.cli", "litho.benchmarks", "litho.export.engines.complete", "litho.training.evaluation.document"],
)
def test_commands_of_the_running_side_never_load_torch(module: str) -> None:
    program = f"import sys, {module}; sys.exit(any(name in sys.modules for name in ('torch', 'onnx', 'matplotlib')))"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_public_names_exist_and_are_imported_lazily() -> None:
    for name in litho.__all__:
        assert getattr(litho, name) is not None
    program = "import sys, litho; sys.exit('numpy' in sys.modules or 'pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_every_module_has_a_test_file_and_every_test_file_a_module() -> None:
    product = [file.relative_to(ROOT) for file in modules()]
    tests = {file.relative_to(ROOT) for file in (ROOT / "tests").rglob("test_*.py")}
    missing = {str(module) for module in product if holds_code(module) and mirror_of(module) not in tests}
    assert missing == set(WITHOUT_A_TEST_FILE)
    for module in missing:
        assert len((ROOT / module).read_text().splitlines()) <= MOST_LINES_WITHOUT_A_TEST_FILE, module
    scripts = [file.relative_to(ROOT) for file in (ROOT / "scripts").glob("*.py")]
    stray = tests - {mirror_of(module) for module in (*product, *scripts)}
    listed = {Path(name) for name in WITHOUT_A_MODULE}
    assert {one for test in stray for one in (test, *test.parents)} >= listed
    assert [str(test) for test in stray if not {test, *test.parents} & listed] == []


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_module_has_a_docstring_and_what_it_lists_as_public(file: Path) -> None:
    if file.name == "__main__.py" or file.parent.name == "backend":
        return
    module = importlib.import_module(dotted(file))
    assert module.__doc__, "a module says in a sentence what it is for"
    assert all(hasattr(module, public) for public in getattr(module, "__all__", []))


def test_test_files_that_run_first_exist() -> None:
    assert [name for name in LONGEST if not (ROOT / "tests" / name).is_file()] == []


def test_every_folder_of_code_is_a_package() -> None:
    stages = [folder for folder in ROOT.iterdir() if (folder / "__init__.py").exists()]
    folders = {file.parent for stage in stages for file in stage.rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == [], (
        "setup.py finds no package without an __init__.py"
    )


@pytest.mark.slow
def test_a_wheel_made_from_the_source_distribution_installs_and_runs(tmp_path: Path) -> None:
    def run(*command: str | Path) -> str:
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    # Of a copy: a folder with all modules lies for a while in the tree that is built, where other tests look.
    source = tmp_path / "source"
    source.mkdir()
    parts = [one for one in ROOT.iterdir() if (one / "__init__.py").exists() or one.is_file()]
    for part in [*parts, ROOT / "deploy"]:
        (shutil.copytree if part.is_dir() else shutil.copy)(part, source / part.name)
    run(sys.executable, "-m", "build", "--outdir", tmp_path / "dist", source)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
    assert {name.split("/")[0] for name in names} == {
        "litho",
        f"{'-'.join(wheel.name.split('-')[:2])}.dist-info",
    }
    assert {
        "litho/py.typed",
        "litho/reporting/templates/base.html",
        "litho/reporting/templates/style.css",
        *(f"litho/serving/playground/{file}" for file in _files_of_the_page()),
        *(f"litho/{file.relative_to(ROOT)}" for file in (ROOT / "deploy").rglob("*") if file.is_file()),
        *(f"litho/{file.relative_to(ROOT)}" for file in modules()),
    } <= set(names)
    assert not [name for name in names if name.startswith(("litho/tests", "litho/setup"))]
    environment = tmp_path / "environment"
    # This environment's pip fills the new one: to install another there takes as long as the wheel and all it needs.
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    pip = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python"]
    run(*pip, "install", "-q", "--no-compile", "-c", ROOT / "constraints.txt", wheel)
    assert "checkpoint" in run(environment / "bin" / "litho", "--help")
    refused = subprocess.run(
        [environment / "bin" / "litho", "train", "cgan-digits"],
        capture_output=True,
        text=True,
        env={**os.environ},
    )
    assert refused.returncode == 2
    assert "pip install 'litho[train]'" in refused.stderr
