import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from litho.errors import EndpointError, LithoError, ServerError, UsageError
from litho.serving.configuration import print_config
from litho.serving.control import ModelState, ServerControl
from litho.serving.repository import served_config
from litho.serving.server import EmbeddedServer

from .conftest import ExplicitServer


@pytest.fixture
def control(explicit_server: ExplicitServer) -> Iterator[ServerControl]:
    with ServerControl(explicit_server.grpc_url) as connected:
        yield connected


@pytest.mark.slow
def test_a_running_server_says_who_it_is_and_what_it_serves(
    control: ServerControl, explicit_server: ExplicitServer
) -> None:
    assert control.ready()
    assert control.identity() == explicit_server.id
    assert ModelState("tiny", 1, "READY") in control.index()
    assert control.live_versions("tiny") == [1]
    assert control.live_versions("other") == []
    assert control.model_config("tiny").name == "tiny"
    assert control.statistics("tiny")[1].executions > 0, "warm-up counts"
    assert repr(control) == f"<ServerControl of {explicit_server.grpc_url}>"


@pytest.mark.slow
def test_a_new_version_replaces_the_old_one_and_a_corrupt_one_does_not(
    control: ServerControl, explicit_server: ExplicitServer
) -> None:
    model = explicit_server.repository / "tiny"
    config = served_config(model)
    before = print_config(config)
    config.version_policy.specific.versions[:] = [2]
    shutil.copytree(model / "1", model / "2")
    (graph,) = (model / "2" / "bundle").glob("*/*.onnx")
    good = graph.read_bytes()
    try:
        graph.write_bytes(good[:-1] + b"x")
        (model / "config.pbtxt").write_text(print_config(config))
        with pytest.raises(
            ServerError, match=r"could not load tiny: tiny/2/bundle/graphs/.*has changed"
        ) as refused:
            control.load("tiny")
        assert "\n" not in str(refused.value)
        assert control.live_versions("tiny") == [1]
        graph.write_bytes(good)
        control.load("tiny")
        control.wait_for("tiny", [2])
        assert control.live_versions("tiny") == [2]
        with pytest.raises(ServerError, match="holds version 2 READY of tiny after 0 s"):
            control.wait_for("tiny", [1], seconds=0.0)
    finally:
        (model / "config.pbtxt").write_text(before)
        control.load("tiny")
        control.wait_for("tiny", [1])
        shutil.rmtree(model / "2")


@pytest.mark.slow
def test_a_model_is_unloaded_completely_and_loaded_with_another_configuration(
    control: ServerControl, explicit_server: ExplicitServer
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
    (explicit_server.repository / "tiny" / "config.pbtxt").touch()
    control.load("tiny")
    assert "litho_reload" not in control.model_config("tiny").parameters
    control.wait_for("tiny", [1])


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
    monkeypatch.setattr("litho.serving.control.ASK_SECONDS", 0.2)
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
