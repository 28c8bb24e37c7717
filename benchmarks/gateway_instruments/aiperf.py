"""NVIDIA's AIPerf: where it is, and one measurement with it at an images API."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from ...errors import LithoError
from ..perf_analyzer.documents import Side
from ..shared.command import find_program

__all__ = ["AIPERF", "AiPerf", "find_aiperf"]

AIPERF = "AIPERF"
"""Variable of the environment that names the program."""

REPORT = "profile_export_aiperf.json"
START_SECONDS = 120.0
"""AIPerf starts a dozen processes, and counts tokens, before it asks for anything."""
_WARM_UP_REQUESTS = 8

# Tokens of prompts are counted by a tokenizer, which would be fetched from the network: this one knows no word.
_TOKENIZER = {
    "tokenizer.json": {
        "version": "1.0",
        **dict.fromkeys(("truncation", "padding", "normalizer", "post_processor", "decoder")),
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "[UNK]"},
    },
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "[UNK]",
        "model_max_length": 4096,
    },
}


def find_aiperf(program: str | None = None) -> str:
    """The program: the given one, AIPERF's, or the one on PATH.

    Raises:
        UsageError: there is none.
    """
    advice = f"install aiperf into an environment of its own, and name the program in {AIPERF}"
    return find_program("aiperf", AIPERF, advice, program)


class AiPerf:
    """AIPerf on one model of a gateway.

    Args:
        program: its path.
        model: name of the model.
        url: http://HOST:PORT of the gateway.
        prompts: that requests take in turn.
        folder: for its files.
    """

    def __init__(self, program: str, model: str, url: str, prompts: list[str], folder: Path) -> None:
        self._program, self._model, self._url, self._folder = program, model, url, folder
        folder.mkdir(parents=True, exist_ok=True)
        self._prompts = folder / "prompts.jsonl"
        self._prompts.write_text("".join(json.dumps({"text": prompt}) + "\n" for prompt in prompts))
        self._tokenizer = folder / "tokenizer"
        self._tokenizer.mkdir(exist_ok=True)
        for name, content in _TOKENIZER.items():
            (self._tokenizer / name).write_text(json.dumps(content))

    def measure(self, clients: int, seconds: float) -> Side:
        """Keep requests for one picture in flight.

        Args:
            clients: how many.
            seconds: length of the measurement.

        Raises:
            LithoError: the program failed, did not end, measured nothing, or a request failed.
        """
        results = self._folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        command = [
            *(self._program, "profile", "--model", self._model, "--url", self._url),
            *("--endpoint-type", "image_generation", "--concurrency", str(clients)),
            *("--benchmark-duration", f"{seconds:g}", "--warmup-request-count", str(_WARM_UP_REQUESTS)),
            *("--input-file", str(self._prompts), "--custom-dataset-type", "single_turn"),
            *("--tokenizer", str(self._tokenizer), "--artifact-dir", str(results), "--ui", "none"),
        ]
        limit = START_SECONDS + 2 * seconds
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=limit,
                cwd=self._folder,
            )
        except subprocess.TimeoutExpired:
            raise LithoError(f"aiperf did not end within {limit:.0f} s") from None
        report = results / REPORT
        if done.returncode or not report.exists():
            said = [line.strip(" │") for line in (done.stderr + done.stdout).splitlines() if "Reason" in line]
            raise LithoError(f"aiperf failed: {' '.join(said[:2]) or f'exit code {done.returncode}'}")
        return _side(report)


def _side(report: Path) -> Side:
    try:
        found = json.loads(report.read_text(encoding="utf-8"))
        latency = found["request_latency"]
        failed = (found.get("error_request_count") or {}).get("avg", 0)
        side = Side(
            requests_per_second=float(found["request_throughput"]["avg"]),
            p50_ms=float(latency["p50"]),
            p99_ms=float(latency["p99"]),
        )
    except (ValueError, KeyError, TypeError):
        raise LithoError(f"aiperf's {report.name} has no throughput and latency") from None
    if failed:
        raise LithoError(f"{failed:g} requests of aiperf failed")
    return side
