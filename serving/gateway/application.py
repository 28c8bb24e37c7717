"""The application of a gateway: its routes and middlewares are the files of two folders."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from ..._version import __version__
from ...errors import LithoError
from ...plugins import load_plugins
from . import middleware, routes
from .connection import DirectRoute, facts_of
from .errors import ApiError, as_api_error, refused
from .exchange import chained
from .gateway import Gateway
from .openapi import describe
from .protection.answers import App, Receive, Scope, Send
from .settings import GatewaySettings

__all__ = ["error_answer", "make_application"]

_FOUND = ("route", "endpoint", "path_params")
"""What a route leaves in the scope of its request."""


def make_application(settings: GatewaySettings) -> FastAPI:
    """The ASGI application of a gateway; `state.gateway` holds the `Gateway`.

    Every file of `routes` gives `make_router(gateway)`; every file of `middleware` gives `ORDER`, the smallest of
    which is outermost, and `class Middleware`, a `Stage` with the argument `gateway`.
    """
    gateway = Gateway(settings)

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncGenerator[None]:
        await gateway.start()
        yield
        await gateway.close()

    application = FastAPI(
        title="litho gateway",
        version=__version__,
        summary="Pictures of the served models, by OpenAI's images API.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # FastAPI's own would send errors with what a client sent in them to whom the environment names; litho's traces
        # are in `observation`.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    application.state.gateway = gateway
    describe(application, gateway)
    for errors in (ApiError, LithoError, HTTPException, RequestValidationError, Exception):
        application.add_exception_handler(errors, _answer_error)
    for module in load_plugins(routes.__name__).values():
        # An included router is searched twice for every request, the routes themselves once.
        application.router.routes.extend(module.make_router(gateway).routes)
    # They are searched in order: what makes pictures comes first.
    application.router.routes.sort(key=lambda route: "POST" not in (getattr(route, "methods", None) or ()))
    modules = sorted(load_plugins(middleware.__name__).values(), key=lambda module: module.ORDER)
    # Made now, so that a setting that one of them cannot use is refused here and not by the first request. FastAPI's
    # own middlewares stand behind them and concern only routes that need them.
    direct = _Direct(application.router.routes, application.build_middleware_stack())
    application.middleware_stack = chained(direct, [module.Middleware(gateway) for module in modules])
    return application


def error_answer(error: Exception, request_id: str | None = None, path: str = "") -> JSONResponse:
    """The answer to a request that failed, in the form of the API that `path` belongs to."""
    said = _of_framework(error) or as_api_error(error)
    return _Answer(said.document(request_id, path), said.status, said.headers)


class _Answer(JSONResponse):
    """In ASCII: the name of a field, which an error repeats, may hold what UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content).encode()


class _Direct:
    """Finds the routes that take a request as it is, and leaves every other path to the framework.

    Args:
        routes: of the application.
        otherwise: the framework.
    """

    def __init__(self, routes: Sequence[BaseRoute], otherwise: App) -> None:
        self._routes = [route for route in routes if isinstance(route, DirectRoute)]
        self._otherwise = otherwise
        self._found = lru_cache(256)(self._find)  # most requests have one of few paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # Whatever GET reads has a HEAD (RFC 9110, 9.1); the HTTP server leaves the content out.
            asked = {**scope, "method": "GET"}
            try:
                await self(asked, receive, send)
            finally:
                scope.update({name: asked[name] for name in _FOUND if name in asked})
            return
        found = None
        if scope["type"] == "http" and not scope.get("root_path"):
            found = self._found(scope["method"], scope["path"])
        if found is None:
            await self._otherwise(scope, receive, send)
            return
        route, parameters = found
        scope["route"], scope["endpoint"], scope["path_params"] = route, route.endpoint, dict(parameters)
        request = Request(scope, receive, send)
        try:
            answer = await route.endpoint(request)
        except (ApiError, LithoError, HTTPException) as error:
            answer = await _answer_error(request, error)
        await answer(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[DirectRoute, dict[str, str]] | None:
        for route in self._routes:
            if method in (route.methods or ()) and (matched := route.path_regex.match(path)) is not None:
                return route, matched.groupdict()
        return None


async def _answer_error(request: Request, error: Exception) -> JSONResponse:
    said = _of_framework(error) or as_api_error(error)
    request.app.state.gateway.models.doubt(error)
    facts_of(request)["error"] = said.code or said.kind
    return error_answer(said, getattr(request.state, "request_id", None), request.url.path)


def _of_framework(error: Exception) -> ApiError | None:
    if isinstance(error, HTTPException):
        codes = {404: "not_found", 405: "method_not_allowed"}
        message = {404: "there is no such path", 405: "the path has no such method"}.get(
            error.status_code, str(error.detail)
        )
        code = codes.get(error.status_code)
        return ApiError(error.status_code, message, code=code, headers=error.headers)
    if isinstance(error, RequestValidationError):
        first: dict[str, Any] = dict(error.errors()[0])
        return refused(str(first["msg"]), ".".join(map(str, first["loc"][1:])) or None)
    return None
