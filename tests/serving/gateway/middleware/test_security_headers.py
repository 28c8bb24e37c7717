from pathlib import Path

from .conftest import Make


def test_every_answer_has_them(guarded: Make) -> None:
    headers = guarded("security_headers").ask().headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in headers


def test_what_a_route_set_itself_stays(guarded: Make) -> None:
    async def page(scope: object, receive: object, send: object) -> None:
        own = [(b"Content-Security-Policy", b"default-src 'self'"), (b"cache-control", b"max-age=3600")]
        await send({"type": "http.response.start", "status": 200, "headers": own})
        await send({"type": "http.response.body", "body": b""})

    headers = guarded("security_headers", inner=page).ask().headers
    assert headers.get_list("content-security-policy") == ["default-src 'self'"]
    assert headers.get_list("cache-control") == ["max-age=3600"]
    assert headers["x-content-type-options"] == "nosniff"


def test_with_tls_browsers_come_back_by_tls(guarded: Make, tmp_path: Path) -> None:
    app = guarded("security_headers", tls_certificate=tmp_path / "c", tls_key=tmp_path / "k")
    assert app.ask().headers["strict-transport-security"] == "max-age=31536000"
