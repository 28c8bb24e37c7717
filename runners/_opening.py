"""`open_runner`: from a bundle, a run or an endpoint to an open runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from ..bundle import MANIFEST_NAME, Bundle
from ..bundle.manifest import GRADES, TOKENIZER_NAME, Variant
from ..errors import BundleError, MissingExtra, UnknownName, UsageError
from ._isolation import Worker
from .base import Runner, combined_precisions, runner_class

__all__ = ["choose_variants", "chosen_variants", "named_variants", "open_isolated", "open_runner"]


def open_runner(
    target: Bundle | Path | str,
    variant: str | None = None,
    *,
    runner: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
) -> Runner:
    """Open a bundle, a run or an endpoint.

        >>> with open_model("bundles/digits") as runner:
        ...     images = runner.generate(seed=[7, 8], label=3)
        >>> images.shape, images.dtype
        ((2, 32, 32, 1), dtype('uint8'))

    Args:
        target: a bundle or its directory; a run's directory; or an endpoint, grpc://HOST:PORT/MODEL.
        variant: names of variants of a bundle, see `choose_variants`; by default the recommended ones, if they promise
            the same picture and run here.
        runner: name of the runner; by default each variant's runtime, "torch" for a run, "triton" for an endpoint.
        device: a kind of device of the runner, such as "cpu" or "cuda"; the second GPU is "cuda:1".
        threads: threads of a bundle's CPU runtime that share one operator, at least 1; by default one on each core.

    Raises:
        UsageError: the target is none of these, there is no such runner or variant, or `threads` is below 1.
        MissingExtra: the runner's runtime is not installed.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads was given {threads}; allowed is 1 or more")
    if isinstance(target, str) and "://" in target:
        return runner_class(runner or "triton").from_location(target, device)
    if isinstance(target, Bundle) or (Path(target) / MANIFEST_NAME).exists():
        bundle = target if isinstance(target, Bundle) else Bundle.load(target)
        return _open_bundle(
            bundle,
            _choose_for(bundle, variant, runner, device),
            lambda one: runner_class(runner or one.runtime).from_variant(bundle, one, device, threads),
            lambda sampler, stages: runner_class(sampler).from_stages(bundle, stages),
        )
    if (Path(target) / "snapshot.json").exists():
        return runner_class(runner or "torch").from_location(str(target), device)
    raise UsageError(
        f"{str(target)!r} is no bundle, run or endpoint; make one with 'litho export' or 'litho train',"
        " or give grpc://HOST:PORT/MODEL"
    )


def open_isolated(bundle: Bundle, variant: str | None, worker: Worker, device: str = "cpu") -> Runner:
    """Open variants of a bundle in a process of their own; see `open_runner`.

    Args:
        bundle: an open bundle.
        variant: names of variants, see `choose_variants`.
        worker: the process.
        device: a kind of device of the variants' runtimes; engines run on their GPU.

    Raises:
        RuntimeCrash: a runtime crashed or hung.
    """
    return _open_bundle(
        bundle,
        choose_variants(bundle, variant),
        lambda one: worker.open_variant(bundle, one, device),
        lambda sampler, stages: worker.open_sampler(
            sampler, bundle.manifest.signature, stages, bundle.read(TOKENIZER_NAME).decode(errors="replace")
        ),
    )


def choose_variants(
    bundle: Bundle,
    names: str | None = None,
    able: Callable[[Variant], bool] = lambda variant: True,
    *,
    portable: bool = True,
) -> tuple[Variant, ...]:
    """Choose one variant of each stage, in the order in which the stages run.

    Args:
        bundle: an open bundle.
        names: names of variants as `named_variants` takes them, separated by commas; every other stage gets the
            recommended variant, or else its first one that passed its gate.
        able: whether a variant may be chosen for a stage without a name.
        portable: whether a stage without a name takes ONNX graphs only, and no engine of a GPU.

    Raises:
        UnknownName: there is no such variant.
        UsageError: two names are of the same stage, or a short name fits several variants.
        BundleError: no variant of a stage without a name may be chosen.
    """
    named: dict[str, Variant] = {}
    for name in (names or "").split(",") if names else ():
        for variant in named_variants(bundle, name.strip()):
            if variant.stage in named:
                raise UsageError(
                    f"variants {named[variant.stage].name!r} and {variant.name!r} are both of stage {variant.stage!r};"
                    " name one for each stage"
                )
            named[variant.stage] = variant
    return tuple(
        named[stage.name] if stage.name in named else _default_variant(bundle, stage.name, able, portable)
        for stage in bundle.manifest.stages
    )


def chosen_variants(bundle: Bundle, names: str | None, device: str) -> tuple[Variant, ...]:
    """The variants that `open_runner` opens, without opening them.

    Args:
        bundle: an open bundle.
        names: as `choose_variants` takes them.
        device: as `open_runner` takes it.
    """
    return _choose_for(bundle, names, None, device)


def named_variants(bundle: Bundle, name: str) -> tuple[Variant, ...]:
    """The variants that a name stands for.

        >>> [variant.name for variant in named_variants(bundle, "int8")]
        ['generator.int8.onnx']

    Args:
        bundle: an open bundle.
        name: of one variant; or short, a precision such as "int8", or precision and runtime such as "int8.openvino",
            which stands for one variant of each stage that has it. Of several runtimes the recommended one is taken.

    Raises:
        UnknownName: no variant has this name.
        UsageError: several variants of a stage fit a short name equally.
    """
    variants = bundle.manifest.variants
    if not any(variant.name == name for variant in variants):
        fits = [variant for variant in variants if name in _short_names(variant)]
        if fits:
            stages = dict.fromkeys(variant.stage for variant in fits)
            return tuple(
                _the_one(bundle, name, [one for one in fits if one.stage == stage]) for stage in stages
            )
    return (bundle.variant(name),)


def _short_names(variant: Variant) -> Iterator[str]:
    yield variant.precision
    yield f"{variant.precision}.{variant.runtime}"
    yield variant.name.removeprefix(f"{variant.stage}.")
    yield f"{variant.stage}.{variant.precision}"
    yield f"{variant.stage}.{variant.precision}.{variant.runtime}"


def _the_one(bundle: Bundle, name: str, fits: Sequence[Variant]) -> Variant:
    """The variant of one stage that a short name stands for: what runs anywhere and passed comes first."""
    stage = fits[0].stage
    recommended = [one for one in bundle.manifest.variants if one.name in bundle.manifest.recommended]
    runtimes = {one.runtime for one in recommended if one.stage == stage}
    wishes: tuple[Callable[[Variant], bool], ...] = (
        lambda one: one.name == f"{stage}.{name}",
        lambda one: one.target is None,
        lambda one: one.verdict.status == "passed",
        lambda one: one.name in bundle.manifest.recommended,
        lambda one: one.runtime in runtimes,
    )
    for wish in wishes:
        fits = [one for one in fits if wish(one)] or fits
    if len(fits) > 1:
        raise UsageError(
            f"variant {name!r} fits {' and '.join(repr(one.name) for one in fits)}; give one of these names"
        )
    return fits[0]


def _choose_for(bundle: Bundle, names: str | None, runner: str | None, device: str) -> tuple[Variant, ...]:
    """The variants to open here: a runtime that is not installed, or does not know the device, is passed over."""

    def able(variant: Variant) -> bool:
        if variant.grade != GRADES[0]:
            return False
        if runner is not None:
            return variant.runtime == runner
        with suppress(MissingExtra, UnknownName):
            found = runner_class(variant.runtime)
            return device.partition(":")[0] in found.devices and bool(found.version())
        return False

    with suppress(BundleError):
        return choose_variants(bundle, names, able)
    return choose_variants(bundle, names)


def _default_variant(bundle: Bundle, stage: str, able: Callable[[Variant], bool], portable: bool) -> Variant:
    manifest = bundle.manifest
    usable = [
        variant
        for variant in manifest.variants
        if variant.stage == stage
        and (variant.target is None or not portable)
        and variant.verdict.status == "passed"
        and able(variant)
    ]
    if not usable and not portable:
        raise BundleError(
            f"{bundle.path} has no variant of {stage!r} that fits and passed its gate;"
            f" see 'litho inspect {bundle.path}'"
        )
    if not usable:
        raise BundleError(
            f"{bundle.path} has no portable variant of {stage!r} that passed its gate;"
            f" see 'litho inspect {bundle.path}'"
        )
    return next((variant for variant in usable if variant.name in manifest.recommended), usable[0])


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
        whole.precision = combined_precisions(variants)
        whole.grade = max((variant.grade for variant in variants), key=GRADES.index)
        whole.max_batch_size = min(variant.batches[2] for variant in variants)
        opened.pop_all()
    whole.description = f"{', '.join(variant.name for variant in variants)} in {whole.description}"
    return whole
