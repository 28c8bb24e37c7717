"""The logs of MLPerf LoadGen: what `mlperf_log_summary.txt` says of a run, and the pictures of the accuracy log."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...bundle.json_documents import Document
from ...errors import EvaluationError

__all__ = ["ACCURACY_LOG", "SUMMARY_LOG", "Summary", "logged_pictures", "parse_summary", "read_summary"]

SUMMARY_LOG, ACCURACY_LOG = "mlperf_log_summary.txt", "mlperf_log_accuracy.json"

_VERDICT = re.compile(r"^Result is : (\S+)$", re.MULTILINE)
_UNMET = re.compile(r"^ +(.+?) satisfied ?: NO$", re.MULTILINE)
_ADVICE = re.compile(r"^ \* (.+)$", re.MULTILINE)
_FIGURE = re.compile(r"^(\S.*?)\s*: (-?[\d.]+(?:e[+-]?\d+)?)$", re.MULTILINE)
_ERRORS = re.compile(r"^(No|\d+) (?:ERRORS?|errors?) encountered", re.MULTILINE)
_PARAMETERS = "Test Parameters Used"


class Summary(Document):
    """What LoadGen says of one run in performance mode.

    Args:
        valid: whether it says "Result is : VALID" and met no error.
        unmet: what it says is not satisfied.
        advice: what it recommends; empty for a valid run.
        figures: name -> number, as LoadGen writes them; latencies in nanoseconds.
        parameters: name -> number of LoadGen's settings.
    """

    valid: bool
    unmet: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    figures: dict[str, float]
    parameters: dict[str, float]

    @property
    def percentiles_ms(self) -> dict[str, float]:
        """Percentile, such as "99.00" -> latency in milliseconds, from the scheduled time."""
        end = " percentile latency (ns)"
        found = {
            name.removesuffix(end): one * 1e-6 for name, one in self.figures.items() if name.endswith(end)
        }
        return {name: one for name, one in found.items() if name.replace(".", "").isdecimal()}

    @property
    def reason(self) -> str:
        """Why the run is invalid, in LoadGen's words; empty for a valid one."""
        if self.valid:
            return ""
        unmet = f"not satisfied: {', '.join(self.unmet)}" if self.unmet else "LoadGen met an error"
        return "; ".join((unmet, *self.advice))


def read_summary(folder: Path) -> Summary:
    """Read the summary of a run in performance mode.

    Args:
        folder: of LoadGen's logs.

    Raises:
        EvaluationError: there is none, or it has no verdict, so that nothing may be said of the run.
    """
    path = folder / SUMMARY_LOG
    try:
        text = path.read_text(errors="replace")
    except OSError as error:
        raise EvaluationError(f"LoadGen left no {SUMMARY_LOG} ({error.strerror}); run it again") from None
    return parse_summary(text)


def parse_summary(text: str) -> Summary:
    """The content of a `mlperf_log_summary.txt`; see `read_summary`."""
    said, errors = _VERDICT.findall(text), _ERRORS.findall(text)
    if len(said) != 1 or len(errors) != 1:
        raise EvaluationError(f"{SUMMARY_LOG} has no single verdict of LoadGen; run it again")
    results, _, parameters = text.partition(_PARAMETERS)
    unmet = tuple(_UNMET.findall(results))
    valid = said[0] == "VALID" and errors[0] == "No" and not unmet
    return Summary(
        valid=valid,
        unmet=unmet,
        advice=()
        if valid
        else tuple(_ADVICE.findall(_between(results, "Recommendations:", "Early Stopping"))),
        figures={name: float(number) for name, number in _FIGURE.findall(results)},
        parameters={name: float(number) for name, number in _FIGURE.findall(parameters)},
    )


def _between(text: str, start: str, end: str) -> str:
    return text.partition(start)[2].partition(end)[0]


def logged_pictures(folder: Path, shape: tuple[int, ...]) -> list[tuple[int, NDArray[np.uint8] | None]]:
    """The pictures of the accuracy log, in its order.

    Args:
        folder: of LoadGen's logs.
        shape: of a picture, UINT8.

    Returns:
        Number of the sample and its picture; None for an answer of another size.

    Raises:
        EvaluationError: the log is missing or is none of LoadGen's.
    """
    size = int(np.prod(shape))
    try:
        entries = json.loads((folder / ACCURACY_LOG).read_bytes())
        answers = [(int(entry["qsl_idx"]), bytes.fromhex(entry["data"])) for entry in entries]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise EvaluationError(f"{ACCURACY_LOG} cannot be read ({error}); run LoadGen again") from None
    return [
        (number, np.frombuffer(data, np.uint8).reshape(shape) if len(data) == size else None)
        for number, data in answers
    ]
