"""Verbs of provenance: `reproduce`, `audit verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ProofError, UsageError
from .base import AsJson, Device, Verbs, app, variant_option, verb
from .output import note, print_json, show_lines
from .values import pairs

if TYPE_CHECKING:
    from ..serving.provenance.receipt import Receipt
    from ..serving.provenance.reproduce import Reproduction

PANEL = "Provenance"
_BUNDLES = Path("bundles")

audit = typer.Typer(cls=Verbs, help="Check an audit log.", no_args_is_help=True)
app.add_typer(audit, name="audit", rich_help_panel=PANEL)


@verb(
    PANEL,
    "litho reproduce picture.png",
    "litho reproduce picture.png --bundle bundles/digits --batch 8 --variant fp16",
    "litho reproduce picture.png --endpoint grpc://127.0.0.1:8001/digits --key public.pem",
    "litho reproduce edited.png --input source=photo.png",
)
def reproduce(
    picture: Annotated[
        Path, typer.Argument(help="PNG, JPEG or WebP that a gateway made.", show_default=False)
    ],
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="Bundle that makes it again; by default the one in ./bundles that the receipt names.",
            show_default=False,
        ),
    ] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Server that makes it again, grpc://HOST:PORT/MODEL.")
    ] = None,
    variant: Annotated[
        str | None, variant_option("the receipt's, or the recommended one where it has none")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Pictures made at once; the others are of other inputs.")
    ] = 1,
    device: Device = "cpu",
    key: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of a public key: the receipt must be signed with it.", show_default=False
        ),
    ] = None,
    receipt: Annotated[
        Path | None,
        typer.Option(help="JSON file of the receipt, for a picture that lost it.", show_default=False),
    ] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--input", help="NAME=FILE of a picture that it was made from; repeatable."),
    ] = None,
    save: Annotated[
        Path | None, typer.Option(help="PNG file for the picture that is made again.", show_default=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a picture again from its receipt and compare both.

    The receipt lies in the picture's file. It is refused if it was changed since, and so is a bundle of other weights.
    Exit code 1: it is another picture, or the file was changed.
    """
    if bundle is not None and endpoint is not None:
        raise UsageError("--bundle and --endpoint were both given; one of them makes the picture again")
    from ..files import check_file, write_bytes
    from ..reporting import png
    from ..serving.provenance.reproduce import Again, find_bundle, read_picture_receipt, reproduce

    if save is not None:
        check_file(save, "--save")
    sources = pairs(given or [], "--input")
    target = endpoint or bundle or find_bundle(read_picture_receipt(picture, receipt), _BUNDLES)
    made = reproduce(
        picture,
        target,
        Again(variant, batch, device, sources),
        key=key,
        receipt_file=receipt,
    )
    if save is not None:
        write_bytes(save, png(made.pixels))
    credentials = _credentials(picture)
    if as_json:
        print_json(_document(made, credentials))
    else:
        _show(made, checked=key is not None, credentials=credentials)
    if not made.judgement.same:
        raise ProofError(f"{picture} is not reproduced: {made.judgement.reason}")
    if credentials is not None and credentials["problems"]:
        raise ProofError(
            f"the content credentials of {picture} say that it was changed: {credentials['problems'][0]}"
        )


@verb(
    None, "litho audit verify audit.jsonl", "litho audit verify audit.jsonl --head 812:9f2c...", group=audit
)
def verify(
    log: Annotated[Path, typer.Argument(help="File of the audit log.", show_default=False)],
    head: Annotated[
        str | None,
        typer.Option(
            help="NUMBER:HASH that an earlier call printed and you kept elsewhere; the log must still hold it.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that no line of an audit log was changed or removed.

    Whoever can write the log and its .head file can write another history: keep the head that is printed somewhere
    else, and give it with --head the next time.
    """
    from ..serving.provenance.audit_check import verify_log

    verified = verify_log(log, head)
    if as_json:
        print_json({"entries": verified.entries, "head": verified.head, "notes": list(verified.notes)})
        return
    for line in verified.notes:
        note(f"note: {line}")
    typer.echo(f"{log}: {verified.entries} entries, none was changed or removed\nhead {verified.head}")


def _credentials(picture: Path) -> dict[str, Any] | None:
    """What C2PA content credentials in the file say; None if it has none, or nothing here reads them."""
    content = picture.read_bytes()
    if b"c2pa" not in content:
        return None
    from ..errors import MissingExtra
    from ..serving.provenance.content_credentials import read_credentials

    try:
        state = read_credentials(content)
    except MissingExtra as error:
        note(f"note: its content credentials are not checked: {error}")
        return None
    return state and {"state": state.state, "signer": state.signer, "problems": list(state.problems)}


def _show(made: Reproduction, *, checked: bool, credentials: dict[str, Any] | None) -> None:
    judgement = made.judgement
    lines = [
        f"receipt   {_summary(made.receipt)}",
        f"signed    {_signer(made.receipt, checked=checked)}",
        f"made by   {made.made_by}",
    ]
    if credentials is not None:
        lines.insert(
            2, f"C2PA      {credentials['state']}, of {credentials['signer'] or 'an unknown signer'}"
        )
    lines.append(f"verdict   {'same' if judgement.same else 'not the same'}: {judgement.reason}")
    if (apart := judgement.difference) is not None:
        lines.append(
            f"figures   max difference {apart.levels} grey levels, {apart.identical:.4%} of the values equal,"
            f" PSNR {apart.psnr_db:.1f} dB"
        )
    show_lines([*lines, *(f"note      {one}" for one in made.notes)])


def _summary(receipt: Receipt) -> str:
    values = ", ".join(
        f"{name} {value!r}" if isinstance(value, int | float | str) else f"{name} {value.sha256[:12]}"
        for name, value in receipt.fields.items()
    )
    version = f" version {receipt.version}" if receipt.version else ""
    return f"{receipt.model}{version}, {receipt.variant}, {receipt.created}: {values}"


def _signer(receipt: Receipt, *, checked: bool) -> str:
    if receipt.signer is None:
        return "no; its checksum fits"
    from ..bundle.keys import PublicKey

    fingerprint = PublicKey.from_text(receipt.signer).fingerprint
    return f"with key {fingerprint[:16]}{'' if checked else ', it says; check whose with --key public.pem'}"


def _document(made: Reproduction, credentials: dict[str, Any] | None) -> dict[str, Any]:
    judgement = made.judgement
    return {
        "same": judgement.same,
        "identical": judgement.identical,
        "reason": judgement.reason,
        "difference": None if judgement.difference is None else vars(judgement.difference),
        "made_by": made.made_by,
        "notes": list(made.notes),
        "content_credentials": credentials,
        "receipt": made.receipt.to_document(),
    }
