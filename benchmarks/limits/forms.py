"""The forms of a generator that run on this machine: each runtime in each precision, with the work of its graphs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from ...bundle import Bundle
from ...bundle.manifest import Variant
from ...export.source import Source
from ...extras import require
from ...runners.base import Runner, graph_runtimes, runner_class
from ...runners.torch import Runner as TorchRunner
from ..roofline.work import Work, work_of

__all__ = ["USABLE", "OpenForm", "open_forms", "torch_operations", "usable"]

USABLE = ("passed", "not_offered")
"""Verdicts of variants that are measured: a variant that is slower than FP32 makes the right pictures."""


@dataclass(frozen=True)
class OpenForm:
    """A form while its runners are open.

    Args:
        runtime, precision: as `Form` has them.
        whole: the generator.
        stages: name -> runner, variant's name and work; the runner of a generator of one graph is `whole`, and None
            if the stage cannot be run alone.
    """

    runtime: str
    precision: str
    whole: Runner
    stages: Mapping[str, tuple[Runner | None, str, Work]]

    @property
    def name(self) -> str:
        """Such as "int8 in openvino"."""
        return f"{self.precision} in {self.runtime}"


def usable(bundle: Bundle) -> list[Variant]:
    """The variants of a bundle that run on a CPU here and make the right pictures."""
    return [
        variant
        for variant in bundle.manifest.variants
        if variant.target is None and variant.runtime in graph_runtimes() and variant.verdict.status in USABLE
    ]


def open_forms(bundle: Bundle, source: Source | None, threads: int, stack: ExitStack) -> Iterator[OpenForm]:
    """Open every form of a generator that runs here; the stack closes them.

    Args:
        bundle: with its variants.
        source: the run, for PyTorch; None without it.
        threads: of each runtime.
        stack: closes the runners.
    """
    manifest, found = bundle.manifest, usable(bundle)
    for precision, runtime in dict.fromkeys((variant.precision, variant.runtime) for variant in found):
        of_runtime = {(one.stage, one.precision): one for one in found if one.runtime == runtime}
        chosen: dict[str, Variant] = {}
        for stage in manifest.stages:
            # A stage without the precision runs in FP32.
            variant = of_runtime.get((stage.name, precision), of_runtime.get((stage.name, "fp32")))
            if variant is not None:
                chosen[stage.name] = variant
        if len(chosen) < len(manifest.stages):
            continue
        stages: dict[str, tuple[Runner | None, str, Work]] = {}
        runners: dict[str, Runner] = {}
        for name, variant in chosen.items():
            opened = runner_class(runtime).from_variant(bundle, variant, "cpu", threads)
            lowered_to = variant.options.get("inference_precision", "")
            work = work_of(bundle.read(variant.file), lowered_to=lowered_to)
            runners[name] = stack.enter_context(opened)
            stages[name] = (runners[name], variant.name, work)
        whole = (
            next(iter(runners.values()))
            if manifest.sampler is None
            else runner_class(manifest.sampler).from_stages(bundle, runners)
        )
        yield OpenForm(runtime, precision, whole, stages)
    if source is not None:
        yield from _in_torch(bundle, source)


def _in_torch(bundle: Bundle, source: Source) -> Iterator[OpenForm]:
    """PyTorch in FP32 and in BF16, whose weights are stored in FP32; a sampler's stages are not timed there."""
    plain = {variant.stage: variant for variant in usable(bundle) if variant.precision == "fp32"}
    for precision in ("fp32", "bf16"):
        runner = TorchRunner(source.pipeline.model, bf16=precision == "bf16")
        stages: dict[str, tuple[Runner | None, str, Work]] = {}
        for name, variant in plain.items():
            work = work_of(bundle.read(variant.file))
            if precision == "bf16" and work.operations:
                work = Work(
                    operations={"bf16": work.all_operations},
                    weight_bytes=work.weight_bytes,
                    activation_bytes=work.activation_bytes / 2,
                    largest_bytes=work.largest_bytes / 2,
                )
            stages[name] = (runner if bundle.manifest.sampler is None else None, "", work)
        yield OpenForm("torch", precision, runner, stages)


def torch_operations(source: Source) -> float:
    """Operations of one picture by torch's own counter."""
    torch = require("torch", "train")
    from torch.utils.flop_counter import FlopCounterMode

    signature, model = source.pipeline.signature, source.pipeline.model
    example = signature.example(1)
    given = [
        example[field.name].tolist() if field.dtype == "BYTES" else torch.from_numpy(example[field.name])
        for field in signature.inputs
    ]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(*given)
    return float(counter.get_total_flops())
