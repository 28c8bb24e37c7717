"""`open_runner`: from a bundle, a run or an endpoint to an open runner."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from ..bundle import MANIFEST_NAME, Bundle
from ..bundle.manifest import TOKENIZER_NAME, Variant
from ..errors import BundleError, UsageError
from ._isolation import Worker
from .base import Runner, runner_class

__all__ = ["choose_variants", "open_isolated", "open_runner"]


def open_runner(
    target: Bundle | Path | str, variant: str | None = None, *, runner: str | None = None, device: str = "cpu"
) -> Runner:
    """Open a bundle, a run or an endpoint.

        >>> with open_model("bundles/digits") as runner:
        ...     images = runner.generate(seed=[7, 8], label=3)
        >>> images.shape, images.dtype
        ((2, 32, 32, 1), dtype('uint8'))

    Args:
        target: a bundle or its directory; a run's directory; or an endpoint, grpc://HOST:PORT/MODEL.
        variant: names of variants of a bundle, see `choose_variants`.
        runner: name of the runner; by default each variant's runtime, "torch" for a run, "triton" for an endpoint.
        device: a kind of device of the runner, such as "cpu" or "cuda"; the second GPU is "cuda:1".

    Raises:
        UsageError: the target is none of these, or there is no such runner or variant.
        MissingExtra: the runner's runtime is not installed.
    """
    if isinstance(target, str) and "://" in target:
        return runner_class(runner or "triton").from_location(target, device)
    if isinstance(target, Bundle) or (Path(target) / MANIFEST_NAME).exists():
        bundle = target if isinstance(target, Bundle) else Bundle.load(target)
        return _open_bundle(
            bundle,
            choose_variants(bundle, variant),
            lambda one: runner_class(runner or one.runtime).from_variant(bundle, one, device),
            lambda sampler, stages: runner_class(sampler).from_stages(bundle, stages),
        )
    if (Path(target) / "snapshot.json").exists():
        return runner_class(runner or "torch").from_location(str(target), device)
    raise UsageError(
        f"{str(target)!r} is no bundle, run or endpoint; make one with 'litho export' or 'litho train'"
    )


def open_isolated(bundle: Bundle, variant: str | None, worker: Worker) -> Runner:
    """Open variants of a bundle in a process of their own; see `open_runner`.

    Args:
        bundle: an open bundle.
        variant: names of variants, see `choose_variants`.
        worker: the process.

    Raises:
        RuntimeCrash: a runtime crashed or hung.
    """
    return _open_bundle(
        bundle,
        choose_variants(bundle, variant),
        lambda one: worker.open_variant(bundle, one),
        lambda sampler, stages: worker.open_sampler(
            sampler, bundle.manifest.signature, stages, bundle.read(TOKENIZER_NAME).decode(errors="replace")
        ),
    )


def choose_variants(
    bundle: Bundle, names: str | None = None, able: Callable[[Variant], bool] = lambda variant: True
) -> tuple[Variant, ...]:
    """Choose one variant of each stage, in the order in which the stages run.

    Args:
        bundle: an open bundle.
        names: names of variants, separated by commas; every other stage gets its first portable variant that passed
            its gate.
        able: whether a variant may be chosen for a stage without a name.

    Raises:
        UnknownName: there is no such variant.
        UsageError: two names are of the same stage.
        BundleError: a stage without a name has no portable variant that passed its gate.
    """
    named: dict[str, Variant] = {}
    for name in (names or "").split(",") if names else ():
        variant = bundle.variant(name.strip())
        if variant.stage in named:
            raise UsageError(
                f"variants {named[variant.stage].name!r} and {variant.name!r} are both of stage {variant.stage!r};"
                " name one for each stage"
            )
        named[variant.stage] = variant
    return tuple(
        named[stage.name] if stage.name in named else _default_variant(bundle, stage.name, able)
        for stage in bundle.manifest.stages
    )


def _default_variant(bundle: Bundle, stage: str, able: Callable[[Variant], bool]) -> Variant:
    for variant in bundle.manifest.variants:
        portable = variant.stage == stage and variant.target is None
        if portable and variant.verdict.status == "passed" and able(variant):
            return variant
    raise BundleError(
        f"{bundle.path} has no portable variant of {stage!r} that passed its gate;"
        f" see 'litho inspect {bundle.path}'"
    )


def _open_bundle(
    bundle: Bundle,
    variants: tuple[Variant, ...],
    open_stage: Callable[[Variant], Runner],
    open_sampler: Callable[[str, dict[str, Runner]], Runner],
) -> Runner:
    with ExitStack() as opened:
        stages: dict[str, Runner] = {}
        for variant in variants:
            stage = stages[variant.stage] = opened.enter_context(open_stage(variant))
            stage.variant = variant.name
        sampler = bundle.manifest.sampler
        whole = stages[variants[0].stage] if sampler is None else open_sampler(sampler, stages)
        whole.variant = ",".join(variant.name for variant in variants)
        opened.pop_all()
    whole.description = f"{', '.join(variant.name for variant in variants)} in {whole.description}"
    return whole
