"""The audit log of verbs that change what is served, who may ask for it, or what leaves and enters this machine."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["AuditLogFile", "entered"]

AuditLogFile = Annotated[
    Path | None,
    typer.Option(
        "--audit-log",
        envvar="LITHO_AUDIT_LOG",
        help="File that this is entered in; 'litho audit verify' checks it.",
        show_default=False,
    ),
]


def entered(log: Path | None, event: str, **details: Any) -> AbstractContextManager[dict[str, Any]]:
    """Enter the block's work in an audit log, see `audited`; without a log nothing happens.

    Args:
        log: the file.
        event: what is done, such as "deploy".
        details: JSON values; what is None is left out.

    Raises:
        UsageError: nothing can be written there.
    """
    if log is None:
        return nullcontext({})
    from ..files import check_file
    from ..serving.provenance.audit_log import audited

    check_file(log, "--audit-log")
    return audited(log, event, **{name: value for name, value in details.items() if value is not None})
