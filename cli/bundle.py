"""Verbs that look at bundles: `inspect`, `verify`."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import LithoError
from .base import AsJson, BundlePath, app
from .output import print_json, progress_bar, show_rows, show_variants, verdict_words


@app.command(epilog="Example: litho inspect bundles/digits")
def inspect(bundle: BundlePath, as_json: AsJson = False) -> None:
    """Show what a bundle holds, after checking every file of it."""
    from ..bundle import Bundle

    loaded = Bundle.load(bundle)
    manifest = loaded.manifest
    if as_json:
        typer.echo(manifest.model_dump_json(indent=2))
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


@app.command(epilog="Example: litho verify bundles/digits --endpoint grpc://127.0.0.1:8001/digits")
def verify(
    bundle: BundlePath,
    endpoint: Annotated[
        str | None, typer.Option(help="Replay through this server instead: grpc://HOST:PORT/MODEL.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check every file of a bundle and replay its probes, here or through a running server."""
    from ..parity.verify import verify as verify_bundle

    with progress_bar() as progress:
        outcomes = verify_bundle(bundle, endpoint=endpoint, progress=progress)
    if as_json:
        print_json([{"subject": outcome.subject, **outcome.verdict.model_dump()} for outcome in outcomes])
    else:
        show_rows(
            ("subject", "verdict", "figures"),
            [
                (outcome.subject, outcome.verdict.status, verdict_words(outcome.verdict))
                for outcome in outcomes
            ],
        )
    failed = [outcome for outcome in outcomes if outcome.verdict.status == "failed"]
    if failed:
        raise LithoError(f"{failed[0].subject} does not give the same pictures: {failed[0].verdict.reason}")
    if not any(outcome.verdict.status == "passed" for outcome in outcomes):
        raise LithoError(
            "nothing could be replayed on this machine; see the table for what each variant needs"
        )
