import json
import os
from pathlib import Path

import pytest

from litho.errors import DeployError, EndpointError
from litho.serving.control.advertisement import (
    ADVERTISEMENT_NAME,
    Advertisement,
    advertised_server,
    find_server,
)
from litho.serving.server.embedded import EmbeddedServer

MINE = Advertisement(
    id="litho-1",
    pid=os.getpid(),
    grpc="grpc://127.0.0.1:1",
    http="http://127.0.0.1:2",
    metrics="http://127.0.0.1:3/metrics",
)


def test_an_advertisement_is_read_as_it_was_written_and_removed_by_its_own_server_only(
    tmp_path: Path,
) -> None:
    assert Advertisement.read(tmp_path) is None
    assert advertised_server(tmp_path) is None
    MINE.write(tmp_path)
    assert Advertisement.read(tmp_path) == MINE
    document = json.loads((tmp_path / ADVERTISEMENT_NAME).read_text())
    assert sorted(document) == ["grpc", "http", "id", "metrics", "pid", "started"]
    assert document["started"].endswith("+00:00")
    MINE.model_copy(update={"id": "litho-2"}).remove(tmp_path)
    assert Advertisement.read(tmp_path) == MINE
    MINE.remove(tmp_path)
    MINE.remove(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_advertisement_of_a_server_that_is_gone_counts_as_none(tmp_path: Path) -> None:
    MINE.write(tmp_path)
    assert advertised_server(tmp_path) is None
    MINE.model_copy(update={"grpc": "http://elsewhere"}).write(tmp_path)
    assert advertised_server(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": ""}', '{"id": 7, "pid": "x"}'])
def test_a_damaged_advertisement_is_told_in_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / ADVERTISEMENT_NAME).write_text(text)
    with pytest.raises(DeployError, match=r"litho-server\.json does not name a server.*--server") as refused:
        advertised_server(tmp_path)
    assert "\n" not in str(refused.value)
    MINE.remove(tmp_path)
    assert (tmp_path / ADVERTISEMENT_NAME).exists()


@pytest.mark.slow
def test_only_the_server_with_the_advertised_id_is_believed(
    live_server: EmbeddedServer, tmp_path: Path
) -> None:
    own = MINE.model_copy(update={"id": live_server.server_id, "grpc": live_server.grpc_url})
    own.write(tmp_path)
    server = advertised_server(tmp_path)
    assert server is not None
    with server:
        assert server.live_versions("tiny") == [1]
    own.model_copy(update={"id": "another"}).write(tmp_path)
    assert advertised_server(tmp_path) is None


def test_a_server_that_was_named_must_answer(tmp_path: Path) -> None:
    assert find_server(tmp_path, None) is None
    with pytest.raises(EndpointError, match=r"cannot reach grpc://127\.0\.0\.1:1"):
        find_server(tmp_path, "grpc://127.0.0.1:1")
