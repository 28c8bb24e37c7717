import http.client
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import openai
import pytest

from litho.errors import UsageError
from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.protection.guard import Guard
from litho.serving.gateway.protection.keys import KeyFile, KeyLimits
from litho.serving.gateway.settings import GatewaySettings
from litho.serving.server.embedded import EmbeddedServer

from ....conftest import running_gateway
from .test_binding import write_certificate


def guard(**settings: object) -> Guard:
    return Guard(GatewaySettings.model_validate({"server": "grpc://127.0.0.1:1", **settings}))


def test_a_gateway_does_not_start_without_the_keys_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file of keys"):
        guard(keys=tmp_path / "absent.json")
    assert guard().keys is None


def test_a_key_is_read_from_the_header(tmp_path: Path) -> None:
    key, record = KeyFile(tmp_path / "keys.json").create()
    some = guard(keys=tmp_path / "keys.json")
    assert some.key_of(f"Bearer {key}".encode()) == record
    for given in (None, b"", key.encode(), f"Basic {key}".encode(), b"\xff"):
        with pytest.raises(ApiError) as refused:
            some.key_of(given)
        assert refused.value.status == 401


def test_a_refused_rate_leaves_no_request_running(tmp_path: Path) -> None:
    _, record = KeyFile(tmp_path / "keys.json").create("", KeyLimits(requests_per_minute=1, concurrent=1))
    some = guard()
    some.enter(record.id, record)
    some.leave(record.id)
    for _ in range(3):
        with pytest.raises(ApiError, match="at most 1 requests a minute"):
            some.enter(record.id, record)
    some.enter("192.0.2.1", None)
    some.leave("192.0.2.1")


def test_the_openai_client_meets_every_refusal_over_tls(server: EmbeddedServer, tmp_path: Path) -> None:
    certificate, private = write_certificate(tmp_path / "tls")
    file = KeyFile(tmp_path / "keys.json")
    few, _ = file.create("few", KeyLimits(requests_per_minute=1))
    one, _ = file.create("one", KeyLimits(concurrent=1))
    revoked, record = file.create("revoked")
    tls = {"tls_certificate": certificate, "tls_key": private}
    with (
        running_gateway(server.grpc_url, keys=file.path, log_level="error", **tls) as gateway,
        httpx.Client(verify=ssl.create_default_context(cafile=certificate)) as trusting,
    ):
        assert gateway.url.startswith("https://")

        def client(key: str) -> openai.OpenAI:
            return openai.OpenAI(
                base_url=f"{gateway.url}/v1", api_key=key, http_client=trusting, max_retries=0
            )

        def generate(key: str) -> None:
            made = client(key).images.generate(model="tiny", prompt="3")
            assert made.data is not None
            assert made.data[0].b64_json

        for key in (few, one, revoked):
            assert [model.id for model in client(key).models.list()] == ["tiny"]
        file.revoke(record.id)
        for key in (revoked, few[:-1], "sk-none"):
            with pytest.raises(openai.AuthenticationError) as unknown:
                generate(key)
            assert unknown.value.code == "invalid_api_key"
            assert unknown.value.request_id
        generate(few)
        with pytest.raises(openai.RateLimitError, match="at most 1 requests a minute") as over:
            generate(few)
        assert 1 <= int(over.value.response.headers["retry-after"]) <= 60
        with (
            slow_request(gateway.url, one, certificate),
            pytest.raises(openai.RateLimitError, match="at a time"),
        ):
            generate(one)
        generate(one)
        with slow_request(gateway.url, one, certificate, "504 Gateway", {"x-deadline-seconds": "2"}):
            time.sleep(2.1)  # its time passes before it has arrived
        with pytest.raises(openai.PermissionDeniedError, match="--allow-origin"):
            client(one).images.generate(
                model="tiny", prompt="3", extra_headers={"origin": "https://a.example"}
            )
        with pytest.raises(openai.APIConnectionError):
            openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=one, max_retries=0).models.list()


@contextmanager
def slow_request(
    url: str, key: str, certificate: Path, expected: str = "200 OK", headers: Mapping[str, str] | None = None
) -> Iterator[None]:
    """A request whose body comes when the block ends."""
    address = urlsplit(url)
    context = ssl.create_default_context(cafile=certificate)
    with closing(http.client.HTTPSConnection(address.hostname or "", address.port, context=context)) as one:
        body = b'{"model": "tiny", "label": 3}'
        one.putrequest("POST", "/v1/images/generations")
        one.putheader("authorization", f"Bearer {key}")
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            one.putheader(name, value)
        one.putheader("content-length", str(len(body)))
        one.putheader("expect", "100-continue")
        one.endheaders()
        assert one.sock.recv(100).startswith(b"HTTP/1.1 100")  # it waits for the body
        yield
        one.send(body)
        # To its end: until then it counts among those that run at a time.
        with closing(http.client.HTTPResponse(one.sock, method="POST")) as answer:
            answer.begin()
            assert f"{answer.status} {answer.reason}".startswith(expected)
            answer.read()
