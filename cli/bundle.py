"""Verbs for bundles: `inspect`, `sign`, `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import LithoError, UsageError
from .base import AsJson, BundlePath, Device, verb
from .export import PANEL
from .output import format_verdict, note, print_json, progress_bar, show_rows, show_variants
from .passwords import key_password
from .paths import require
from .pools import RayAddress, Threads, Workers, refuse_without


@verb(PANEL, "litho inspect bundles/digits")
def inspect(bundle: BundlePath, as_json: AsJson = False) -> None:
    """Check every file of a bundle and show its contents."""
    require("bundle", bundle)
    from ..bundle import Bundle
    from ..bundle.explanation import DOCUMENT_PATH, FOLDER, parse_explanation
    from ..bundle.signing import describe_signing

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
    if DOCUMENT_PATH in manifest.files:
        explanation = parse_explanation(loaded.path / FOLDER, loaded.read(DOCUMENT_PATH))
        counts = f"{len(explanation.examples)} pictures and {len(explanation.directions)} latent directions"
        typer.echo(f"\nexplanation of {counts} on {explanation.data}")
    typer.echo(f"\n{describe_signing(loaded.path)}\n")
    show_variants(loaded, as_json=False)


@verb(
    PANEL,
    "litho sign bundles/digits --key private.pem",
)
def sign(
    bundle: BundlePath,
    key: Annotated[Path, typer.Option(help="PEM file of an Ed25519 private key.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Sign a bundle, so that others can check that you vouch for it.

    Signs the manifest, which lists every file by its hash. Make a key pair with openssl: see docs/security.md.
    """
    require("bundle", bundle)
    from ..bundle import sign_bundle
    from ..bundle.signing import read_signing

    written = sign_bundle(bundle, key=key, password=key_password(key))
    signing = read_signing(bundle)
    assert signing is not None, "it was signed a moment ago"
    assert signing.signer is not None, "it was signed a moment ago"
    if as_json:
        print_json({"path": str(written), "key": signing.signer.fingerprint})
    else:
        typer.echo(f"{written}\nkey {signing.signer.fingerprint}")


def note_older_probes(bundle: Path) -> None:
    """Say of a bundle whose probes were made by other rules that their coverage was not checked."""
    from ..bundle.signing import read_manifest
    from ..parity.coverage import older_recipe

    if (older := older_recipe(read_manifest(bundle))) is not None:
        note(older)


@verb(
    PANEL,
    "litho verify bundles/digits",
    "litho verify bundles/digits --endpoint grpc://127.0.0.1:8001/digits",
    "litho verify bundles/digits --device cuda",
    "litho verify bundles/digits --key public.pem",
    "litho verify bundles/digits --against runs/digits",
    "litho verify bundles/digits --against runs/digits --samples 50000 --ray auto",
)
def verify(
    bundle: BundlePath,
    endpoint: Annotated[
        str | None, typer.Option(help="Replay through this server instead: grpc://HOST:PORT/MODEL.")
    ] = None,
    device: Device = "cpu",
    key: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of the signer's public key: the bundle must be signed with it.", show_default=False
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Make the references anew with PyTorch, from the run or module that the bundle was made from.",
            show_default=False,
        ),
    ] = None,
    signature: Annotated[
        Path | None, typer.Option(help="Signature file, if --against names a module of your own.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of that module: .safetensors, .pt, .pth, .bin or .ckpt.")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            help="With --against: pictures in each set of the Fréchet distance; by default as many as at export.",
            min=64,
            show_default=False,
        ),
    ] = None,
    ray: RayAddress = None,
    workers: Workers = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Prove a bundle again, here or through a running server.

    Checks every file, replays the probes through every variant that runs here, and compares the pictures.
    What this proves, and against whom, is in docs/security.md.
    """
    require("bundle", bundle)
    if against is not None and endpoint is not None:
        raise UsageError("--against and --endpoint are two proofs; give one of them")
    if against is None and (signature is not None or weights is not None):
        raise UsageError("--signature and --weights describe what --against names; add --against")
    if against is not None and device != "cpu":
        raise UsageError("--device is for the bundle's own probes, without --against; leave one of them out")
    if against is None:
        refuse_without("--against", samples=samples, ray=ray, workers=workers, threads=threads)
    with progress_bar() as progress:
        if against is None:
            from ..parity.verify import verify as verify_bundle

            outcomes = verify_bundle(bundle, endpoint=endpoint, device=device, key=key, progress=progress)
        else:
            from ..export.against import verify_against
            from ..runners._pools import open_pool

            with open_pool(ray, workers=workers, threads=threads) as pool:
                outcomes = verify_against(
                    bundle,
                    against,
                    signature=signature,
                    weights=weights,
                    key=key,
                    samples=samples,
                    pool=pool,
                    progress=progress,
                )
    if key is not None:
        note(f"signed with the key in {key}")
    note_older_probes(bundle)
    if as_json:
        print_json(
            [
                {"subject": outcome.subject, "grade": outcome.grade, **outcome.verdict.model_dump()}
                for outcome in outcomes
            ]
        )
    else:
        show_rows(
            ("subject", "verdict", "promises", "figures"),
            [
                (
                    outcome.subject,
                    outcome.verdict.status.replace("_", " "),
                    outcome.grade,
                    format_verdict(outcome.verdict),
                )
                for outcome in outcomes
            ],
        )
    failed = [outcome for outcome in outcomes if outcome.verdict.status == "failed"]
    if failed:
        promised = (
            "the same pictures" if failed[0].grade == "same picture" else "pictures of the same distribution"
        )
        raise LithoError(f"{failed[0].subject} does not give {promised}: {failed[0].verdict.reason}")
    if not any(outcome.verdict.status == "passed" for outcome in outcomes):
        raise LithoError("no variant could be replayed on this machine; the table shows what each one needs")
