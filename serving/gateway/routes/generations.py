"""`POST /v1/images/generations`: pictures from a prompt or a label."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from ....runners.triton import Options
from ..errors import refused
from ..gateway import Gateway
from ..pictures import encode
from ..work import make_pictures, rows_of

__all__ = ["make_router"]


def make_router(gateway: Gateway) -> APIRouter:
    """The path of generations."""
    router = APIRouter(tags=["images"])

    @router.post("/v1/images/generations")
    async def generate(request: Request) -> JSONResponse:
        """Make pictures."""
        try:
            asked = json.loads(await request.body())
        except ValueError:
            raise refused("the body is no JSON document") from None
        if not isinstance(asked, dict):
            raise refused("the body is no JSON object")
        served = await gateway.models.find(asked.pop("model", None), asked.pop("variant", None))
        count = asked.pop("n", 1)
        fields = {name: value for name, value in asked.items() if name not in ("response_format", "prompt")}
        made = await make_pictures(served, rows_of(served, fields, count), Options())
        data: list[dict[str, Any]] = []
        for one in made:
            content = await gateway.in_thread(encode, one.image)
            seed = one.fields.get("seed")
            data.append(
                {
                    "b64_json": base64.b64encode(content).decode(),
                    "seed": None if seed is None else int(seed),
                    "receipt": None,
                }
            )
        return JSONResponse({"created": int(time.time()), "data": data, "output_format": "png"})

    return router
