"""The page over HTTP, without a server behind it."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from litho.serving.gateway.application import error_answer
from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.gateway import Gateway
from litho.serving.gateway.routes.playground import POLICY, make_router
from litho.serving.gateway.settings import GatewaySettings
from litho.serving.playground import page_files


async def _answer(request: Request, error: Exception) -> JSONResponse:
    return error_answer(error)


@pytest.fixture(scope="module")
def application() -> FastAPI:
    application = FastAPI()
    application.include_router(make_router(Gateway(GatewaySettings(server="grpc://127.0.0.1:1"))))
    application.add_exception_handler(ApiError, _answer)
    return application


async def ask(application: FastAPI, *requests: tuple[str, str, dict[str, str]]) -> list[httpx.Response]:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return [await client.request(method, path, headers=headers) for method, path, headers in requests]


def answers(application: FastAPI, *requests: tuple[str, str, dict[str, str]]) -> list[httpx.Response]:
    return asyncio.run(ask(application, *requests))


def test_the_page_and_every_file_of_it_answer_with_the_policy(application: FastAPI) -> None:
    pages = page_files()
    asked = [("GET", "/", {}), *(("GET", f"/playground/{name}", {}) for name in pages)]
    for answer, file in zip(
        answers(application, *asked), [pages["index.html"], *pages.values()], strict=True
    ):
        assert (answer.status_code, answer.content) == (200, file.content)
        assert answer.headers["content-type"] == file.media_type
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert "unsafe" not in POLICY


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [("gzip, br", True), ("br;q=1, GZIP;q=0.5", True), ("gzip;q=0", False), ("identity", False), ("", False)],
)
def test_the_page_travels_packed_to_who_unpacks_it(application: FastAPI, accepted: str, packed: bool) -> None:
    file = page_files()["page.css"]
    (answer,) = answers(application, ("GET", "/playground/page.css", {"accept-encoding": accepted}))
    assert answer.content == file.content  # the client unpacks it
    assert answer.headers.get("content-encoding") == ("gzip" if packed else None)
    assert answer.headers["vary"] == "accept-encoding"
    assert (int(answer.headers["content-length"]) < len(file.content) / 2) == packed
    known = {"if-none-match": answer.headers["etag"], "accept-encoding": accepted}
    (again,) = answers(application, ("GET", "/playground/page.css", known))
    assert (again.status_code, again.headers["etag"]) == (304, answer.headers["etag"])
    assert (answer.headers["etag"] == f"W/{file.etag}") == packed


def test_a_file_that_the_browser_has_is_not_sent_again(application: FastAPI) -> None:
    tag = page_files()["app.js"].etag
    known, other, icon = answers(
        application,
        ("GET", "/playground/app.js", {"if-none-match": f'"other", W/{tag}'}),
        ("GET", "/playground/app.js", {"if-none-match": '"other"'}),
        ("GET", "/favicon.ico", {}),
    )
    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", f"W/{tag}")
    assert other.status_code == icon.status_code == 200
    assert icon.headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize(
    "path", ["nothing.js", "__init__.py", "..%2fgateway/errors.py", "%2e%2e/gateway/errors.py", "views/", ""]
)
def test_nothing_else_lies_there(application: FastAPI, path: str) -> None:
    (answer,) = answers(application, ("GET", f"/playground/{path}", {}))
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
