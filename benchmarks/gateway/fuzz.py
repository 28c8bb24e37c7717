"""Generated requests: `python -m litho.benchmarks.gateway.fuzz BUNDLE [BUNDLE ...] [--cases 5000]`.

schemathesis reads the gateway's OpenAPI document and makes requests from it, right ones and wrong ones, while a real
server is behind the gateway. No answer may be a 5xx or differ from the document, and the server must still be the
process that it was at first. Written to `results/gateway-fuzz.json`.

Where the document asks for a file that is a picture, requests have one: all are of one size and have a hole, because
that a mask belongs to its picture cannot be said there. The check `positive_data_acceptance` is left out where the
document cannot say all: whether the values of a tensor are as many as its shape says.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from PIL import Image

from ...errors import LithoError
from ...extras import require
from ..faults.serving import Serving
from ..shared.command import RESULTS, Output, errors_of, write_document
from ..shared.machine import describe_machine
from .documents import Fuzz, Fuzzes
from .process import GatewayProcess
from .run import deploy_bundle

__all__ = ["fuzz", "main", "picture", "run_schemathesis"]

RESULT = RESULTS / "gateway-fuzz.json"
CONFIGURATION = """\
hooks = "pictures.py"
[[operations]]
include-path-regex = "/infer$"
checks.positive_data_acceptance.enabled = false
"""
HOOKS = """\
import re
from base64 import b64encode

import schemathesis
from hypothesis import strategies

from litho.benchmarks.gateway.fuzz import picture
from litho.serving.gateway.data_urls import DATA_URL_PATTERN

for form in ("png", "jpeg", "webp"):
    schemathesis.openapi.media_type(f"image/{form}", strategies.just(picture(form)))
url = "data:image/png;base64," + b64encode(picture("png")).decode()
schemathesis.openapi.format("uri", strategies.just(url))


def with_pictures(value):
    # Whatever a data URL begins with, a picture follows.
    if isinstance(value, dict):
        return {name: with_pictures(one) for name, one in value.items()}
    if isinstance(value, list):
        return [with_pictures(one) for one in value]
    return url if isinstance(value, str) and re.match(DATA_URL_PATTERN, value) else value


@schemathesis.hook
def map_case(context, case):
    if case.media_type == "application/json":
        case.body = with_pictures(case.body)
    return case


@schemathesis.hook
def filter_case(context, case):
    # A list is sent as many parts of one name, each of them right: what is meant to be wrong would seem right.
    # And only what stands in the form's own properties, unlike image[], is sent as a file.
    form = case.media_type == "multipart/form-data" and isinstance(case.body, dict)
    # An object is sent as a text, which the schema, of values, says nothing about.
    return not (form and ("image[]" in case.body or any(isinstance(one, list | dict) for one in case.body.values())))
"""
SIDE = 32
EXAMPLES = 100
PHASES = "examples,coverage,fuzzing"
_STATUS = re.compile(r'"status_code":([1-5])\d\d\b')
ROUND_SECONDS = 1800.0


def run_schemathesis(
    url: str, folder: Path, *, seed: int, examples: int = EXAMPLES, phases: str = PHASES
) -> tuple[Fuzz, Counter[str]]:
    """One run of schemathesis with all checks, where `CONFIGURATION` excludes none.

    Args:
        url: of the gateway, http://HOST:PORT.
        folder: for its report, which is made.
        seed: of its choice.
        examples: cases of each operation at most, in the phase that draws them at random.
        phases: of schemathesis, separated by commas.

    Returns:
        What it found, and class of status -> answers.

    Raises:
        LithoError: it ended without a report.
    """
    require("schemathesis", "dev")
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    (folder / "schemathesis.toml").write_text(CONFIGURATION)
    (folder / "pictures.py").write_text(HOOKS)
    report, events = folder / "report.json", folder / "events.ndjson"
    options = {
        "--phases": phases,
        "--max-examples": str(examples),
        "--seed": str(seed),
        "--report": "json,ndjson",
        "--report-json-path": str(report),
        "--report-ndjson-path": str(events),
        "--request-timeout": "60",
        "--suppress-health-check": "all",
        "--warnings": "off",
    }
    words = [word for pair in options.items() for word in pair]
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", *words]
    done = subprocess.run(
        [*command, "--continue-on-failure", "--no-shrink", "--no-color"],
        capture_output=True,
        text=True,
        timeout=ROUND_SECONDS,
        cwd=folder,
    )
    if not report.exists():
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise LithoError(f"schemathesis ended without a report: {' '.join(said[-3:])}")
    (folder / "output.txt").write_text(done.stdout)
    return _found(seed, json.loads(report.read_text())), _answers(events)


def _found(seed: int, report: Mapping[str, Any]) -> Fuzz:
    failures = [_failure(one) for one in report["failures"]]
    failures += [f"error: {json.dumps(one)[:400]}" for one in report["errors"]]
    if not report["complete"]:
        failures.append(f"it stopped: {report['stop_reason']}")
    return Fuzz(
        seed=seed,
        cases=report["test_cases"]["generated"],
        operations=report["operations"]["tested"],
        failures=tuple(dict.fromkeys(failures)),
    )


def picture(form: str) -> bytes:
    """A file that is a picture and a mask: its left half is white and, where a file can say it, transparent.

    Args:
        form: "png", "jpeg" or "webp".
    """
    pixels = np.full((SIDE, SIDE, 4), 255, np.uint8)
    pixels[:, : SIDE // 2, 3] = 0
    pixels[:, SIDE // 2 :, :3] = 0
    channels = 3 if form == "jpeg" else 4
    options = {"lossless": True, "exact": True} if form == "webp" else {}
    out = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels[..., :channels])).save(out, form, **options)
    return out.getvalue()


def _failure(found: dict[str, Any]) -> str:
    words = " ".join(str(found.get(key) or "") for key in ("operations", "title"))
    return " ".join(words.split())[:600] or json.dumps(found)[:600]


def _answers(events: Path) -> Counter[str]:
    counted: Counter[str] = Counter()
    with events.open(encoding="utf-8") as file:
        for line in file:
            counted.update(f"{digit}xx" for digit in _STATUS.findall(line))
    return counted


def fuzz(bundles: list[Path], cases: int, *, seed: int = 1) -> Fuzzes:
    """Run schemathesis, each time with another seed, until there are so many cases.

    Args:
        bundles: that are served.
        cases: at least so many.
        seed: of the first run.

    Raises:
        LithoError: a bundle cannot be served, or schemathesis cannot run.
    """
    runs: list[Fuzz] = []
    answers: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="gateway-fuzz-") as temporary:
        folder = Path(temporary)
        for path in bundles:
            deploy_bundle(path, folder / "repository")
        with Serving(folder / "repository", folder) as serving:
            server, before = serving.endpoint.rpartition("/")[0], serving.note_processes()
            with GatewayProcess(server, folder / "gateway.log") as gateway:
                while sum(run.cases for run in runs) < cases:
                    number = seed + len(runs)
                    run, counted = run_schemathesis(gateway.url, folder / f"run-{number}", seed=number)
                    runs.append(run)
                    answers += counted
                    typer.echo(f"seed {number}: {run.cases} cases, {len(run.failures)} failures", err=True)
                problems = [] if gateway.alive else ["the gateway ended"]
            if serving.note_processes() != before:
                problems.append("the server was started again")
            models = tuple(url.rpartition("/")[2] for url in serving.addresses["endpoints"])
    return Fuzzes(
        models=models,
        runs=tuple(runs),
        answers=dict(sorted(answers.items())),
        problems=tuple(problems),
        machine=describe_machine(),
    )


def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles that are served.", show_default=False)],
    cases: Annotated[int, typer.Option(help="At least so many cases.")] = 5000,
    seed: Annotated[int, typer.Option(help="Of the first run; later ones count on.")] = 1,
    output: Output = RESULT,
) -> None:
    """Ask the gateway for what schemathesis generates from its OpenAPI document."""
    with errors_of("gateway.fuzz", output):
        result = fuzz(bundles, cases, seed=seed)
    write_document(output, result)
    failures = dict.fromkeys(failure for run in result.runs for failure in run.failures)
    typer.echo(f"{result.cases:,} cases, answers {result.answers}")
    typer.echo("\n".join([*failures, *result.problems]))
    raise typer.Exit(1 if failures or result.problems else 0)


if __name__ == "__main__":
    typer.run(main)
