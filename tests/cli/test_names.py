"""Shell completion, in a real bash, and the names that help lists."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

BASH = shutil.which("bash")

SCRIPT = """
set -e
litho --show-completion > script.sh
source script.sh
complete -p litho >&2
COMP_WORDS=({words})
COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_litho_completion litho
echo "${{COMPREPLY[*]}}"
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program `litho`, which refuses to import torch or a runtime."""
    folder = tmp_path_factory.mktemp("programs")
    heavy = (
        "torch",
        "onnxruntime",
        "openvino",
        "tensorrt",
        "tensorrt_rtx",
        "jinja2",
        "matplotlib",
        "onnxscript",
    )
    (folder / "litho").write_text(
        f"#!{sys.executable}\nimport sys\nsys.modules.update(dict.fromkeys({heavy!r}))\n"
        "from litho.cli import main\nmain()\n"
    )
    (folder / "litho").chmod(stat.S_IRWXU)
    return folder


def completions(programs: Path, words: str, cwd: Path) -> list[str]:
    """What bash offers when Tab is pressed behind these words; "''" stands for a word that is not begun."""
    assert BASH is not None
    done = subprocess.run(
        [BASH, "-c", SCRIPT.format(words=words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("litho ex", "export"),
        ("litho server ''", "install"),
        ("litho export x --prec", "--precision"),
        ("litho export x --precision fp", "fp32 fp16 fp8"),
        ("litho export x --precision fp32,fp", "fp32,fp16 fp32,fp8"),
        ("litho export x --runtime t", "tensorrt tensorrt-rtx"),
        ("litho export x --target sm8", "sm80 sm86 sm89"),
        ("litho export x --without fo", "folding"),
        ("litho export x --aim ''", "latency throughput size"),
        ("litho build-engine x --runtime tensorrt-", "tensorrt-rtx"),
        ("litho train dc", "dcgan-digits dcgan-fashion dcgan64-emoji dcgan"),
        ("litho train cgan-digits --budget ''", "cpu gpu"),
        ("litho bench x --scenario ''", "closed-loop constant gamma poisson trace"),
        ("litho deploy tiny --variant ''", "generator.fp32.onnx"),
        ("litho generate absent --variant ''", ""),
        ("litho rollback models ''", "digits shapes"),
    ],
)
@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_bash_completes_names(programs: Path, bundle: Path, tmp_path: Path, words: str, offered: str) -> None:
    (tmp_path / "tiny").symlink_to(bundle)
    for model in ("shapes", "digits"):
        (tmp_path / "models" / model).mkdir(parents=True)
        (tmp_path / "models" / model / "config.pbtxt").touch()
    assert completions(programs, words, tmp_path) == offered.split()


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_completion_installs_itself_for_bash(programs: Path, tmp_path: Path) -> None:
    assert BASH is not None
    environment = {**os.environ, "HOME": str(tmp_path), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    script = "litho --install-completion && source ~/.bashrc && complete -p litho"
    done = subprocess.run([BASH, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == "complete -o default -F _litho_completion litho", done.stderr
