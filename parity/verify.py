"""Replay a bundle's probes through its variants, or through a running server; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ..bundle import Bundle
from ..bundle.manifest import Figure, Grade, Variant, Verdict
from ..bundle.probes import Probes
from ..errors import ProofError, UsageError
from ..reporting.progress import Progress, quiet
from ..runners import Endpoint, Runner, Worker, choose_variants, open_isolated
from ..runners.base import parse_device, runner_class
from .coverage import covered_probes
from .gate import grade_of, limits
from .replay import Outcome, prove, replay_batches

__all__ = [
    "Verification",
    "believe",
    "contradiction",
    "prove_together",
    "prove_variant",
    "replay_through",
    "verify",
    "with_other_stages",
]

ENDPOINT_BATCH = 16
"""Largest batch asked of an endpoint, whose answer must arrive within the client's time limit: a sampler of many
steps on a busy CPU server needs longer for 64 pictures."""

TOGETHER_BATCH = 64
"""Largest batch of the quick replay before a deployment."""


@dataclass(frozen=True)
class Verification:
    """The outcome for one variant or endpoint.

    Args:
        subject: the variant's name, or the endpoint's address.
        verdict: passed, failed, or not run and why.
        grade: what its pictures promise.
    """

    subject: str
    verdict: Verdict
    grade: Grade = "same picture"


def verify(
    bundle: Path | str,
    *,
    endpoint: str | None = None,
    device: str = "cpu",
    key: Path | str | None = None,
    progress: Progress = quiet,
) -> list[Verification]:
    """Check every file of a bundle and replay its probes.

        >>> [(outcome.subject, outcome.verdict.status) for outcome in verify_model("bundles/digits")]
        [('generator.fp32.onnx', 'passed')]

    A variant of one stage is replayed with the first portable variant of every other stage.

    Args:
        bundle: the bundle's directory.
        endpoint: address of a deployed form of the bundle, grpc://HOST:PORT/MODEL; without it, every variant
            that runs on this machine is replayed.
        device: of this machine that graphs run on, as `open_runner` takes it; engines run on their GPU.
        key: PEM file of the signer's public key; the bundle must be signed with it (`sign_model`). By default a
            digital signature is not looked at.
        progress: called with the current step and the share that is done, 0 to 1.

    Raises:
        UsageError: no runtime of the bundle knows the device, or an endpoint was given one.
        TrustError: the bundle is not signed, or not with this key.
        IntegrityError: a file of the bundle has changed; the message names it.
        EndpointError: the server cannot be reached or refuses.
        ProofError: the endpoint serves other weights than the bundle's, or the bundle lacks probes.
    """
    if endpoint is not None and device != "cpu":
        raise UsageError(
            f"device was given {device!r}, but {endpoint} computes where its server does; leave it out"
        )
    loaded = Bundle.load(bundle, key=key)
    known = dict.fromkeys(
        kind for one in loaded.manifest.variants for kind in runner_class(one.runtime).devices
    )
    parse_device(device, "the bundle", ("cpu", *(kind for kind in known if kind != "cpu")))
    probes = covered_probes(loaded)
    if endpoint is not None:
        Endpoint.parse(endpoint)
        progress(f"replaying {len(probes.images)} probes through {endpoint}", 0.0)
        return [_verify_endpoint(loaded, probes, endpoint)]
    verdicts: dict[str, Verdict] = {}
    outcomes = []
    count = len(loaded.manifest.variants)
    with Worker() as worker:
        for number, variant in enumerate(loaded.manifest.variants):
            progress(f"variant {number + 1} of {count}: replaying {variant.name}", number / count)
            names = with_other_stages(loaded, variant, device)
            if names not in verdicts:
                verdicts[names] = prove_variant(loaded, variant, worker, probes, device=device).verdict
            found = believe(variant, verdicts[names])
            outcomes.append(Verification(variant.name, found, grade_of(variant, loaded.manifest)))
    return outcomes


def prove_variant(
    bundle: Bundle,
    variant: Variant,
    worker: Worker,
    probes: Probes | None = None,
    measure: Callable[[Runner], Iterable[Figure]] = lambda runner: (),
    device: str = "cpu",
) -> Outcome:
    """Replay probes through one variant, with the first portable variant of every other stage.

    Args:
        bundle: holds the variant.
        variant: what is proven.
        worker: the process that opens and runs it, so that the crash of a runtime is a verdict.
        probes: by default the bundle's own.
        measure: measures further figures; called only for a runner whose pictures passed.
        device: that graphs run on, as `open_runner` takes it.

    Returns:
        The verdict, "not_run" if this machine lacks what the variant needs, or its runtime does not know the device;
        and the pictures.
    """
    if not _runs_on(variant, device):
        runtime = runner_class(variant.runtime)
        return Outcome(
            Verdict(
                status="not_run",
                reason=f"{runtime.title} runs on {', '.join(runtime.devices)}, not on {device}",
            )
        )
    opens = partial(open_isolated, bundle, with_other_stages(bundle, variant, device), worker, device)
    profiles = [] if variant.engine is None else [(least, most) for least, _, most in variant.engine.profiles]
    timed = [timing.batch for timing in variant.timings]
    batches = replay_batches(*variant.batches, *timed, profiles=profiles, signature=bundle.manifest.signature)
    gate = limits(variant.precision, sampler=bundle.manifest.sampler)
    return prove(opens, probes or bundle.probes(), gate, batches=batches, measure=measure)


def believe(variant: Variant, found: Verdict) -> Verdict:
    """What to say of a variant after its pictures were judged anew.

    Args:
        variant: with the verdict of the manifest.
        found: the new verdict, which may have fewer figures: some need PyTorch.

    Returns:
        The new verdict, which failed as well if the manifest's failed or contradicts itself, and is not offered if
        the manifest's is not.
    """
    recorded = variant.verdict
    if found.status == "failed" and recorded.status == "passed":
        return found.model_copy(
            update={"reason": f"{found.reason}; the manifest says that it passed: do not trust the bundle"}
        )
    if found.status == "passed" and recorded.status == "failed":
        return found.model_copy(
            update={"status": "failed", "reason": f"it failed when the bundle was made: {recorded.reason}"}
        )
    if found.status == "passed" and recorded.status == "not_offered":
        return found.model_copy(update={"status": recorded.status, "reason": recorded.reason})
    if (why := contradiction(recorded)) is not None:
        return found.model_copy(update={"status": "failed", "reason": why})
    return found


def contradiction(verdict: Verdict) -> str | None:
    """How a verdict contradicts its own figures, so that somebody must have edited it; None if it does not."""
    if verdict.status != "passed":
        return None
    if not verdict.figures:
        return "the manifest says that it passed, but has no figures: do not trust the bundle"
    outside = [figure.metric for figure in verdict.figures if not figure.passed]
    if outside:
        return f"the manifest says that it passed, but its {outside[0]} is outside the limit: do not trust the bundle"
    return None


def prove_together(bundle: Bundle, variants: Sequence[Variant]) -> Verdict:
    """Replay every bank of probes at one batch through variants, one of each stage, as they will be served together.

    Returns:
        The verdict by the limits of the loosest of their precisions; "not_run" if this machine lacks what they need.
    """
    precisions = {variant.precision for variant in variants}
    gate = limits(*precisions, sampler=bundle.manifest.sampler)
    batch = min(TOGETHER_BATCH, *(variant.batches[2] for variant in variants))
    probes = covered_probes(bundle)
    with Worker() as worker:
        opens = partial(open_isolated, bundle, ",".join(variant.name for variant in variants), worker)
        return prove(opens, probes, gate, batches=(batch,)).verdict


def replay_through(bundle: Bundle, endpoint: str) -> Verification:
    """Replay every bank of probes at one batch through a deployed form of a bundle.

    Args:
        bundle: with its probes.
        endpoint: grpc://HOST:PORT/MODEL.

    Raises:
        EndpointError: the server cannot be reached or refuses.
        ProofError: the endpoint serves other weights than the bundle's, or the bundle lacks probes.
    """
    return _verify_endpoint(bundle, covered_probes(bundle), endpoint, once=True)


def with_other_stages(bundle: Bundle, variant: Variant, device: str = "cpu") -> str:
    """Names of a variant and of the first portable variant of each other stage on a device, whatever its verdict."""
    portable = {
        other.stage: other.name
        for other in reversed(bundle.manifest.variants)
        if other.target is None and _runs_on(other, device)
    }
    portable[variant.stage] = variant.name
    return ",".join(portable[stage.name] for stage in bundle.manifest.stages if stage.name in portable)


def _runs_on(variant: Variant, device: str) -> bool:
    """Whether a variant's runtime knows a kind of device; an engine has its own."""
    return variant.engine is not None or device.partition(":")[0] in runner_class(variant.runtime).devices


def _verify_endpoint(bundle: Bundle, probes: Probes, endpoint: str, *, once: bool = False) -> Verification:
    from ..runners.triton import Runner as TritonRunner

    with TritonRunner.from_location(endpoint, "cpu") as runner:
        if runner.served.checkpoint_sha256 != bundle.manifest.checkpoint_sha256:
            raise ProofError(
                f"{endpoint} serves checkpoint {runner.served.checkpoint_sha256[:12]}, the bundle was made from"
                f" {bundle.manifest.checkpoint_sha256[:12]}; deploy the bundle, or name the right model"
            )
        precisions = {variant.precision for variant in choose_variants(bundle, runner.served.variant)}
        gate = limits(*precisions, sampler=bundle.manifest.sampler)
        most = min(ENDPOINT_BATCH, runner.max_batch_size)
        batches = (most,) if once else replay_batches(profiles=[(1, most)], signature=runner.signature)
        outcome = prove(lambda: nullcontext(runner), probes, gate, batches=batches)
        return Verification(endpoint, outcome.verdict, gate.grade)
