"""`POST /v1/images/edits`: pictures from a picture: image-to-image, filling the hole of a mask, super-resolution."""

from __future__ import annotations

from contextlib import aclosing

from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from ..connection import DirectRoute, body_of
from ..data_urls import take_uploads
from ..errors import ApiError, refused
from ..gateway import Gateway
from ..image_request import ImageRequest, from_document, from_form, is_json, read_json
from ..plan import Uploads
from ..reply import reply, said_of

__all__ = ["make_router"]

FILES = {"image": "image", "image[]": "image", "mask": "mask"}
"""Name of a part -> what the file in it is; clients that send several pictures call them "image[]"."""

_MOST_PARTS = 64


def make_router(gateway: Gateway) -> APIRouter:
    """The path of edits."""
    router = APIRouter(tags=["images"], route_class=DirectRoute)

    @router.post("/v1/images/edits", response_class=Response, openapi_extra=said_of("image_edit"))
    async def edit(request: Request) -> Response:
        """Make pictures from a picture."""
        kind, most_bytes = request.headers.get("content-type"), gateway.settings.most_upload_bytes
        if (kind or "").partition(";")[0].strip().lower() == "multipart/form-data":
            asked, uploads = await _of_form(request, most_bytes)
        elif is_json(kind):
            # A large one takes a while to read.
            asked, uploads = await gateway.in_thread(_of_json, await body_of(request), most_bytes)
        else:
            raise ApiError(
                415,
                "the body has another type; send multipart/form-data or application/json",
                code="unsupported_media_type",
            )
        return await reply(gateway, request, asked, uploads)

    return router


def _of_json(content: bytes, most_bytes: int) -> tuple[ImageRequest, Uploads]:
    document = read_json(content)
    uploads = take_uploads(document, most_bytes)
    return from_document(document), uploads


async def _of_form(request: Request, most_bytes: int) -> tuple[ImageRequest, Uploads]:
    form = await _form(request)
    try:
        return from_form(_texts(form)), await _uploads(form, most_bytes)
    finally:
        await form.close()


class _Parser(MultiPartParser):
    """Knows whether the form came to its end: a part that is cut off would be missing without a word."""

    ended = False

    def on_end(self) -> None:
        self.ended = True


async def _form(request: Request) -> FormData:
    async with aclosing(request.stream()) as stream:
        parser = _Parser(request.headers, stream, max_files=len(FILES), max_fields=_MOST_PARTS)
        try:
            form = await parser.parse()
        except (MultiPartException, UnicodeError):  # the latter of a charset that decodes nothing
            raise refused("the body is no form that can be read", code="invalid_form") from None
    if not parser.ended:
        await form.close()
        raise refused("the body ends within its form", code="invalid_form")
    return form


def _texts(form: FormData) -> list[tuple[str, str]]:
    texts = [(name, text) for name, text in form.multi_items() if isinstance(text, str)]
    for name, _ in texts:
        if name in FILES:
            raise refused(
                f"{FILES[name]!r} is no file; send PNG, JPEG or WebP, with a file name", FILES[name]
            )
    return texts


async def _uploads(form: FormData, most_bytes: int) -> Uploads:
    found: dict[str, bytes] = {}
    for part, file in form.multi_items():
        if not isinstance(file, UploadFile):
            continue
        name = FILES.get(part)
        if name is None:
            raise refused("a file was sent that no model takes; allowed are image and mask", part[:64])
        if name in found:
            raise refused(f"{name!r} was given twice; the models here take one", name)
        if (file.size or 0) > most_bytes:
            raise refused(f"{name!r} has more than {most_bytes} bytes", name, "image_too_large")
        found[name] = await file.read()
    return Uploads(found.get("image"), found.get("mask"))
