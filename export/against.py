"""Verify a bundle against the run that it was made from: PyTorch makes the references anew.

A bundle's own probes prove nothing against its maker, who can change graphs and probes together and hash both again.
Here nothing of the bundle is believed but its graphs: weights, inputs, pictures, limits and the Fréchet distance come
from the run and from the code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bundle import MANIFEST_NAME, Bundle
from ..bundle.manifest import TOKENIZER_NAME, Figure, Manifest, Variant
from ..bundle.probes import Probes
from ..errors import ProofError, UsageError
from ..files import sha256
from ..parity.coverage import covered_probes
from ..parity.gate import compare, grade_of, limits
from ..parity.replay import make
from ..parity.verify import Verification, believe, prove_variant
from ..reporting.progress import Progress, quiet
from ..runners import Runner, Worker, open_runner
from ..runners._pools import Pool
from ..signature import AT_ONCE, Signature
from .precisions import precision
from .source import Source, open_source
from .validation.distance import Distance, at_once, sample_count
from .validation.make_probes import make_probes
from .validation.reference import Reference
from .validation.samples import SampleWork

if TYPE_CHECKING:
    from torch import nn

__all__ = ["verify_against"]

_FORMS = (None, "seed", "latent", "image")
"""What a graph may take first, as `litho export --input` says; None for the generator's default."""

SNAPSHOT = "snapshot.json"


def verify_against(  # noqa: PLR0913 - a verb of the public interface
    bundle: Path | str,
    source: Path | str | nn.Module | Callable[[], nn.Module],
    *,
    signature: Path | str | Mapping[str, Any] | None = None,
    weights: Path | str | None = None,
    key: Path | str | None = None,
    samples: int | None = None,
    pool: Pool | None = None,
    progress: Progress = quiet,
) -> list[Verification]:
    """Check a bundle against the generator that it was made from, whose pictures PyTorch makes anew.

        >>> [(outcome.subject, outcome.verdict.status) for outcome in verify_against("bundles/digits", "runs/digits")]
        [('generator.fp32.onnx', 'passed')]

    Args:
        bundle: the bundle's directory.
        source: a run's directory, or a module of the user's own, as `export_model` takes it.
        signature, weights: of a user's own module, as `export_model` takes them.
        key: PEM file of the signer's public key; the bundle must be signed with it.
        samples: pictures in each set of the Fréchet distance, at least 64; by default as many as at export.
        pool: of `open_pool`, whose workers make those pictures; by default this process does.
        progress: called with the current step and the share that is done, 0 to 1.

    Returns:
        The outcome of every variant, on the new references. Of a lowered variant the Fréchet distance counts too.

    Raises:
        ProofError: the bundle was made from other weights or another generator, or its probes are not those that
            PyTorch makes.
        TrustError: the bundle is not signed, or not with this key.
        IntegrityError: a file of the bundle has changed.
        UsageError: there is no such run, too few samples, or a pool for a module that cannot travel.
    """
    if samples is not None and samples < AT_ONCE:
        raise UsageError(f"{samples} samples are too few for a distance of sets; give {AT_ONCE} or more")
    loaded = Bundle.load(bundle, key=key)
    progress("opening the generator in PyTorch", 0.0)
    opened = _same_generator(loaded, source, signature, weights)
    reference = Reference(opened.pipeline.model)
    references = make_probes(reference, progress=partial(progress, "making the references with PyTorch"))
    _refuse_other_probes(covered_probes(loaded), references, reference)
    made_of = (source, signature, weights)
    drawn = None if pool is None or pool.inline else partial(_drawn, pool, loaded, made_of, reference)
    distance = Distance(
        reference,
        opened.data,
        samples or sample_count(loaded.manifest.signature, opened.pipeline.sampler),
        drawn,
    )
    outcomes = []
    count = len(loaded.manifest.variants)
    with Worker() as worker:
        for number, variant in enumerate(loaded.manifest.variants):
            progress(f"variant {number + 1} of {count}: replaying {variant.name}", number / count)
            measure = partial(_figures, distance, variant, loaded.manifest)
            found = prove_variant(loaded, variant, worker, references, measure).verdict
            outcomes.append(
                Verification(variant.name, believe(variant, found), grade_of(variant, loaded.manifest))
            )
    return outcomes


def _drawn(
    pool: Pool,
    bundle: Bundle,
    made_of: tuple[Any, Any, Any],
    reference: Runner,
    runner: Runner,
    inputs: dict[str, NDArray[Any]],
) -> NDArray[np.uint8]:
    """Pictures of the reference or of a variant, by the workers of a pool."""
    manifest = bundle.path / MANIFEST_NAME
    files = {manifest: sha256(manifest)}
    opens = partial(open_runner, bundle.path.absolute(), runner.variant)
    if runner is reference:
        if not all(one is None or isinstance(one, Path | str) for one in made_of):
            raise UsageError("a pool needs a generator that its workers can open: a run, or FILE.py:NAME")
        source, signature, weights = (_absolute(one) for one in made_of)
        opens = partial(_open_reference, bundle.path.absolute(), source, signature, weights)
        if (snapshot := Path(source) / SNAPSHOT).is_file():
            files[snapshot] = sha256(snapshot)
    work = SampleWork(opens, inputs, at_once(runner), files)
    return np.concatenate(pool.in_order(work, work.pieces))


def _absolute(given: Path | str | None) -> Any:
    """The same file, FILE.py:NAME or folder for a process in another folder; a name that is none stays."""
    file, colon, name = str(given).rpartition(":")
    if colon and Path(file).exists():
        return f"{Path(file).absolute()}:{name}"
    return str(Path(given).absolute()) if given is not None and Path(given).exists() else given


def _open_reference(
    bundle: Path, source: Any, signature: Any, weights: Any, *, threads: int | None
) -> Runner:
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return Reference(_same_generator(Bundle.load(bundle), source, signature, weights).pipeline.model)


def _figures(distance: Distance, variant: Variant, manifest: Manifest, runner: Runner) -> list[Figure]:
    lower = precision(variant.precision)
    return distance.figures(runner, lower, lower.limits(manifest.sampler))


def _same_generator(
    bundle: Bundle, source: Any, signature: Path | str | Mapping[str, Any] | None, weights: Path | str | None
) -> Source:
    """The generator in the form that the bundle was exported in."""
    manifest = bundle.manifest
    shown = getattr(source, "__name__", None) or str(source)
    first: Source | None = None
    for form in _FORMS:
        try:
            opened = open_source(source, input=form, signature=signature, weights=weights)
        except UsageError:
            if form is None:
                raise
            continue  # the generator has no such form
        _refuse_other_weights(manifest, opened.weights_sha256, shown)
        first = first or opened
        changed = _as_exported(opened, manifest)
        if changed is not None and changed.pipeline.signature == manifest.signature:
            _refuse_other_tokenizer(bundle, changed, shown)
            return changed
    assert first is not None, "the default form opened"
    takes = _fields(first.pipeline.signature), _fields(manifest.signature)
    raise ProofError(
        f"the bundle was made from another generator: {shown} takes {takes[0]}, the bundle {takes[1]}, or what they"
        " allow or the size of their pictures differs"
    )


def _as_exported(opened: Source, manifest: Manifest) -> Source | None:
    """The generator with the sizes and fixed inputs of the export; None if it cannot have them."""
    size = manifest.environment.get("size")
    fixed = manifest.environment.get("fixed")
    try:
        pipeline = opened.pipeline
        if size is not None:
            height, _, width = size.partition("x")
            pipeline = pipeline.resize("free" if size == "free" else (int(height), int(width)))
        if fixed is not None:
            values = dict(item.split("=", 1) for item in fixed.split(","))
            pipeline = pipeline.fix({name: int(value) for name, value in values.items()})
    except (UsageError, ValueError):
        return None
    return replace(opened, pipeline=pipeline)


def _fields(signature: Signature) -> str:
    return ", ".join(field.name for field in signature.inputs)


def _refuse_other_weights(manifest: Manifest, found: str, shown: str) -> None:
    if manifest.checkpoint_sha256 != found:
        raise ProofError(
            f"the bundle says that it was made from weights {manifest.checkpoint_sha256[:12]}, {shown} has"
            f" {found[:12]}; give the run that it was made from, or do not trust the bundle"
        )


def _refuse_other_tokenizer(bundle: Bundle, source: Source, shown: str) -> None:
    tokenizer = source.pipeline.tokenizer
    if tokenizer is not None and bundle.read(TOKENIZER_NAME) != tokenizer.encode():
        raise ProofError(f"{TOKENIZER_NAME} of the bundle is not that of {shown}; export the bundle again")


def _refuse_other_probes(stored: Probes, references: Probes, reference: Runner) -> None:
    """Refuse probes whose pictures PyTorch does not make, whatever their inputs are."""
    new = {bank.name: bank for bank in (references, *references.others)}
    for bank in (stored, *stored.others):
        made = new.get(bank.name)
        pictures = (
            made.images
            if made is not None and _same_inputs(bank, made)
            else make(reference, bank.inputs, reference.signature.at_once, bank.strided)
        )
        failed = [figure for figure in compare(bank.images, pictures, limits("fp32")) if not figure.passed]
        if failed:
            value = "none" if failed[0].value is None else f"{failed[0].value:g}"
            raise ProofError(
                f"the pictures of bank {bank.name!r} are not what PyTorch makes of its inputs ({failed[0].metric}:"
                f" {value}); the bundle was changed, or made from another generator: do not trust it"
            )


def _same_inputs(bank: Probes, other: Probes) -> bool:
    return (bank.stride, bank.inputs.keys()) == (other.stride, other.inputs.keys()) and all(
        np.array_equal(values, other.inputs[name]) for name, values in bank.inputs.items()
    )
