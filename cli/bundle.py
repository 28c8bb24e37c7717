"""Verbs for bundles: `inspect`, `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import LithoError
from .base import AsJson, BundlePath, verb
from .export import PANEL
from .output import format_verdict, print_json, progress_bar, show_rows, show_variants
from .paths import require


@verb(PANEL, "litho inspect bundles/digits")
def inspect(bundle: BundlePath, as_json: AsJson = False) -> None:
    """Check every file of a bundle and show its contents."""
    require("bundle", bundle)
    from ..bundle import Bundle

    loaded = Bundle.load(bundle)
    manifest = loaded.manifest
    if as_json:
        print_json(manifest)
        return
    show_rows(
        ("field", "takes", "classes"),
        [
            (field.name, field.allowed, ", ".join(field.class_names or ()))
            for field in manifest.signature.inputs
        ]
        + [(manifest.signature.output.name, f"gives {manifest.signature.output.allowed}", "")],
    )
    if manifest.sampler is not None:
        stages = ", ".join(stage.name for stage in manifest.stages)
        typer.echo(f"\nsampler {manifest.sampler} runs in turn: {stages}")
    typer.echo()
    show_variants(loaded, as_json=False)


@verb(
    PANEL,
    "litho verify bundles/digits",
    "litho verify bundles/digits --endpoint grpc://127.0.0.1:8001/digits",
)
def verify(
    bundle: BundlePath,
    endpoint: Annotated[
        str | None, typer.Option(help="Replay through this server instead: grpc://HOST:PORT/MODEL.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove a bundle again, here or through a running server.

    Checks every file, replays the probes through every variant that runs here, and compares the pictures.
    """
    require("bundle", bundle)
    from ..parity.verify import verify as verify_bundle

    with progress_bar() as progress:
        outcomes = verify_bundle(bundle, endpoint=endpoint, progress=progress)
    if as_json:
        print_json([{"subject": outcome.subject, **outcome.verdict.model_dump()} for outcome in outcomes])
    else:
        show_rows(
            ("subject", "verdict", "figures"),
            [
                (outcome.subject, outcome.verdict.status, format_verdict(outcome.verdict))
                for outcome in outcomes
            ],
        )
    failed = [outcome for outcome in outcomes if outcome.verdict.status == "failed"]
    if failed:
        raise LithoError(f"{failed[0].subject} does not give the same pictures: {failed[0].verdict.reason}")
    if not any(outcome.verdict.status == "passed" for outcome in outcomes):
        raise LithoError("no variant could be replayed on this machine; the table shows what each one needs")
