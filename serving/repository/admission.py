"""What may be deployed without a trusted signature: what gives here, on this machine, the pictures that it promises.

A manifest is a claim of its maker. Whoever edits a verdict from "failed" to "passed" changes one word; the probes and
the limits of the precision, which are code, still tell.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...bundle import Bundle
from ...bundle.manifest import Variant
from ...bundle.probes import PROBES_NAME
from ...errors import DeployError, LithoError
from ...parity.verify import contradiction, prove_together, replay_through
from ...runners import open_runner

__all__ = ["prove_here", "prove_there"]


def prove_here(
    bundle: Bundle, variants: Sequence[Variant], accept_failed: Collection[str], *, elsewhere: bool = False
) -> None:
    """Replay the probes of a bundle through the variants that are to be deployed, one of each stage.

    Args:
        bundle: with its probes.
        variants: run together, as they will be served.
        accept_failed: names of variants that need no proof; nothing is replayed if one of them is among `variants`.
        elsewhere: whether they are proven on a server next, so that they need not run on this machine.

    Raises:
        DeployError: they do not give the pictures of the probes, or cannot run on this machine.
    """
    named = " ".join(f"--accept-failed {variant.name}" for variant in variants)
    if {variant.name for variant in variants} & set(accept_failed):
        return
    if PROBES_NAME not in bundle.manifest.files:
        raise DeployError(
            f"{bundle.path} has no probes to prove it with; deploy the bundle that 'litho export' wrote, or insist"
            f" with {named}"
        )
    for variant in variants:
        if (why := contradiction(variant.verdict)) is not None:
            raise DeployError(f"{variant.name}: {why}, or insist with {named}")
    verdict = prove_together(bundle, variants)
    if verdict.status == "passed" or (elsewhere and verdict.status == "not_run"):
        return
    names = ", ".join(variant.name for variant in variants)
    if verdict.status == "not_run":
        raise DeployError(
            f"{names} cannot be proven on this machine ({verdict.reason}); deploy it where it runs, give its signer's"
            f" key with --require-signature, or insist with {named}"
        )
    raise DeployError(
        f"{names} fails here, although the manifest says that it passed ({verdict.reason}); do not trust this bundle:"
        f" export it again, or insist with {named}"
    )


def prove_there(bundle: Bundle | None, batches: Collection[int], endpoint: str) -> None:
    """Warm up a model that a server has just loaded, and replay the probes of its bundle through it.

    Args:
        bundle: with its probes; None, or one without them, if nothing is known of its pictures.
        batches: pictures at a time of the warm-up.
        endpoint: of the model on the server.

    Raises:
        DeployError: it does not run, or its pictures are not those of the probes.
        ServerError: the server does not answer.
    """
    with open_runner(endpoint) as runner:
        for batch in sorted({1, *batches}):
            try:
                runner.run(runner.signature.example(batch))
            except LithoError as error:
                raise DeployError(f"its warm-up failed at batch {batch} ({error})") from error
    if bundle is None or PROBES_NAME not in bundle.manifest.files:
        return
    verdict = replay_through(bundle, endpoint).verdict
    if verdict.status != "passed":
        raise DeployError(f"its pictures are not those of its probes ({verdict.reason})")
