from pathlib import Path

import pytest

from litho.errors import UsageError
from litho.serving.gateway.errors import ApiError
from litho.serving.gateway.protection.guard import Guard
from litho.serving.gateway.protection.keys import KeyFile, KeyLimits
from litho.serving.gateway.settings import GatewaySettings


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
