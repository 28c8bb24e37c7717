import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from litho.errors import EndpointError, LithoError, ServerError, UsageError
from litho.serving.control.server_control import ModelState, ServerControl
from litho.serving.server.embedded import EmbeddedServer


@pytest.fixture
def control(live_server: EmbeddedServer) -> Iterator[ServerControl]:
    with ServerControl(live_server.grpc_url) as connected:
        yield connected


@pytest.mark.slow
def test_a_running_server_says_who_it_is_and_what_it_serves(
    control: ServerControl, live_server: EmbeddedServer
) -> None:
    assert control.ready()
    assert control.identity() == live_server.server_id
    assert ModelState("tiny", 1, "READY") in control.index()
    assert control.live_versions("tiny") == [1]
    assert control.live_versions("other") == []
    assert control.model_config("tiny").name == "tiny"
    assert control.statistics("tiny")[1].executions > 0, "warm-up counts"
    assert repr(control) == f"<ServerControl of {live_server.grpc_url}>"


@pytest.mark.slow
def test_a_model_is_unloaded_completely_and_loaded_with_another_configuration(
    control: ServerControl, live_repository: Path
) -> None:
    config = control.model_config("tiny")
    config.parameters["litho_reload"].string_value = "once"
    control.unload("tiny")
    assert control.live_versions("tiny") == []
    assert all(one.state == "UNAVAILABLE" for one in control.index() if one.model == "tiny")
    with pytest.raises(EndpointError, match="refused"):
        control.model_config("tiny")
    control.load("tiny", config)
    assert control.model_config("tiny").parameters["litho_reload"].string_value == "once"
    # Triton loads only what has changed: without a newer file the model would stay as it is.
    (live_repository / "tiny" / "config.pbtxt").touch()
    control.load("tiny")
    assert "litho_reload" not in control.model_config("tiny").parameters
    control.wait_for("tiny", [1])
    with pytest.raises(ServerError, match="holds version 1 READY of tiny after 0 s"):
        control.wait_for("tiny", [2], seconds=0.0)


@pytest.mark.slow
def test_what_the_server_does_not_know_is_told(control: ServerControl) -> None:
    with pytest.raises(ServerError, match=r"could not load nothing: .*nothing"):
        control.load("nothing")
    control.unload("nothing")


@pytest.mark.slow
def test_a_server_that_is_not_in_explicit_mode_says_how_to_start_it(repository: Path, tmp_path: Path) -> None:
    class Fixed(EmbeddedServer):
        def _options(self, backends: Path, again: bool) -> list[str]:
            options = (
                option
                for option in super()._options(backends, again)
                if not option.startswith("--load-model")
            )
            return [*options, "--model-control-mode=none"]

    with Fixed(repository, log=tmp_path / "log") as server, ServerControl(server.grpc_url) as control:
        for order in (control.load, control.unload):
            with pytest.raises(EndpointError, match="--model-control-mode=explicit") as refused:
                order("tiny")
            assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001", "127.0.0.1:8001", "grpc://127.0.0.1", "grpc://127.0.0.1:8001/tiny", ""]
)
def test_another_address_form_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="expected grpc://HOST:PORT"):
        ServerControl(url)


def test_a_server_that_does_not_run_cannot_be_reached() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with ServerControl(f"grpc://127.0.0.1:{held.getsockname()[1]}/") as control:
            assert not control.ready()
            for ask in (control.identity, control.index, lambda: control.load("tiny")):
                with pytest.raises(
                    EndpointError, match=r"cannot reach grpc://127\.0\.0\.1:.*litho serve"
                ) as failed:
                    ask()
                assert "\n" not in str(failed.value)


def test_a_server_that_hangs_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("litho.serving.control.server_control.ASK_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with ServerControl(f"grpc://127.0.0.1:{silent.getsockname()[1]}") as control:
            started = time.monotonic()
            with pytest.raises(LithoError):
                control.identity()
            assert time.monotonic() - started < 60


def test_a_closed_connection_may_be_closed_again() -> None:
    control = ServerControl("grpc://127.0.0.1:1")
    control.close()
    control.close()
    with pytest.raises((LithoError, ValueError, grpc.RpcError)):
        control.identity()


@pytest.mark.slow
def test_a_server_that_other_machines_reach_takes_orders_only_from_who_has_its_key(
    live_repository: Path, tmp_path: Path
) -> None:
    with EmbeddedServer(live_repository, host="0.0.0.0", allow_remote=True, log=tmp_path / "log") as server:
        with ServerControl(server.grpc_url) as stranger:
            assert stranger.identity() == server.server_id
            with pytest.raises(EndpointError, match="takes orders only from who has its key"):
                stranger.unload("tiny")
            with pytest.raises(EndpointError, match="takes orders only from who has its key"):
                stranger.index()
        with server.control() as control:
            control.unload("tiny")
            control.load("tiny")
            assert control.live_versions("tiny") == [1]
