"""Answers as OpenAI's API has them: documents of pictures, and server-sent events."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from starlette.requests import Request

from ...signature.fields import Role
from ..provenance.receipt import Origin, Sealed
from .connection import facts_of, request_options
from .errors import as_api_error
from .gateway import Gateway
from .pictures import encode, visible
from .plan import Plan
from .protection.answers import state_of
from .work import Made, Preview, make_pictures, streamed

__all__ = ["document_of", "events_of"]


_QUICK_BYTES = 64 * 64 * 3
"""Pictures of so many bytes in all are encoded in less time than a thread takes to begin, and return."""


@dataclass(frozen=True)
class Finished:
    """A picture as it is answered.

    Args:
        content: the file, with its receipt inside.
        seed: that it was made from; None if the model takes none.
        sealed: the receipt.
    """

    content: bytes
    seed: int | None
    sealed: Sealed

    @property
    def base64(self) -> str:
        """The file as text."""
        return base64.b64encode(self.content).decode()


async def document_of(gateway: Gateway, plan: Plan, request: Request) -> bytes:
    """Make the pictures of a request; OpenAI's `ImagesResponse` of them as JSON.

    Raises:
        EndpointError: the server refused, or did not answer in time.
    """
    made = await make_pictures(
        plan.served, plan.rows, request_options(request, answer_seconds=gateway.settings.answer_seconds)
    )
    origins = [await gateway.models.origin_of(plan.served, one.made_by) for one in made]
    rows = [(gateway, plan, one, origin, _id(request)) for one, origin in zip(made, origins, strict=True)]
    signed = gateway.settings.c2pa_certificate is not None
    if not signed and len(made) * made[0].image.size <= _QUICK_BYTES:
        finished = [_finished(*row) for row in rows]
    else:
        finished = await gateway.in_threads(_finished, rows)
    _note(request, finished)
    data = []
    for one in finished:
        if plan.by_url:
            name = gateway.store.add(one.content, plan.encoding.form)
            where = b'"url":%b' % _json(f"{gateway.address(request)}v1/files/pictures/{name}")
        else:
            # The text of a picture is long and has nothing to escape: JSON's writer would look at all of it.
            where = b'"b64_json":"%b"' % base64.b64encode(one.content)
        seed = b"null" if one.seed is None else b"%d" % one.seed
        data.append(b'{%b,"seed":%b,"receipt":%b}' % (where, seed, one.sealed.text.encode()))
    facts = _common(**_facts(plan))
    return b'{"data":[%b],"created":%d,%b' % (b",".join(data), time.time(), facts[1:])


def _json(document: Any) -> bytes:
    return _WRITER.encode(document).encode()


@lru_cache(256)
def _common(**facts: str) -> bytes:
    """What the documents of many requests have in common."""
    return _json({**facts, "usage": _USAGE})


_WRITER = json.JSONEncoder(separators=(",", ":"))


async def events_of(gateway: Gateway, plan: Plan, request: Request) -> AsyncGenerator[bytes]:
    """Make the pictures of a request; OpenAI's server-sent events of them, and of previews on their way.

    An error after the first event is an event itself.

    Raises:
        EndpointError: the server refused, or did not answer in time, before the first event.
    """
    options = request_options(request, answer_seconds=gateway.settings.answer_seconds)
    facts = {**_facts(plan), "quality": "auto"}
    begun = False
    given: list[Finished] = []
    try:
        async with aclosing(streamed(plan.served, plan.rows, plan.partial_images, options)) as pictures:
            async for one in pictures:
                common = {"created_at": int(time.time()), **facts, "index": one.index}
                if isinstance(one, Preview):
                    content = await gateway.in_thread(_encoded, plan, one)
                    text = base64.b64encode(content).decode()
                    event = _event(plan, "partial_image", text, {**common, "partial_image_index": one.number})
                else:
                    origin = await gateway.models.origin_of(plan.served, one.made_by)
                    finished = await gateway.in_thread(_finished, gateway, plan, one, origin, _id(request))
                    given.append(finished)
                    _note(request, given)
                    extra = {"usage": _USAGE, "seed": finished.seed, "receipt": finished.sealed.document}
                    event = _event(plan, "completed", finished.base64, {**common, **extra})
                yield event
                begun = True
    except Exception as error:
        if not begun:
            raise
        gateway.models.doubt(error)
        api_error = as_api_error(error)
        facts_of(request)["error"] = api_error.code or api_error.kind
        said = api_error.document(_id(request))
        yield _lines("error", {"type": "error", **said})


_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""OpenAI's clients expect it; litho bills nothing and counts no tokens."""


def _event(plan: Plan, step: str, content: str, rest: dict[str, Any]) -> bytes:
    kind = f"image_{plan.kind}.{step}"
    return _lines(kind, {"type": kind, "b64_json": content, **rest})


def _lines(kind: str, document: dict[str, Any]) -> bytes:
    return f"event: {kind}\ndata: {json.dumps(document, separators=(',', ':'))}\n\n".encode()


def _facts(plan: Plan) -> dict[str, str]:
    height, width = plan.size
    encoding = plan.encoding
    alpha = plan.served.signature.output.shape[2] % 2 == 0
    opaque = not alpha or encoding.opaque or encoding.form == "jpeg"
    whom = {} if plan.safety_identifier is None else {"safety_identifier": plan.safety_identifier}
    return {
        **whom,
        "background": "opaque" if opaque else "transparent",
        "output_format": encoding.form,
        "size": f"{width}x{height}",
    }


def _finished(gateway: Gateway, plan: Plan, made: Made, origin: Origin, request_id: str) -> Finished:
    """A picture's receipt, and its file with the receipt inside."""
    stamped = gateway.receipts.stamp(
        _encoded(plan, made),
        origin,
        made.row,
        made.image,
        request_id=request_id,
        quality=plan.encoding.quality,
    )
    seed = plan.served.signature.field(Role.SEED)
    number = None if seed is None else int(made.row[seed.name].item())
    return Finished(stamped.content, number, stamped.sealed)


def _encoded(plan: Plan, picture: Made | Preview) -> bytes:
    return encode(visible(picture.image, plan.encoding), plan.encoding)


def _note(request: Request, given: list[Finished]) -> None:
    """What log, metrics and the audit log say of the pictures that a client is given."""
    facts = facts_of(request)
    facts["pictures"] = len(given)
    facts["receipts"] = [one.sealed.checksum for one in given]


def _id(request: Request) -> str:
    return state_of(request.scope).get("request_id", "")
