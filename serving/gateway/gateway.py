"""What all routes and middlewares of one gateway share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from starlette.requests import Request

from ..provenance import audit_log
from ..provenance.audit_log import AuditLog
from ..provenance.audit_writer import AuditWriter
from ..provenance.stamping import make_stamper
from ..server.events import Event
from .explanations import Explanations
from .observation.metrics import Metrics
from .picture_store import PictureStore
from .protection.certificates import Certificates
from .protection.guard import Guard
from .served_models import ServedModels
from .settings import GatewaySettings

__all__ = ["Gateway"]

Result = TypeVar("Result")


class Gateway:
    """Settings, models and helpers of one gateway; routes and middlewares get it when they are made.

    A plug-in that needs something running for as long as the gateway runs names it with `at_start` and `at_end`.

    Args:
        settings: what it was started with.

    Attributes:
        settings: what it was started with.
        models: of the server.
        receipts: its `stamp` makes the receipt of an encoded picture and puts it into the file.
        guard: keys, limits and the log.
        metrics: of all requests.
        certificates: reads renewed ones.
        audit: enters requests in the audit log; None where there is none.
        explanations: that the bundles of the models carry.
        store: pictures that are handed out by URL.

    Raises:
        UsageError: a key, a certificate or the file of keys that the settings name cannot be used.
        SchemaError: the file of keys was not written by litho.
        AuditError: the audit log cannot be written, or was changed.
        MissingExtra: there is a key or certificate, and a package for it is not installed.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        self.settings = settings
        self.receipts = make_stamper(settings.receipt_key, settings.c2pa_certificate, settings.c2pa_key)
        self.guard = Guard(settings)
        self.models = ServedModels(settings, self.guard.log)
        self.metrics = Metrics(lambda: self.models.up)
        self.certificates = Certificates(self.guard.log, self.metrics.certificate, settings.refresh_seconds)
        self.explanations = Explanations(settings.repository)
        self.store = PictureStore(settings.stored_bytes, settings.stored_seconds)
        self._pool = ThreadPoolExecutor(settings.encoder_threads, thread_name_prefix="litho-pictures")
        self._starts: list[Callable[[], Awaitable[None]]] = [self.models.start]
        self._ends: list[Callable[[], Awaitable[None]]] = [self.models.close]
        self.at_start(self.certificates.start)
        self.at_end(self.certificates.close)
        if self.receipts.credentials is not None:
            self.certificates.watch("content_credentials", self.receipts.credentials)
        self.audit = None if settings.audit_log is None else self._audited(settings.audit_log)

    def at_start(self, action: Callable[[], Awaitable[None]]) -> None:
        """Await this when the gateway starts, after the models were looked at."""
        self._starts.append(action)

    def at_end(self, action: Callable[[], Awaitable[None]]) -> None:
        """Await this when the gateway ends, before the connections to the models are closed."""
        self._ends.append(action)

    def address(self, request: Request) -> str:
        """Where the client of a request reaches this gateway, with a slash at its end."""
        public = self.settings.public_url
        return str(request.base_url) if public is None else f"{public.rstrip('/')}/"

    async def start(self) -> None:
        """Run what has to run before the first request."""
        for action in self._starts:
            await action()

    async def close(self) -> None:
        """Run what has to run after the last request."""
        for action in reversed(self._ends):
            await action()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _audited(self, path: Path) -> AuditWriter:
        """What enters requests in an audit log, from start to end of the gateway."""

        def failed(reason: str) -> None:
            if reason:
                self.guard.log(Event("audit-failed", f"{reason}; requests are refused until it can", "error"))
            else:
                self.guard.log(Event("audit-restored", "the audit log is written again"))

        writer = AuditWriter(AuditLog(path, self.settings.audit_log_bytes), failed)

        async def start() -> None:
            writer.start()
            writer.add(audit_log.Event("gateway-start", {"server": self.settings.server}))

        async def end() -> None:
            writer.add(audit_log.Event("gateway-end", {}))
            await asyncio.to_thread(writer.close)

        self.at_start(start)
        self.at_end(end)
        return writer

    async def in_threads(self, work: Callable[..., Result], rows: Iterable[tuple[Any, ...]]) -> list[Result]:
        """Run the same work as `in_thread` does, for several rows of arguments at once."""
        return list(await asyncio.gather(*(self.in_thread(work, *row) for row in rows)))

    async def in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run work that takes the processor for long, such as encoding a picture, beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
