"""Verbs of the gateway's API keys: `key create`, `key list`, `key revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .auditing import AuditLogFile, entered
from .base import AsJson, Verbs, app, verb
from .output import note, print_json, show_rows
from .serving import PANEL

if TYPE_CHECKING:
    from ..serving.gateway.protection.keys import KeyRecord

KeysFile = Annotated[
    Path, typer.Option("--keys", help="File of the gateway's keys; 'create' makes it where there is none.")
]

key = typer.Typer(cls=Verbs, help="Keys of the gateway: make, list, revoke.", no_args_is_help=True)
app.add_typer(key, name="key", rich_help_panel=PANEL)


@verb(
    None,
    "litho key create --name page",
    "litho key create --name batch --keys keys.json --pictures-per-minute 600 --concurrent 8",
    group=key,
)
def create(
    keys: KeysFile = Path("keys.json"),
    name: Annotated[
        str, typer.Option(help="Your name for the key, shown in lists only; by default none.")
    ] = "",
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            help="Requests per minute of this key; by default the gateway's limit.", min=1, max=1_000_000
        ),
    ] = None,
    pictures_per_minute: Annotated[
        int | None,
        typer.Option(
            help="Pictures per minute of this key; by default the gateway's limit.", min=1, max=1_000_000
        ),
    ] = None,
    concurrent: Annotated[
        int | None,
        typer.Option(
            help="Requests of this key at a time; by default the gateway's limit.", min=1, max=100_000
        ),
    ] = None,
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key and print it, for the only time.

    The file holds its SHA-256 and not the key. A gateway that runs with this file takes the key at once.
    """
    from ..serving.gateway.protection.keys import KeyFile, KeyLimits

    limits = KeyLimits(
        requests_per_minute=requests_per_minute,
        pictures_per_minute=pictures_per_minute,
        concurrent=concurrent,
    )
    with entered(audit_log, "key-create", keys=str(keys), name=name) as entry:
        made, record = KeyFile(keys).create(name, limits)
        entry["key"] = record.id
    if as_json:
        print_json({"key": made, **_document(record)})
    else:
        typer.echo(made)
        note(f"{record.id} was added to {keys}; nobody can show the key again, so store it now")


@verb(None, "litho key list --keys keys.json", name="list", group=key)
def list_keys(keys: KeysFile = Path("keys.json"), as_json: AsJson = False) -> None:
    """List the keys of a file, revoked ones too."""
    from ..serving.gateway.protection.keys import KeyFile

    records = KeyFile(keys).read()
    if as_json:
        print_json([_document(record) for record in records])
        return
    show_rows(
        ("id", "name", "created", "revoked", "requests/min", "pictures/min", "at a time"),
        [
            (
                record.id,
                record.name,
                record.created,
                record.revoked or "",
                *(str(value or "") for value in dict(record.limits).values()),
            )
            for record in records
        ],
    )


@verb(None, "litho key revoke key_3f9c2a7d10b4 --keys keys.json", group=key)
def revoke(
    id: Annotated[str, typer.Argument(help="Id of the key, from 'litho key list'.", show_default=False)],
    keys: KeysFile = Path("keys.json"),
    audit_log: AuditLogFile = None,
    as_json: AsJson = False,
) -> None:
    """Revoke an API key.

    A running gateway refuses it from its next request on; requests that it has accepted are finished.
    """
    from ..serving.gateway.protection.keys import KeyFile

    with entered(audit_log, "key-revoke", keys=str(keys), key=id):
        record = KeyFile(keys).revoke(id)
    if as_json:
        print_json(_document(record))
    else:
        typer.echo(f"{record.id} is revoked since {record.revoked}")


def _document(record: KeyRecord) -> dict[str, Any]:
    """What may be shown of a key."""
    return {
        "id": record.id,
        "name": record.name,
        "created": record.created,
        "revoked": record.revoked,
        "limits": dict(record.limits),
    }
