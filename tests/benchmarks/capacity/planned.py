"""A plan whose costs are made up."""

from functools import cache

from litho.benchmarks.capacity.costs import Costs, Overhead
from litho.benchmarks.capacity.plan import Known, find_plan
from litho.benchmarks.capacity.plan_documents import Goal, PlanResult
from litho.benchmarks.capacity.shape import Site
from litho.benchmarks.shared.machine import Machine

MACHINE = Machine(processor="a processor", cores=2, memory_bytes=1, gpus=(), system="a system", versions={})


def known(bundle: str = "shapes", *, sampler: bool = False) -> Known:
    """Costs of 2 ms a picture and 1 ms a batch, with one thread."""
    steps = {"step_ms": {1: 2.0, 16: 20.0}, "decode_ms": {1: 0.5}} if sampler else {}
    overhead = Overhead(batch_ms=0.5, request_ms=0.1, idle_ms=0.1)
    return Known(
        bundle=bundle,
        variant="generator.fp32.onnx",
        sampler=sampler,
        costs={
            threads: Costs(
                threads=threads, batch_ms={1: 3.0 / threads, 16: 33.0 / threads}, overhead=overhead, **steps
            )
            for threads in (1,)
        },
        site=Site(cores=2),
        machine=MACHINE,
        measured_at="2026-11-26T12:00:00+00:00",
    )


@cache
def plan(goal: Goal, bundle: str = "shapes", *, price: str | None = None) -> PlanResult:
    """A plan of these costs."""
    return find_plan(known(bundle), goal, price=price, requests=400)
