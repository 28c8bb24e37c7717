"""Clients of a served model, synchronous and for asyncio."""

from .async_client import AsyncClient
from .client import Access, Client, Options, Retries, StreamedPicture

__all__ = ["Access", "AsyncClient", "Client", "Options", "Retries", "StreamedPicture"]
