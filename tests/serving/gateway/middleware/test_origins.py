from pathlib import Path

import pytest

from .conftest import Make

OTHER = "https://pictures.example.org"


def test_by_default_no_other_page_may_use_the_gateway(guarded: Make) -> None:
    app = guarded("request_id", "origins")
    asked = app.ask("POST", headers={"origin": OTHER}, data={"prompt": "a"})
    assert (asked.status_code, asked.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert asked.json()["error"]["request_id"] == asked.headers["x-request-id"]
    assert app.ask("POST", headers={"origin": "null"}).status_code == 403
    read = app.ask(headers={"origin": OTHER})
    assert read.status_code == 200
    assert not [name for name in read.headers if name.startswith("access-control")]
    before = app.ask("OPTIONS", headers={"origin": OTHER, "access-control-request-method": "POST"})
    assert not [name for name in before.headers if name.startswith("access-control")]


def test_its_own_page_and_programs_may(guarded: Make) -> None:
    app = guarded("origins")
    assert app.ask("POST", headers={"origin": "http://127.0.0.1:8080"}).status_code == 200
    assert app.ask("POST").status_code == 200


def test_allowed_pages_may(guarded: Make) -> None:
    app = guarded("origins", allow_origins=(OTHER,))
    asked = app.ask("POST", headers={"origin": OTHER})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == OTHER
    assert "x-request-id" in asked.headers["access-control-expose-headers"]
    before = app.ask(
        "OPTIONS",
        headers={
            "origin": OTHER,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        },
    )
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == OTHER
    assert app.ask("POST", headers={"origin": "https://evil.example.org"}).status_code == 403
    assert guarded("origins", allow_origins=("*",)).ask("POST", headers={"origin": OTHER}).status_code == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("localhost:8080", 200),
        ("pictures.localhost", 200),
        ("rebound.example.org:8080", 403),
        ("127.0.0.1.example.org", 403),
        ("[::1", 403),
    ],
)
def test_a_name_of_elsewhere_that_leads_here_is_refused(guarded: Make, host: str, status: int) -> None:
    asked = guarded("origins").ask(headers={"host": host})
    assert asked.status_code == status
    if status == 403:
        assert asked.json()["error"]["code"] == "host_not_allowed"


def test_the_page_behind_a_proxy_is_its_own_whatever_the_proxy_says_of_the_host(guarded: Make) -> None:
    app = guarded("origins", public_url=f"{OTHER}/litho/")
    for host in ("127.0.0.1:8080", OTHER.removeprefix("https://")):
        asked = app.ask("POST", headers={"host": host, "origin": OTHER})
        assert asked.status_code == 200
        assert "access-control-allow-origin" not in asked.headers
    assert app.ask("POST", headers={"host": "127.0.0.1", "origin": "https://else.org"}).status_code == 403
    assert app.ask(headers={"host": "else.org"}).status_code == 403


def test_a_public_address_with_the_port_that_browsers_leave_out_is_the_same(guarded: Make) -> None:
    app = guarded("origins", public_url="https://Pictures.example.org:443/litho")
    assert app.ask("POST", headers={"origin": OTHER}).status_code == 200
    assert app.ask("POST", headers={"origin": f"{OTHER}:8443"}).status_code == 403


def test_names_are_free_with_keys_beyond_loopback_and_for_allowed_origins(
    guarded: Make, tmp_path: Path
) -> None:
    from litho.serving.gateway.protection.keys import KeyFile

    KeyFile(tmp_path / "keys.json").create()
    named = {"headers": {"host": "pictures.example.org"}}
    assert guarded("origins", keys=tmp_path / "keys.json").ask(**named).status_code == 200
    assert guarded("origins", host="0.0.0.0").ask(**named).status_code == 200
    assert guarded("origins", allow_origins=(OTHER,)).ask(**named).status_code == 200
