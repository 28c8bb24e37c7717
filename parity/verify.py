"""Replay a bundle's probes through its variants, or through a running server; needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..bundle import Bundle
from ..bundle.manifest import Variant, Verdict
from ..bundle.probes import Probes
from ..errors import DeviceError, EndpointError, LithoError, MissingExtra, ProofError
from ..runners import Endpoint, choose_variants, open_runner
from .failure_modes import explain
from .gate import judge, limits, replay, replay_sizes

__all__ = ["Verification", "verify", "verify_variant", "with_the_others"]

ENDPOINT_BATCHES = (16, 1)


@dataclass(frozen=True)
class Verification:
    """The outcome for one variant or endpoint.

    Args:
        subject: the variant's name, or the endpoint's address.
        verdict: passed, failed, or not run and why.
    """

    subject: str
    verdict: Verdict


def verify(
    bundle: Path | str, *, endpoint: str | None = None, progress: Callable[[str, float], None] | None = None
) -> list[Verification]:
    """Check every file of a bundle and replay its probes.

        >>> [(outcome.subject, outcome.verdict.status) for outcome in verify_model("bundles/digits")]
        [('generator.fp32.onnx', 'passed')]

    A variant of a stage is replayed with the first portable variant of every other stage.

    Args:
        bundle: the bundle's directory.
        endpoint: address of a deployed form of the bundle, grpc://HOST:PORT/MODEL; without it, every variant
            that runs on this machine is replayed.
        progress: told what is being done.

    Raises:
        IntegrityError: a file of the bundle has changed; the message names it.
        EndpointError: the server cannot be reached or refuses.
        ProofError: the endpoint serves other weights than the bundle's.
    """
    loaded = Bundle.load(bundle)
    probes = loaded.probes()
    told = progress or (lambda step, share: None)
    if endpoint is not None:
        Endpoint.parse(endpoint)
        told(f"replaying {len(probes.images)} probes through {endpoint}", 0.0)
        return [Verification(endpoint, _verify_endpoint(loaded, probes, endpoint))]
    verdicts: dict[str, Verdict] = {}
    outcomes = []
    for number, variant in enumerate(loaded.manifest.variants):
        told(f"replaying {variant.name}", number / len(loaded.manifest.variants))
        names = with_the_others(loaded, variant)
        if names not in verdicts:
            verdicts[names] = verify_variant(loaded, variant)
        outcomes.append(Verification(variant.name, verdicts[names]))
    return outcomes


def verify_variant(bundle: Bundle, variant: Variant) -> Verdict:
    """Replay a bundle's probes through one variant, with the first portable variant of every other stage.

    Returns:
        The verdict; "not_run" where this machine has not what the variant needs.
    """
    try:
        runner = open_runner(bundle, with_the_others(bundle, variant))
    except (MissingExtra, DeviceError) as error:
        return Verdict(status="not_run", reason=str(error))
    probes = bundle.probes()
    with runner:
        try:
            pictures = [replay(runner, probes, batch) for batch in (len(probes.images), 1)]
            sizes = replay_sizes(runner, probes)
        except EndpointError:
            raise
        except LithoError as error:
            return Verdict(status="failed", reason=str(error))
        verdict = judge(pictures, probes.images, limits(variant.precision), sizes=sizes)
        return explain(verdict, pictures, probes, runner)


def with_the_others(bundle: Bundle, variant: Variant) -> str:
    """A variant's name and, of each other stage, that of the first portable one, whatever became of it."""
    portable = {
        other.stage: other.name for other in reversed(bundle.manifest.variants) if other.target is None
    }
    portable[variant.stage] = variant.name
    return ",".join(portable[stage.name] for stage in bundle.manifest.stages if stage.name in portable)


def _verify_endpoint(bundle: Bundle, probes: Probes, endpoint: str) -> Verdict:
    from ..runners.triton import Runner as TritonRunner

    with TritonRunner.from_location(endpoint, "cpu") as runner:
        if runner.served.checkpoint_sha256 != bundle.manifest.checkpoint_sha256:
            raise ProofError(
                f"{endpoint} serves checkpoint {runner.served.checkpoint_sha256[:12]}, the bundle was made from"
                f" {bundle.manifest.checkpoint_sha256[:12]}; deploy the bundle, or name the right model"
            )
        precisions = {variant.precision for variant in choose_variants(bundle, runner.served.variant)}
        pictures = [replay(runner, probes, batch) for batch in ENDPOINT_BATCHES]
        verdict = judge(pictures, probes.images, limits(*precisions), sizes=replay_sizes(runner, probes))
        return explain(verdict, pictures, probes, runner)
