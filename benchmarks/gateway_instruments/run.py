"""The gateway measured by NVIDIA's load generators: `python -m litho.benchmarks.gateway_instruments BUNDLE [...]`.

Over a gateway, perf_analyzer asks for tensors (KServe's protocol) and AIPerf for pictures (OpenAI's images API), each
in turns with litho's generator and with as many clients. The gateway's own figures of the same time are a third
witness. Written to `results/gateway-instruments.json`.
"""

from __future__ import annotations

import tempfile
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ...bundle import Bundle
from ...errors import LithoError, UsageError
from ...extras import require
from ...runners.triton import Runner
from ...serving.repository.deploy import deploy
from ...serving.server.embedded import EmbeddedServer
from ...serving.server.environment import install
from ...signature.fields import Role
from ..gateway.overhead import sites_of
from ..gateway.process import GatewayProcess
from ..load.generator import Kind, Plan, Running
from ..load.measuring.requests import Requests
from ..perf_analyzer.documents import Side
from ..perf_analyzer.program import PerfAnalyzer, find_perf_analyzer
from ..shared.command import RESULTS, Output, errors_of, finish, whole_numbers
from ..shared.cores import Cores, cores_of, only_on
from ..shared.machine import describe_machine
from .aiperf import AiPerf, find_aiperf
from .documents import Compared, GatewayInstrumentsResult, Round, WayName, lines

__all__ = ["main", "measure"]

RESULT = RESULTS / "gateway-instruments.json"
CLIENTS = "1,8"
KINDS = 64
WARMUP_SECONDS = 0.5
ROUTES: dict[WayName, str] = {
    "tensors": "/v2/models/{model}/infer",
    "images": "/v1/images/generations",
}
TOOLS: dict[WayName, str] = {"tensors": "perf_analyzer", "images": "aiperf"}
_SECONDS = "litho_gateway_request_seconds"


def measure(
    bundles: Sequence[Path],
    programs: tuple[str, str],
    *,
    clients: Sequence[int],
    rounds: int,
    seconds: float,
    cores: Cores | None = None,
) -> list[Compared]:
    """Measure the gateway before each bundle with both tools and litho's.

    Args:
        bundles: of generators that make whole requests, with a prompt or a label for AIPerf, which always sends one.
        programs: perf_analyzer and aiperf.
        clients: numbers of requests in flight.
        rounds: measurements of each tool.
        seconds: length of one.
        cores: of server and gateway, and of the tools; None if they share all.

    Raises:
        LithoError: a bundle cannot be served, or a tool failed.
    """
    install()
    found: list[Compared] = []
    for path in bundles:
        bundle = Bundle.load(path)
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            folder = Path(name)
            deploy(bundle, to=folder / "models", name="model")
            with only_on(None if cores is None else cores.server):
                server = stack.enter_context(EmbeddedServer(folder / "models", log=folder / "log"))
                gateway = stack.enter_context(GatewayProcess(server.grpc_url, folder / "gateway.log"))
            stack.enter_context(only_on(None if cores is None else cores.clients))
            runner = Runner(server.grpc_url.removeprefix("grpc://"), "model", "")
            stack.callback(runner.close)
            turns = _Turns(runner, gateway, programs, folder)
            for way in ROUTES:
                for count in clients:
                    taken = tuple(turns.round(way, count, seconds, turn) for turn in range(rounds))
                    typer.echo(f"{bundle.manifest.name}, {way}, {count} clients", err=True)
                    found.append(
                        Compared(
                            bundle=bundle.manifest.name,
                            way=way,
                            tool=TOOLS[way],
                            clients=count,
                            rounds=taken,
                        )
                    )
    return found


class _Turns:
    """Both tools on one gateway.

    Args:
        runner: of the model at its server.
        gateway: before it.
        programs: perf_analyzer and aiperf.
        folder: for their files.
    """

    def __init__(
        self, runner: Runner, gateway: GatewayProcess, programs: tuple[str, str], folder: Path
    ) -> None:
        self._gateway = gateway
        self._sites = sites_of(runner, gateway.address)
        requests = Requests(runner.signature, 0)
        self._kinds = [Kind(requests.take(1)) for _ in range(KINDS)]
        self._first_seed = 2**40
        self._perf_analyzer = PerfAnalyzer(
            programs[0], "model", {"http": gateway.address}, runner.signature, folder
        )
        self._aiperf = AiPerf(programs[1], "model", gateway.url, _prompts(runner), folder / "aiperf")

    def round(self, way: WayName, clients: int, seconds: float, turn: int) -> Round:
        """One measurement of each; every second time in the other order."""
        theirs: Callable[[], Side] = (
            (lambda: self._perf_analyzer.measure("http", clients, seconds))
            if way == "tensors"
            else (lambda: self._aiperf.measure(clients, seconds))
        )
        tools = {"litho": lambda: self._ours(way, clients, seconds), "theirs": theirs}
        taken: dict[str, tuple[Side, float]] = {}
        for name in list(tools) if turn % 2 == 0 else list(tools)[::-1]:
            before = self._counted(way)
            side = tools[name]()
            after = self._counted(way)
            if (count := after[0] - before[0]) <= 0:
                raise LithoError(f"no request of {name} reached the gateway")
            taken[name] = side, (after[1] - before[1]) / count * 1e3
        return Round(
            litho=taken["litho"][0],
            theirs=taken["theirs"][0],
            litho_gateway_ms=taken["litho"][1],
            theirs_gateway_ms=taken["theirs"][1],
        )

    def _ours(self, way: WayName, clients: int, seconds: float) -> Side:
        self._first_seed += 2**24
        plan = Plan(self._kinds, first_seed=self._first_seed, in_flight=clients)
        with Running(plan, self._sites[way]) as running:
            running.begin()
            start = running.wait(WARMUP_SECONDS, clients)
            end = running.wait(seconds, clients)
            outcomes = running.end()
        inside = outcomes.answered & (outcomes.ended >= start) & (outcomes.ended <= end)
        if outcomes.errors or not inside.any():
            raise LithoError(f"requests of litho failed: {next(iter(outcomes.errors), 'none was answered')}")
        latencies = outcomes.latency_ms[inside]
        return Side(
            requests_per_second=int(inside.sum()) / (end - start),
            p50_ms=float(np.percentile(latencies, 50)),
            p99_ms=float(np.percentile(latencies, 99)),
        )

    def _counted(self, way: WayName) -> tuple[float, float]:
        """Requests of a way that the gateway has answered, and their seconds."""
        parser = require("prometheus_client.parser", "gateway")
        with urllib.request.urlopen(f"{self._gateway.url}/metrics", timeout=60) as answer:  # noqa: S310
            families = parser.text_string_to_metric_families(answer.read().decode())
        found = {
            sample.name: sample.value
            for family in families
            for sample in family.samples
            if sample.labels.get("route") == ROUTES[way] and sample.name.startswith(_SECONDS)
        }
        return found.get(f"{_SECONDS}_count", 0.0), found.get(f"{_SECONDS}_sum", 0.0)


def _prompts(runner: Runner) -> list[str]:
    """What AIPerf asks for: the classes of a label by their numbers, or a prompt.

    Raises:
        UsageError: the model takes neither, but AIPerf always sends a prompt.
    """
    signature = runner.signature
    if (label := signature.field(Role.LABEL)) is not None:
        return [str(value) for value in signature.example(KINDS)[label.name].tolist()]
    if signature.field(Role.PROMPT) is not None:
        return ["a red circle"]
    raise UsageError(f"{runner.description} takes neither prompt nor label, and aiperf always sends a prompt")


def main(  # noqa: PLR0913
    bundles: Annotated[list[Path], typer.Argument(help="Bundles.", show_default=False)],
    rounds: Annotated[int, typer.Option(help="Measurements of each tool.", min=1)] = 3,
    seconds: Annotated[float, typer.Option(help="Length of one measurement.", min=0.3)] = 5.0,
    clients: Annotated[str, typer.Option(help="Requests in flight.")] = CLIENTS,
    share_cores: Annotated[
        bool, typer.Option("--share-cores", help="Server, gateway and tools share all cores.")
    ] = False,
    perf_analyzer: Annotated[str | None, typer.Option(help="The program.")] = None,
    aiperf: Annotated[str | None, typer.Option(help="The program.")] = None,
    output: Output = RESULT,
) -> None:
    """Measure the gateway with perf_analyzer, AIPerf and litho's generator."""
    with errors_of("gateway_instruments", output):
        programs = find_perf_analyzer(perf_analyzer), find_aiperf(aiperf)
        counts = whole_numbers(clients, "--clients")
        cores = cores_of(share=share_cores)
        compared = measure(bundles, programs, clients=counts, rounds=rounds, seconds=seconds, cores=cores)
    names = " ".join(dict.fromkeys(one.bundle for one in compared))
    result = GatewayInstrumentsResult(
        command=f"python -m litho.benchmarks.gateway_instruments {names} --rounds {rounds} --seconds {seconds:g}",
        seconds=seconds,
        compared=tuple(compared),
        machine=describe_machine(),
        cores=cores,
    )
    finish(output, result, lines(result))
