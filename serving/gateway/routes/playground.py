"""The page at `/` and its files; they are read once, so that no request opens a file."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response

from ...playground import PageFile, page_files
from ..errors import not_found
from ..gateway import Gateway

__all__ = ["POLICY", "make_router"]

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Content security policy: nothing from another host, no inline script or style, no HTML made from text."""


def make_router(gateway: Gateway) -> APIRouter:
    """Routes of the page: `/`, and `/playground/NAME` for each of its files."""
    router = APIRouter(include_in_schema=False)
    pages = page_files()

    @router.get("/")
    async def page(request: Request) -> Response:
        return _answer(pages["index.html"], request)

    @router.get("/favicon.ico")
    async def icon(request: Request) -> Response:
        return _answer(pages["icon.svg"], request)  # some browsers ask for it whatever the page says

    @router.get("/playground/{name:path}")
    async def page_file(name: str, request: Request) -> Response:
        if name not in pages:
            raise not_found("the page has no such file")
        return _answer(pages[name], request)

    return router


def _takes_gzip(accepted: str) -> bool:
    """Whether a header `accept-encoding` names gzip, and not to forbid it."""
    for one in accepted.lower().split(","):
        name, _, weight = (part.strip() for part in one.partition(";"))
        if name == "gzip":
            return re.fullmatch(r"q\s*=\s*0(\.0*)?", weight) is None
    return False


def _answer(file: PageFile, request: Request) -> Response:
    headers = {
        "content-security-policy": POLICY,
        "cache-control": "no-cache",
        "etag": file.etag,
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }
    packed = _takes_gzip(request.headers.get("accept-encoding", ""))
    if packed:
        # With a tag of its own: the bytes are others (RFC 9110, 8.8.3). A 304 has it too, or no cache would renew.
        headers["etag"] = f"W/{file.etag}"
    known = (tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(","))
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    if packed:
        headers["content-encoding"] = "gzip"
    content = file.packed if packed else file.content
    return Response(content, media_type=file.media_type, headers=headers)
