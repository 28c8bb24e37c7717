"""The OpenAPI document of a gateway: what its routes say of themselves, and the requests that its models take now."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ...signature.fields import Role
from .errors import ApiError
from .gateway import Gateway
from .kserve.schemas import describe_models
from .middleware.keys import PUBLIC, PUBLIC_FOLDERS
from .request_schemas import edit_body, edit_schema, generation_schema
from .schemas import components, errors

__all__ = ["describe"]

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
JSON = "application/json"

_ALWAYS = (400, 401, 403, 429, 500, 503)
"""Statuses that middlewares may give on every path."""

_WITH_BODY = (408, 413, 415)


def describe(application: FastAPI, gateway: Gateway) -> None:
    """Let `/openapi.json` describe the gateway with the models of the moment."""
    known: dict[int, dict[str, Any]] = {}

    def document() -> dict[str, Any]:
        try:
            models, generation = gateway.models.all(), gateway.models.generation
        except ApiError:  # the server does not answer
            models, generation = [], -1
        if generation not in known:
            known.clear()
            if "base" not in bases:
                bases["base"] = _base(application, secured=gateway.guard.keys is not None)
            made = deepcopy(bases["base"])
            edits = {one.signature.field(Role.IMAGE) is not None for one in models}
            bodies = {
                GENERATIONS: {JSON: {"schema": generation_schema(models, gateway.settings)}},
                EDITS: {
                    "multipart/form-data": edit_body(models, gateway.settings),
                    JSON: {"schema": edit_schema(models, gateway.settings)},
                },
            }
            for path, content in bodies.items():
                if edits == {path == GENERATIONS}:  # no request to this path would be right
                    del made["paths"][path]
                    continue
                made["paths"][path]["post"]["requestBody"] = {"required": True, "content": content}
            if gateway.settings.public_url is not None:
                made["servers"] = [{"url": gateway.settings.public_url.rstrip("/")}]
            signatures = {one.name: one.signature for one in models}
            describe_models(made["paths"], signatures, {str(one.version) for one in models})
            known[generation] = made
        return known[generation]

    bases: dict[str, dict[str, Any]] = {}
    application.openapi = document


def _base(application: FastAPI, *, secured: bool) -> dict[str, Any]:
    """What the routes say, completed by what the middlewares do."""
    made = get_openapi(
        title=application.title,
        version=application.version,
        summary=application.summary,
        routes=application.routes,
    )
    for path, operations in made["paths"].items():
        public = path in PUBLIC or path.startswith(PUBLIC_FOLDERS)
        for method, operation in operations.items():
            said = operation["responses"]
            said.pop("422", None)  # such errors are 400 here
            if not path.startswith("/v2"):
                more = _WITH_BODY if method == "post" else ()
                operation["responses"] = {**errors(*_ALWAYS, *more), **said}
            if secured and not public:
                operation["security"] = [{"key": []}]
    of_routes = made.get("components", {}).get("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        of_routes.pop(name, None)
    made["components"] = {"schemas": {**of_routes, **components()}}
    if secured:
        made["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return made
