from pathlib import Path

import pytest

from litho.serving.gateway.protection.keys import KeyFile

from .conftest import Guarded, Make


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json")


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def status(app: Guarded, path: str = "/v1/models", **headers: str) -> int:
    return app.ask(path=path, headers=headers).status_code


def test_without_a_file_of_keys_none_is_asked_for(guarded: Make) -> None:
    app = guarded("keys")
    assert status(app) == 200
    assert app.seen[0]["key"] is None


def test_a_valid_key_is_let_in_and_known_to_the_route(guarded: Make, file: KeyFile) -> None:
    made = [file.create(str(number)) for number in range(3)]
    app = guarded("keys", keys=file.path)
    assert [status(app, **bearer(key)) for key, _ in made] == [200] * 3
    assert [state["key"] for state in app.seen] == [record for _, record in made]
    assert status(app, authorization=f"bearer  {made[0][0]}") == 200


def test_every_other_gets_the_same_answer(guarded: Make, file: KeyFile) -> None:
    key, record = file.create()
    revoked, old = file.create()
    file.revoke(old.id)
    app = guarded("request_id", "keys", keys=file.path)
    wrong = [bearer(one) for one in (key[:-1], key + "x", revoked, "sk-other", "")]
    wrong += [{"authorization": one} for one in (key, f"Basic {key}", f"Bearer{key}", "Bearer")]
    answers = [app.ask(headers=headers) for headers in wrong]
    for answer in answers:
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="litho"'
        assert answer.json()["error"] == {
            **answers[0].json()["error"],
            "request_id": answer.headers["x-request-id"],
        }
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert key not in answer.text
        assert record.id not in answer.text
    missing = app.ask()
    assert (missing.status_code, missing.json()["error"]["code"]) == (401, "invalid_api_key")
    assert "brings no API key" in missing.json()["error"]["message"]
    assert not app.seen


def test_a_key_counts_and_is_revoked_without_a_restart(guarded: Make, file: KeyFile) -> None:
    file.create()
    app = guarded("keys", keys=file.path)
    key, record = file.create()
    assert status(app, **bearer(key)) == 200
    file.revoke(record.id)
    assert status(app, **bearer(key)) == 401


def test_when_the_keys_cannot_be_read_nobody_is_let_in_and_the_log_says_why(
    guarded: Make, file: KeyFile
) -> None:
    key, _ = file.create()
    app = guarded("keys", keys=file.path)
    content = file.path.read_bytes()
    file.path.write_text("broken")
    for _ in range(3):
        answer = app.ask(headers=bearer(key))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "10"
        assert str(file.path) not in answer.text
    file.path.write_bytes(content)
    assert status(app, **bearer(key)) == 200
    assert [line["level"] for line in app.lines()] == ["error", "info"]


@pytest.mark.parametrize(
    ("path", "public"),
    [
        ("/", True),
        ("/healthz", True),
        ("/readyz", True),
        ("/openapi.json", True),
        ("/playground/app.js", True),
        ("/v1/files/pictures/abc.png", True),
        ("/metrics", False),
        ("/v1/models", False),
        ("/v1/files", False),
        ("/v1/images/generations", False),
        ("/v2/models/digits/infer", False),
        ("//v1/models", False),
        ("/playground", False),
    ],
)
def test_the_page_and_health_need_no_key(guarded: Make, file: KeyFile, path: str, public: bool) -> None:
    file.create()
    assert status(guarded("keys", keys=file.path), path) == (200 if public else 401)
