"""Verbs for registries: `push`, `pull`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .auditing import AuditLogFile, entered
from .base import AsJson, verb
from .output import note, print_json, progress_bar
from .passwords import key_password

PANEL = "Share"

Address = Annotated[
    str,
    typer.Argument(
        help="hf://OWNER/NAME, oci://HOST/NAME:TAG, or file://FOLDER/OWNER/NAME.", show_default=False
    ),
]
PlainHttp = Annotated[
    bool, typer.Option("--plain-http", help="Speak to an OCI registry of another machine without TLS.")
]


@verb(
    PANEL,
    "litho push bundles/digits hf://me/digits",
    "litho push bundles/digits oci://ghcr.io/me/digits:v1",
    "litho push runs/digits hf://me/digits-weights --key private.pem --private",
)
def push(
    source: Annotated[
        Path, typer.Argument(help="Folder of a bundle, or of a finished run.", show_default=False)
    ],
    address: Address,
    revision: Annotated[
        str | None, typer.Option(help="Branch of the hub; made if it does not exist. By default main.")
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of an Ed25519 private key that signs a run; a bundle is signed by 'litho sign'.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        bool, typer.Option("--checkpoint", help="Also send what a run needs to be resumed.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Make a repository of the hub that does not exist yet private.")
    ] = False,
    plain_http: PlainHttp = False,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Send a bundle or run to a registry, with a model card.

    What the registry has already is not sent again.
    Credentials are those of 'hf auth login' or HF_TOKEN, and of 'docker login'.
    """
    from ..registry.push import push as push_files

    password = key_password(key) if key is not None else None
    details = {"source": str(source), "to": address, "revision": revision}
    with entered(audit_log, "push", **details) as entry:
        with progress_bar() as progress:
            pushed = push_files(
                source,
                address,
                revision=revision,
                key=key,
                password=password,
                checkpoint=checkpoint,
                private=private,
                plain_http=plain_http,
                progress=progress,
            )
        entry.update(address=pushed.address, signed=pushed.signed)
    for line in pushed.notes:
        note(line)
    if as_json:
        print_json(
            {
                "address": pushed.address,
                "sent_bytes": pushed.sent_bytes,
                "present_bytes": pushed.present_bytes,
                "signed": pushed.signed,
            }
        )
        return
    from ..reporting import human_bytes

    typer.echo(pushed.address)
    signed = "signed" if pushed.signed else "not signed"
    note(
        f"{human_bytes(pushed.sent_bytes)} sent, {human_bytes(pushed.present_bytes)} there already; {signed}"
    )


@verb(
    PANEL,
    "litho pull hf://me/digits",
    "litho pull oci://ghcr.io/me/digits:v1 --require-signature public.pem --to bundles/digits",
    "litho pull hf://me/digits --revision 5f2c1d0e9b8a7f6e5d4c3b2a190807f6e5d4c3b2",
)
def pull(
    address: Address,
    to: Annotated[
        Path | None,
        typer.Option(help="Folder to make; by default bundles/NAME or runs/NAME.", show_default=False),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of the hub. By default main.")
    ] = None,
    require_signature: Annotated[
        Path | None,
        typer.Option(
            help="PEM file of the signer's public key: the upload must be signed with it.", show_default=False
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace a bundle or run that is there and is another one.")
    ] = False,
    plain_http: PlainHttp = False,
    most_gib: Annotated[
        int, typer.Option(help="Largest upload that is read, in GiB.", min=1, max=1 << 20)
    ] = 64,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Get a bundle or run from a registry, every file compared.

    A pull that was stopped continues when the same command is run again.
    Nothing is put in place before all of it has been compared with its hashes.
    """
    from ..registry.pull import pull as pull_files

    details = {"from": address, "revision": revision, "replace": replace}
    with entered(audit_log, "pull", **details) as entry:
        with progress_bar() as progress:
            pulled = pull_files(
                address,
                to=to,
                revision=revision,
                key=require_signature,
                replace=replace,
                plain_http=plain_http,
                most_bytes=most_gib << 30,
                progress=progress,
            )
        entry.update(path=str(pulled.path), address=pulled.address, signature_checked=pulled.signed)
    if as_json:
        print_json(
            {
                "kind": pulled.kind,
                "path": str(pulled.path),
                "address": pulled.address,
                "received_bytes": pulled.received_bytes,
                "size_bytes": pulled.size_bytes,
                "signed": pulled.signed,
            }
        )
        return
    from ..reporting import human_bytes

    typer.echo(f"{pulled.path}\n{pulled.address}")
    signed = (
        f"signed with the key in {require_signature}" if pulled.signed else "digital signature not checked"
    )
    note(f"{human_bytes(pulled.received_bytes)} of {human_bytes(pulled.size_bytes)} received; {signed}")
