"""The report of a bundle after engines were added."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from litho.bundle import Bundle
from litho.export.engines.complete import build_engines

pytestmark = pytest.mark.slow


def test_the_report_is_refreshed_with_the_engines_in_it(
    mine: Path, without_gpu: None, read_page: Any
) -> None:
    before = Bundle.load(mine).read("report.html").decode()
    build_engines(mine, runtime="tensorrt-rtx", targets=["sm86"])
    after = build_engines(mine, runtime="tensorrt-rtx", targets=["sm120"]).read("report.html").decode()
    assert 'id="engines-added-later"' not in before
    assert after.count('id="engines-added-later"') == 1
    engines = next(
        one for one in read_page(after).all("table") if "engines" in one.attributes["aria-labelledby"]
    )
    assert [row.all("th", "td")[1].text.split()[0] for row in engines.all("tbody")[0].all("tr")] == [
        "TensorRT-RTX"
    ] * 2
    assert "3 variants: 1 passed, 2 not run on this machine." in after
    for engine in ("generator.fp32.sm86.rtx", "generator.fp32.sm120.rtx"):
        assert f"{engine} was not run: the proof needs an NVIDIA GPU of" in after
        assert engine in engines.text
    # What the export measured is in the manifest, and the pictures are made once more.
    for section in ("graph-passes", "images"):
        start = before.index(f'id="{section}"')
        # To the passes, the engines' own is added as the last row.
        parts = before[start : before.index("</section>", start)].split("</tbody>")
        assert all(part in after for part in parts)
    assert "<span>remainders</span>" not in before
    assert after.count("<span>remainders</span>") == 1


def build_without(module: str, bundle: Path) -> str:
    """The report of a bundle that was completed where a module is not installed."""
    program = f"import sys; sys.modules[{module!r}] = None; from litho.cli import main; main()"
    words = ["build-engine", bundle, "--runtime", "tensorrt-rtx", "--target", "sm86"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    completed = Bundle.load(bundle)
    assert "engines/generator.fp32.sm86.rtx" in completed.manifest.files
    return completed.read("report.html").decode()


def test_without_a_runtime_the_report_says_what_it_does_not_show(mine: Path) -> None:
    report = build_without("onnxruntime", mine)
    assert "<dt>generator.fp32.onnx</dt><dd>&#39;onnxruntime&#39; is not installed" in report
    assert 'id="images"' not in report
    assert "generator.fp32.sm86.rtx was not run" in report


@pytest.mark.parametrize("module", ["jinja2", "matplotlib"])
def test_where_no_page_can_be_made_the_old_one_says_so(mine: Path, module: str) -> None:
    before = Bundle.load(mine).read("report.html").decode()
    first, _, rest = build_without(module, mine).partition('<ul class="remarks">')
    remark, _, rest = rest.partition("</ul>\n")
    assert first + rest == before
    assert "The bundle has generator.fp32.sm86.rtx." in remark
    assert f"{module}&#x27; is not installed; get it with: pip install &#x27;litho[bench]&#x27;" in remark
