"""An engine as a variant of a bundle, or the script that builds it on another machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from litho.export.build import export

from .conftest import needs_no_tensorrt

pytestmark = pytest.mark.slow


@needs_no_tensorrt
def test_an_export_without_tensorrt_says_what_is_missing_and_brings_the_script(
    run: Path, tmp_path: Path
) -> None:
    made = export(run, to=tmp_path / "bundle", runtimes=["tensorrt"], timed=False)
    portable, waiting = made.manifest.variants
    assert portable.verdict.status == "passed"
    assert (waiting.name, waiting.target, waiting.engine) == ("generator.fp32.plan", "unbuilt", None)
    assert waiting.verdict.status == "not_run"
    assert "pip install 'litho[gpu]'" in waiting.verdict.reason
    assert "sh engines/build-engine.sh" in waiting.verdict.reason
    kept = (made.path / "manifest.json").stat().st_mtime_ns
    assert export(run, to=tmp_path / "bundle", runtimes=["tensorrt"], timed=False).manifest == made.manifest
    assert (made.path / "manifest.json").stat().st_mtime_ns == kept

    # The script runs here as it would there, as far as TensorRT lets it.
    commands = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", made.path / "engines" / "build-engine.sh", "--precision", "fp32"],
        capture_output=True,
        text=True,
        env={**os.environ, **commands},
        cwd="/",
    )
    assert done.returncode == 2
    assert "'tensorrt' is not installed; get it with: pip install 'litho[gpu]'" in done.stderr
    script = ["/bin/sh", made.path / "engines" / "build-engine.sh"]
    alone = subprocess.run(script, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"})
    assert alone.returncode == 1
    assert "litho is not installed here; get it with: pip install 'litho[gpu]'" in alone.stderr
