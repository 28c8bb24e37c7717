"""A gateway that listens, asked over HTTP by real clients."""

import gc
import json
import os
import threading
import urllib.error
import urllib.request

import pytest

from litho.errors import UsageError
from litho.serving.gateway.program import Program, give_way, settle_memory
from litho.serving.gateway.settings import GatewaySettings


def test_it_answers_and_lists_its_models(gateway: Program) -> None:
    with urllib.request.urlopen(f"{gateway.url}/v1/models") as answer:
        models = json.load(answer)["data"]
    assert [model["id"] for model in models] == ["tiny"]


def test_an_address_in_use_is_one_line(gateway: Program) -> None:
    port = int(gateway.url.rpartition(":")[2])
    with pytest.raises(
        UsageError, match=f"cannot listen at 127.0.0.1:{port}: .*; give another --host or --port"
    ):
        Program(GatewaySettings(server="grpc://127.0.0.1:1", port=port)).run()


def test_it_starts_without_a_server_and_says_so(free_port: int) -> None:
    program = Program(GatewaySettings(server=f"grpc://127.0.0.1:{free_port}", port=0))
    thread = threading.Thread(target=program.run)
    thread.start()
    try:
        assert program.wait(120)
        with pytest.raises(urllib.error.HTTPError) as failed:
            urllib.request.urlopen(f"{program.url}/v1/models")
        with failed.value:
            assert failed.value.code == 503
            assert failed.value.headers["Retry-After"] == "1"
            assert json.load(failed.value)["error"]["code"] == "server_unavailable"
    finally:
        program.stop()
        thread.join(120)
    assert not thread.is_alive()


def test_what_a_gateway_consists_of_is_not_searched_again() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        settle_memory()
        assert gc.get_freeze_count() > frozen
        assert gc.get_threshold() > before
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("server", "expected"),
    [("grpc://127.0.0.1:8001", os.SCHED_BATCH), ("grpc://triton.example.org:8001", os.SCHED_OTHER)],
)
def test_beside_its_server_it_waits_for_a_core(server: str, expected: int) -> None:
    """Threads that it starts later do so too."""
    found: list[int] = []

    def later() -> None:
        found.append(os.sched_getscheduler(0))

    def start() -> None:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # the tests may have another one
        give_way(server)
        thread = threading.Thread(target=later)
        thread.start()
        thread.join()

    # In a thread of its own: the policy of this one stays.
    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert found == [expected]


def test_a_policy_that_somebody_chose_stays() -> None:
    found: list[int] = []

    def start() -> None:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        give_way("grpc://localhost:8001")
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert found == [os.SCHED_IDLE]
