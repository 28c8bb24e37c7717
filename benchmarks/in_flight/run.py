"""In-flight batching against whole requests on one server: `python -m litho.benchmarks.in_flight BUNDLE`.

All candidates are deployed side by side. First the best configuration of each form is searched; then both answer the
same requests in turns, first with a queue that never empties, then as a Poisson process at 70 % of the better one's
saturation. The load generator is a process of its own, and latencies count from the scheduled time.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from ...bundle import Bundle
from ...errors import LithoError, UnknownName, UsageError
from ...reporting.progress import Progress, quiet
from ...runners import open_runner
from ...runners.rectified_flow import Runner
from ...serving.in_flight.batching import LOAD, STEPS, Batching, compare
from ...serving.in_flight.step_costs import StepCosts
from ...serving.server.embedded import EmbeddedServer
from ..shared.command import RESULTS, check_results, errors_of, finish, show_progress
from ..shared.machine import describe_machine
from .documents import Candidate, Figures, InFlightResult, Ratios, lines
from .forms import FORMS, Form, Load, Site, same_pictures

__all__ = ["compare_forms", "main"]

NEAR = 0.97
"""Share of the best saturation that a configuration must reach to be chosen for its latencies."""


class _Comparison:
    def __init__(self, site: Site, progress: Progress, seconds: float, rounds: int) -> None:
        self._site, self._progress, self._seconds, self._rounds = site, progress, seconds, rounds

    def search(self, forms: tuple[Form, ...]) -> tuple[dict[Batching, Form], list[Candidate]]:
        """The best configuration of each form, and all candidates."""
        seconds = self._seconds / 2
        speeds: dict[str, list[float]] = {form.name: [] for form in forms}
        for turn in range(2):
            for number, form in enumerate(forms):
                self._progress(f"search: {form.name}", (turn * len(forms) + number) / (2 * len(forms)))
                found = self._site.saturate(form, seconds, turn).pictures_per_second(seconds)
                speeds[form.name].append(found)
        medians = {name: float(np.median(found)) for name, found in speeds.items()}
        rate = LOAD * max(medians.values())
        best: dict[Batching, Form] = {}
        late: dict[str, float] = {}
        for batching in ("whole", "in-flight"):
            own = [form for form in forms if form.batching == batching]
            fastest = max(medians[form.name] for form in own)
            near = [form for form in own if medians[form.name] >= NEAR * fastest]
            for form in near:
                self._progress(f"search: {form.name} at {LOAD:.0%} load", 1.0)
                latencies = self._site.load(form, rate, seconds, 0).latency_ms()
                late[form.name] = float(np.quantile(latencies, 0.95))
            best[batching] = min(near, key=lambda form: late[form.name])
        candidates = [
            Candidate(name=name, pictures_per_second=speed, p95_ms=late.get(name))
            for name, speed in medians.items()
        ]
        return best, candidates

    def saturation(self, best: dict[Batching, Form]) -> dict[Batching, NDArray[np.float64]]:
        """Pictures per second of each form in each round."""
        found: dict[Batching, list[float]] = {batching: [] for batching in best}
        for turn in range(self._rounds):
            for batching, form in _in_turns(best, turn):
                self._progress(f"saturation: {form.name}", turn / self._rounds)
                load = self._site.saturate(form, self._seconds, turn)
                found[batching].append(load.pictures_per_second(self._seconds))
        return {batching: np.array(values) for batching, values in found.items()}

    def loads(self, best: dict[Batching, Form], per_second: float) -> list[dict[Batching, Load]]:
        """Both forms under the same requests, round by round."""
        found: list[dict[Batching, Load]] = []
        for turn in range(self._rounds):
            one: dict[Batching, Load] = {}
            for batching, form in _in_turns(best, turn):
                self._progress(f"{LOAD:.0%} load: {form.name}", turn / self._rounds)
                one[batching] = self._site.load(form, per_second, self._seconds, turn)
            found.append(one)
        return found


def _in_turns(best: dict[Batching, Form], turn: int) -> list[tuple[Batching, Form]]:
    # Who goes first changes: what disturbs the machine for a while meets both.
    pair = list(best.items())
    return pair[::-1] if turn % 2 else pair


def compare_forms(
    bundle: Bundle,
    progress: Progress = quiet,
    *,
    seconds: float = 20.0,
    rounds: int = 4,
    forms: tuple[Form, ...] = FORMS,
) -> InFlightResult:
    """Search the best configuration of each form, and compare them.

    Args:
        bundle: of a sampler.
        progress: called with the current step and the share that is done, 0 to 1.
        seconds: of one measurement.
        rounds: of saturation and of load.
        forms: candidates, some of each form.
    """
    costs = _costs(bundle, seconds)
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "models"
        Site.deploy(bundle, repository, forms)
        with EmbeddedServer(repository) as server:
            address = server.grpc_url.removeprefix("grpc://")
            site = Site(address, bundle.manifest.signature, Path(folder))
            comparison = _Comparison(site, progress, seconds, rounds)
            best, candidates = comparison.search(forms)
            saturation = comparison.saturation(best)
            medians = {batching: float(np.median(found)) for batching, found in saturation.items()}
            per_second = LOAD * max(medians.values())
            lone = {batching: site.lone_ms(form) for batching, form in best.items()}
            loads = comparison.loads(best, per_second)
            machine = describe_machine(server.grpc_url)
    deadlines = {steps: 3 * min(found[steps] for found in lone.values()) for steps in STEPS}
    figures = {
        batching: Figures(
            configuration=form.name,
            pictures_per_second=medians[batching],
            lone_ms=lone[batching],
            **_latencies([one[batching] for one in loads], deadlines),
        )
        for batching, form in best.items()
    }
    ratio = float(np.median(saturation["in-flight"] / saturation["whole"]))
    per_round = [{batching: _latencies([load], deadlines) for batching, load in one.items()} for one in loads]
    whole, flight = figures["whole"], figures["in-flight"]
    lanes = next(form for form in forms if form.name == flight.configuration)
    return InFlightResult(
        bundle=bundle.manifest.name,
        weights_sha256=bundle.manifest.checkpoint_sha256,
        candidates=tuple(candidates),
        whole=whole,
        in_flight=flight,
        ratios=_ratios(flight.model_dump(), whole.model_dump(), ratio),
        rounds=tuple(_ratios(one["in-flight"], one["whole"], ratio) for one in per_round),
        requests=sum(len(one["whole"].steps) for one in loads),
        load_per_second=per_second,
        pictures_equal=all(
            same_pictures(one["in-flight"].outcomes.images, one["whole"].outcomes.images) for one in loads
        ),
        step_ms=dict(costs.milliseconds),
        fitted_ms=costs.fit(),
        knee=costs.knee(),
        simulated=_simulated(costs, lanes.instances, lanes.rows),
        simulated_flat=_simulated(StepCosts.model(costs.at(1), 0.0, 64), 1, 64),
        machine=machine,
    )


def _costs(bundle: Bundle, seconds: float) -> StepCosts:
    with open_runner(bundle, threads=1) as runner:
        if not isinstance(runner, Runner):
            raise LithoError(f"{bundle.path} is one graph without steps; in flight is for samplers")
        return StepCosts.measure(runner, 64, threads=1, seconds=min(10.0, seconds))


def _latencies(loads: list[Load], deadlines: dict[int, float]) -> dict[str, float]:
    short = np.concatenate([load.latency_ms(min(STEPS)) for load in loads])
    everything = np.concatenate([load.latency_ms() for load in loads])
    allowed = np.concatenate([[deadlines[int(steps)] for steps in load.steps] for load in loads])
    return {
        "short_p50_ms": float(np.median(short)),
        "all_p95_ms": float(np.quantile(everything, 0.95)),
        "goodput": float((everything <= allowed).mean()),
    }


def _ratios(flight: dict[str, float], whole: dict[str, float], saturation: float) -> Ratios:
    return Ratios(
        short_p50=flight["short_p50_ms"] / whole["short_p50_ms"],
        all_p95=flight["all_p95_ms"] / whole["all_p95_ms"],
        goodput=flight["goodput"] / max(whole["goodput"], 1e-3),
        saturation=saturation,
    )


def _simulated(costs: StepCosts, lanes: int, cap: int) -> Ratios:
    found = compare(costs, lanes=lanes, cap=cap)
    return Ratios(
        short_p50=found.short_p50,
        all_p95=found.all_p95,
        goodput=found.goodput,
        saturation=found.saturation,
    )


def main(
    bundle: Annotated[Path, typer.Argument(help="Bundle of a sampler.", show_default=False)],
    seconds: Annotated[float, typer.Option(help="Length of one measurement.")] = 20.0,
    rounds: Annotated[int, typer.Option(help="Rounds of saturation and of load.")] = 4,
    only: Annotated[
        list[str] | None, typer.Option(help="Name of a candidate; repeatable; by default all.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="JSON file; default: benchmarks/results/in-flight-BUNDLE.json.")
    ] = None,
) -> None:
    """Compare in-flight batching of a sampler with whole requests."""
    with errors_of("in_flight", output):
        check_results(output)
        chosen = _chosen(only)
        result = compare_forms(
            Bundle.load(bundle),
            show_progress,
            seconds=seconds,
            rounds=rounds,
            forms=chosen,
        )
    finish(output or RESULTS / f"in-flight-{result.bundle}.json", result, lines(result))


def _chosen(only: list[str] | None) -> tuple[Form, ...]:
    known = {form.name: form for form in FORMS}
    for name in only or ():
        if name not in known:
            raise UnknownName("candidate", name, known)
    forms = tuple(known[name] for name in only or known)
    if len({form.batching for form in forms}) < 2:
        raise UsageError("--only names candidates of one form; give at least one whole and one in-flight")
    return forms
