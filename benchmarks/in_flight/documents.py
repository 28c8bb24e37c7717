"""What both forms of batching were measured to do on the same server; written as `in-flight-BUNDLE.json`."""

from __future__ import annotations

from typing import Literal

from ...bundle.json_documents import Document
from ...reporting.markdown import markdown_table
from ...serving.in_flight.batching import STEPS
from ..shared.machine import Machine

__all__ = ["Candidate", "Figures", "InFlightResult", "Ratios", "lines"]


class Candidate(Document):
    """One configuration of a form, as the search found it.

    Args:
        name: BATCHING-INSTANCES-THREADS-ROWS.
        pictures_per_second: at saturation, the median of the rounds.
        p95_ms: of all requests at 70 % load; None if its saturation ruled it out.
    """

    name: str
    pictures_per_second: float
    p95_ms: float | None


class Figures(Document):
    """One form at its best configuration; latencies at 70 % load over all rounds.

    Args:
        configuration: name of the candidate.
        pictures_per_second: at saturation, the median of the rounds.
        lone_ms: steps -> latency of a request that has the server to itself.
        short_p50_ms: of the requests with the fewest steps.
        all_p95_ms: of all requests.
        goodput: share of requests answered within three times the lone latency of the faster form.
    """

    configuration: str
    pictures_per_second: float
    lone_ms: dict[int, float]
    short_p50_ms: float
    all_p95_ms: float
    goodput: float


class Ratios(Document):
    """In flight / whole.

    Args:
        short_p50: at most 0.5.
        all_p95: at most 0.9.
        goodput: at least 1.2.
        saturation: at least 0.97; the median of the rounds' ratios.
    """

    short_p50: float
    all_p95: float
    goodput: float
    saturation: float

    @property
    def passed(self) -> bool:
        """Whether all targets are met."""
        return (
            self.short_p50 <= 0.5 and self.all_p95 <= 0.9 and self.goodput >= 1.2 and self.saturation >= 0.97
        )


class InFlightResult(Document):
    """The comparison; written to `benchmarks/results/in-flight-BUNDLE.json`.

    Args:
        schema_version: of this document.
        bundle: its name.
        weights_sha256: of its checkpoint.
        candidates: the search.
        whole, in_flight: both forms.
        ratios: of both, in flight / whole.
        rounds: the ratios of each round at 70 % load, saturation left at that of the whole measurement.
        requests: answered by each form at 70 % load.
        load_per_second: arrivals.
        pictures_equal: whether both forms gave equal pictures, within the contract, for every request.
        step_ms: rows -> milliseconds of a step, one lane alone.
        fitted_ms: fixed cost of a step and cost of a row.
        knee: rows.
        simulated: the ratios that the cost model gives for this machine.
        simulated_flat: the ratios for a step that costs the same for 1 to 64 rows, as on a GPU with room.
        machine: where it was measured.
    """

    schema_version: Literal[1] = 1
    bundle: str
    weights_sha256: str
    candidates: tuple[Candidate, ...]
    whole: Figures
    in_flight: Figures
    ratios: Ratios
    rounds: tuple[Ratios, ...]
    requests: int
    load_per_second: float
    pictures_equal: bool
    step_ms: dict[int, float]
    fitted_ms: tuple[float, float]
    knee: int
    simulated: Ratios
    simulated_flat: Ratios
    machine: Machine


def lines(result: InFlightResult) -> list[str]:
    """The tables in Markdown, and what they say."""
    search = [
        (one.name, f"{one.pictures_per_second:.1f}", "–" if one.p95_ms is None else f"{one.p95_ms:.0f}")
        for one in result.candidates
    ]
    forms = [
        (
            one.configuration,
            f"{one.pictures_per_second:.1f}",
            f"{one.short_p50_ms:.0f}",
            f"{one.all_p95_ms:.0f}",
            f"{one.goodput:.2f}",
        )
        for one in (result.whole, result.in_flight)
    ]
    ratio_rows = [
        (name, *(f"{value:.2f}" for value in (one.short_p50, one.all_p95, one.goodput, one.saturation)))
        for name, one in (
            ("measured", result.ratios),
            ("simulated", result.simulated),
            ("simulated, flat cost", result.simulated_flat),
        )
    ]
    measures = (f"{min(STEPS)} steps, p50", "all, p95", "goodput")
    return [
        *markdown_table(("candidate", "pictures/s", "p95 at 70 % load (ms)"), search),
        "",
        *markdown_table(("form", "pictures/s", *(f"{one} (ms)" for one in measures[:2]), measures[2]), forms),
        "",
        *markdown_table(("in flight / whole", *measures, "saturation"), ratio_rows),
        "",
        f"{result.requests} requests at {result.load_per_second:.1f} a second; pictures"
        f" {'are equal within the contract' if result.pictures_equal else 'DIFFER'}; a step costs"
        f" {result.fitted_ms[0]:.2f} ms and {result.fitted_ms[1]:.2f} ms a row, the knee is at {result.knee};"
        f" the targets are {'met' if result.ratios.passed else 'NOT met'}.",
    ]
